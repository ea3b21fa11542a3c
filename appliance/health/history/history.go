// Package history remembers the alarms that were raised, for how long, and how often.
//
// It owns the list of the last ones, which outlives the process: a bounded log on flash. It does not own alarms, which are package health. Run
// is one goroutine.
package history

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/flash"
	"viaduct/appliance/health"
)

const (
	kept = 500 // episodes
	// joined is how soon an alarm that comes back belongs to the episode before: one that flaps must not drive all others out.
	joined = time.Hour
	// writeEvery spares the flash: an alarm that flaps is written at most so often.
	writeEvery = time.Minute
)

// Book is the history. It is safe for concurrent use.
type Book struct {
	events *health.Events
	log    *slog.Logger
	file   *flash.Log // nil: it cannot be kept

	mu   sync.Mutex
	list []*episode // oldest first
}

type episode struct {
	health.Episode
	began time.Time // of the present stretch
	dirty bool
}

// Open reads what was kept. Without a usable file the history is that of this run.
func Open(events *health.Events, log *slog.Logger, open func() (*flash.Log, error)) *Book {
	b := &Book{events: events, log: log}
	file, err := open()
	if err != nil {
		log.Warn("alarm history not kept", "err", err)
		return b
	}
	b.file = file
	lines, err := file.Last(8 * kept)
	if err != nil {
		log.Warn("alarm history not read", "err", err)
	}
	for _, line := range lines {
		var e health.Episode
		if json.Unmarshal(line, &e) != nil || e.ID == "" {
			continue // a power cut tore it
		}
		if e.Cleared.IsZero() {
			e.Interrupted = true // the box restarted while it was raised
		}
		same := func(x *episode) bool { return x.ID == e.ID && x.Subject == e.Subject && x.Raised.Equal(e.Raised) }
		if n := slices.IndexFunc(b.list, same); n >= 0 {
			b.list[n].Episode = e // it was written again
			continue
		}
		b.list = append(b.list, &episode{Episode: e})
	}
	b.trim()
	return b
}

func (b *Book) trim() { b.list = b.list[max(0, len(b.list)-kept):] }

// Run takes what happens to alarms until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		every := time.NewTicker(writeEvery)
		defer every.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
				b.write()
			}
		}
	}()
	for {
		e, err := b.events.Next(ctx)
		if err != nil {
			break
		}
		b.take(e)
	}
	<-writing
	b.write()
	if b.file == nil {
		return nil
	}
	return b.file.Close()
}

// take notes an event.
func (b *Book) take(e health.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.last(e)
	switch {
	case e.What == health.IsCleared && x != nil && x.Cleared.IsZero():
		x.Cleared = e.At
		x.Lasted += e.At.Sub(x.began)
	case e.What == health.IsCleared:
		return
	case x != nil && e.What == health.IsRaised && !x.Interrupted && e.At.Sub(x.Cleared) < joined:
		x.Cleared, x.began, x.Text = time.Time{}, e.At, e.Text
		x.Times++
	case x != nil && x.Cleared.IsZero() && !x.Interrupted:
		x.Text = e.Text
	default:
		x = &episode{Episode: health.Episode{ID: e.ID, Severity: e.Severity, Subject: e.Subject, Text: e.Text, Raised: e.At, Times: 1}, began: e.At}
		b.list = append(b.list, x)
		b.trim()
	}
	x.dirty = true
}

// last is the last episode of the event's alarm.
func (b *Book) last(e health.Event) *episode {
	for _, x := range slices.Backward(b.list) {
		if x.ID == e.ID && x.Subject == e.Subject {
			return x
		}
	}
	return nil
}

// write puts on flash what has changed.
func (b *Book) write() {
	b.mu.Lock()
	var lines [][]byte
	for _, x := range b.list {
		if line, err := json.Marshal(x.Episode); x.dirty && err == nil {
			lines = append(lines, line)
		}
		x.dirty = false
	}
	b.mu.Unlock()
	for _, line := range lines {
		if b.file == nil {
			return
		}
		if err := b.file.Append(line); err != nil {
			b.log.Warn("alarm history not written", "err", fmt.Errorf("write alarm history: %w", err))
			return
		}
	}
}

// Last returns the last n episodes, oldest first.
func (b *Book) Last(n int) (list []health.Episode) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, x := range b.list[max(0, len(b.list)-n):] {
		list = append(list, x.Episode)
	}
	return list
}
