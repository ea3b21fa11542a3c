// Package logs takes the log of the box to its destinations: a ring in memory for `show log` and for followers, a file in memory that
// outlives the process, and syslog servers.
//
// It owns the form of a line. It does not own messages or levels. Syslog.Run is one goroutine; everything else runs on the goroutine
// that logs, and never waits.
package logs

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"

	"viaduct/appliance/printable"
)

// Ring keeps the last lines of the log for `show log` and hands new ones to followers.
type Ring struct {
	mu        sync.Mutex
	lines     []string // a ring once it is full
	next      int
	followers map[chan string]struct{}
}

// NewRing returns a ring of n lines.
func NewRing(n int) *Ring {
	return &Ring{lines: make([]string, 0, n), followers: map[chan string]struct{}{}}
}

// Write takes whole lines from a slog handler.
func (r *Ring) Write(b []byte) (int, error) {
	line := string(bytes.TrimRight(b, "\n"))
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) < cap(r.lines) {
		r.lines = append(r.lines, line)
	} else if cap(r.lines) > 0 {
		r.lines[r.next] = line
		r.next = (r.next + 1) % cap(r.lines)
	}
	for f := range r.followers {
		select {
		case f <- line:
		default: // a slow follower misses lines: it must not hold the box up
		}
	}
	return len(b), nil
}

// Last returns the last n lines, oldest first.
func (r *Ring) Last(n int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := append(append([]string(nil), r.lines[r.next:]...), r.lines[:r.next]...)
	return all[max(0, len(all)-n):]
}

// Follow calls each for every new line until ctx ends or each fails.
func (r *Ring) Follow(ctx context.Context, each func(line string) error) error {
	f := make(chan string, 256)
	r.mu.Lock()
	r.followers[f] = struct{}{}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.followers, f)
		r.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case line := <-f:
			if err := each(line); err != nil {
				return err
			}
		}
	}
}

// New returns a logger that writes text lines to each of outs, and records to syslog. A line is formatted once for all outs. When one of
// them fails, the outs after it do not get the line.
func New(level slog.Leveler, syslog *Syslog, outs ...io.Writer) *slog.Logger {
	text := slog.NewTextHandler(io.MultiWriter(outs...), &slog.HandlerOptions{Level: level, ReplaceAttr: printable.Attr})
	return slog.New(slog.NewMultiHandler(syslog.Handler(), text))
}
