package siptransport

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	repeatHour  = time.Hour        // from one line about repetitions to the next
	repeatQuiet = 10 * time.Minute // without a repetition: it is over
	repeatLook  = time.Minute
	repeatOther = 5   // lines in repeatLook of a subject whose error is another one each time
	maxRepeats  = 256 // subjects that are told apart
)

// Repeats throttles log lines that a peer can cause. A subject has a line when it begins, one an hour with the number of repetitions, and one
// when it is over. A flood must not push other lines out of the log, nor wear out the medium.
type Repeats struct {
	log *slog.Logger

	mu   sync.Mutex
	seen map[repeated]*repetition
}

// repeated is what makes lines the same.
type repeated struct {
	level          slog.Level
	msg, from, err string
}

// repetition is what came after the first line.
type repetition struct {
	why   string    // the error of the last line that was written
	lines int       // written since the last look
	told  time.Time // when one was written
	last  time.Time // the last repetition
	since int       // repetitions since a line was written
	all   int
	attrs []any // of the last one
}

// NewRepeats returns a throttle for a log.
func NewRepeats(log *slog.Logger) *Repeats {
	return &Repeats{log: log, seen: map[repeated]*repetition{}}
}

// Log writes or counts a line. Lines with the same message and cause about the same peer are repetitions of each other, unless the error in
// attrs is another one than before.
func (r *Repeats) Log(level slog.Level, msg, peer, cause string, attrs ...any) {
	if r.isNew(repeated{level, msg, peer, cause}, attrs) {
		r.log.Log(context.Background(), level, msg, attrs...)
	}
}

// isNew reports whether a line is to be written, and counts it otherwise.
func (r *Repeats) isNew(k repeated, attrs []any) bool {
	why, now := "", time.Now()
	for n := 0; n+1 < len(attrs); n += 2 {
		if attrs[n] == "err" {
			why = fmt.Sprint(attrs[n+1])
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[k] == nil && len(r.seen) >= maxRepeats {
		k.from, k.err = "", "" // of many
	}
	x := r.seen[k]
	switch {
	case x == nil:
		x = &repetition{}
		r.seen[k] = x
		time.AfterFunc(repeatLook, func() { r.look(k) })
	case why == x.why || x.lines >= repeatOther:
		x.last, x.attrs = now, attrs
		x.since++
		x.all++
		return false
	}
	x.why, x.told, x.last = why, now, now
	x.lines++
	return true
}

// look writes the line of the hour, or that of the end.
func (r *Repeats) look(k repeated) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, now := r.seen[k], time.Now()
	x.lines = 0
	switch {
	case now.Sub(x.last) >= repeatQuiet:
		delete(r.seen, k)
		if x.all > 0 {
			r.tell(slog.LevelInfo, k, x.attrs, "repeated", x.since, "over", true)
		}
		return
	case x.since > 0 && now.Sub(x.told) >= repeatHour:
		r.tell(k.level, k, x.attrs, "repeated", x.since)
		x.since, x.told = 0, now
	}
	time.AfterFunc(repeatLook, func() { r.look(k) })
}

func (r *Repeats) tell(level slog.Level, k repeated, attrs []any, more ...any) {
	r.log.Log(context.Background(), level, k.msg, append(attrs[:len(attrs):len(attrs)], more...)...)
}
