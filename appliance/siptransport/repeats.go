package siptransport

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	repeatWindow = time.Minute
	repeatFirst  = 5   // lines that are written before they are counted
	maxRepeats   = 256 // subjects that are told apart
)

// Repeats throttles log lines that a peer can cause. It writes the first few lines of a subject, then their number once a minute. A flood
// must not push other lines out of the log, nor wear out the medium.
type Repeats struct {
	log *slog.Logger

	mu   sync.Mutex
	seen map[repeated]int
	last map[repeated][]any // of the line that was counted last
}

// repeated is what makes lines the same.
type repeated struct {
	level          slog.Level
	msg, from, err string
}

// NewRepeats returns a throttle for a log.
func NewRepeats(log *slog.Logger) *Repeats {
	return &Repeats{log: log, seen: map[repeated]int{}, last: map[repeated][]any{}}
}

// Log writes or counts a line. Lines with the same message and cause about the same peer are repetitions of each other.
func (r *Repeats) Log(level slog.Level, msg, peer, cause string, attrs ...any) {
	k := repeated{level, msg, peer, cause}
	r.mu.Lock()
	if _, ok := r.seen[k]; !ok && len(r.seen) >= maxRepeats {
		k.from, k.err = "", "" // of many
	}
	n, ok := r.seen[k]
	r.seen[k] = n + 1
	if n >= repeatFirst {
		r.last[k] = attrs
	}
	r.mu.Unlock()
	if !ok {
		time.AfterFunc(repeatWindow, func() { r.tell(k) })
	}
	if n < repeatFirst {
		r.log.Log(context.Background(), level, msg, attrs...)
	}
}

// tell writes the number of lines since the last time. It goes on as long as lines come.
func (r *Repeats) tell(k repeated) {
	r.mu.Lock()
	n := r.seen[k] - repeatFirst
	attrs := r.last[k]
	if n > 0 {
		r.seen[k] = repeatFirst
		delete(r.last, k)
	} else {
		delete(r.seen, k)
	}
	r.mu.Unlock()
	if n > 0 {
		r.log.Log(context.Background(), k.level, k.msg, append(attrs[:len(attrs):len(attrs)], "repeated", n)...)
		time.AfterFunc(repeatWindow, func() { r.tell(k) })
	}
}
