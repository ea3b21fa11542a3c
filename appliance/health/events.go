package health

import (
	"context"
	"log/slog"
	"time"
)

// What happens to an alarm.
type Happening string

const (
	IsRaised  Happening = "raised"  // it became visible
	IsTold    Happening = "told"    // it is raised, and became worse (Warnable.Again)
	IsCleared Happening = "cleared" // it was visible once, and is over
)

// Event is a step in the life of an alarm. Each alarm that is raised is cleared once, also when a cause hides it at that time.
type Event struct {
	Number uint64 // 1 is the first one of this Tracker, and none is left out
	What   Happening
	Alarm            // as it was then
	At     time.Time // by the present clock, even if the clock was wrong then
}

// eventsKept is how far a reader of events may fall behind. A text has maxArg characters for each argument, so this is a megabyte at most.
const eventsKept = 256

// Events reads the events of a Tracker, from the first one that is kept: what was raised before the reader began comes first. Each
// reader has its own. It belongs to one goroutine.
type Events struct {
	of   *Tracker
	next uint64 // the number of the next event to read
}

// Events returns a reader. It costs nothing while nobody reads, and need not be closed.
func (t *Tracker) Events() *Events { return &Events{of: t, next: 1} }

// Standing is how alarms stand at a moment, for somebody who acts on what happens from then on.
type Standing struct {
	Raised  []Alarm // as readers of events know it: raised, and not cleared since, also while a cause hides it
	Pending []Alarm // active, and never visible so far
	Number  uint64  // of the last event before that moment; 0: there was none
	Events  *Events // reads those after it
}

// Stand returns how alarms stand now. Of a kind of which there are too many, those that are only counted are left out, as they are from the events.
func (t *Tracker) Stand() Standing {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	s := Standing{Number: t.happened, Events: &Events{of: t, next: t.happened + 1}}
	for _, w := range declared {
		k := t.active[w]
		if k == nil {
			continue
		}
		for _, x := range k.list {
			a := view{Warnable: w, args: x.args, since: x.since}.alarm(now)
			if x.told {
				s.Raised = append(s.Raised, a)
			} else {
				s.Pending = append(s.Pending, a)
			}
		}
	}
	return s
}

// Next waits for the next event. A gap in Number says how many a slow reader has missed. The error is that of ctx.
func (r *Events) Next(ctx context.Context) (Event, error) {
	for {
		e, more := r.read()
		if more == nil {
			return e, nil
		}
		select {
		case <-ctx.Done():
			return Event{}, ctx.Err()
		case <-more:
		}
	}
}

// read returns the next event, or what is closed when there is one.
func (r *Events) read() (Event, <-chan struct{}) {
	t := r.of
	t.mu.Lock()
	defer t.mu.Unlock()
	r.next = max(r.next, t.happened+1-uint64(len(t.events)))
	if r.next > t.happened {
		if t.more == nil {
			t.more = make(chan struct{})
		}
		return Event{}, t.more
	}
	e := t.events[(r.next-1)%eventsKept]
	r.next++
	now := time.Now()
	e.At, e.Since = present(e.At, now), present(e.Since, now)
	return e, nil
}

// present is the time of a moment by the present clock.
func present(moment, now time.Time) time.Time { return now.Add(-now.Sub(moment)) }

// tellOf keeps an event for its readers, and gives it to the log. The caller holds the lock.
func (t *Tracker) tellOf(what Happening, w *Warnable, x *instance, now time.Time) {
	t.happened++
	e := Event{Number: t.happened, What: what, Alarm: view{Warnable: w, args: x.args, since: x.since}.alarm(now), At: now}
	e.Since = x.since // with its monotonic reading
	if len(t.events) < eventsKept {
		t.events = append(t.events, e)
	} else {
		t.events[(e.Number-1)%eventsKept] = e
	}
	if t.more != nil {
		close(t.more)
		t.more = nil
	}
	if t.Log != nil && !w.Quiet {
		e.log(t.Log)
	}
}

func (e Event) log(log *slog.Logger) {
	attrs := []slog.Attr{slog.String("alarm", e.ID), slog.String("severity", e.Severity.String())}
	if e.Subject != "" && e.Subject != e.Text {
		attrs = append(attrs, slog.String("subject", e.Subject))
	}
	if e.What == IsCleared {
		attrs = append(attrs, slog.String("for", e.Text), slog.Duration("after", e.At.Sub(e.Since).Round(time.Second)))
		log.LogAttrs(context.Background(), slog.LevelInfo, "alarm cleared", attrs...)
		return
	}
	level := [...]slog.Level{Info: slog.LevelInfo, Warning: slog.LevelWarn, Error: slog.LevelError, Critical: slog.LevelError}[e.Severity]
	log.LogAttrs(context.Background(), level, "alarm raised", append(attrs, slog.String("err", e.Text))...)
}

// Episode is an alarm of the past: raised once, or several times in short succession.
type Episode struct {
	ID          string        `json:"id"`
	Severity    Severity      `json:"severity"`
	Subject     string        `json:"subject,omitempty"`
	Text        string        `json:"text"`
	Raised      time.Time     `json:"raised"`                // for the first time
	Cleared     time.Time     `json:"cleared,omitzero"`      // for the last time; zero: it is raised
	Times       int           `json:"times"`                 // that it was raised
	Lasted      time.Duration `json:"lasted"`                // so long in all, without the present time
	Interrupted bool          `json:"interrupted,omitempty"` // the box restarted while it was raised
}
