package health

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/printable"
)

const (
	maxEach = 64   // alarms kept of one Warnable; the rest is only counted
	maxArg  = 1024 // characters of an argument; the log has the same limit
)

// State is the state of an active alarm. Set makes an alarm active, Clear ends it from every state.
//
//	pending --- Delay passes ---------> raised
//	   ^                                  ^
//	   +--- a cause comes or goes --- hidden
type State string

const (
	Pending State = "pending" // not visible yet: it may be over before anyone has to know
	Hidden  State = "hidden"  // not visible: a cause is active
	Raised  State = "raised"  // visible
)

// Tracker holds the active alarms. The zero value is ready for use. It is safe for concurrent use.
type Tracker struct {
	// Log gets a line when an alarm is raised and a line when it is cleared; nil: none. Its handler must not call the Tracker.
	Log *slog.Logger

	mu          sync.Mutex
	active      map[*Warnable]*kind
	subscribers map[chan struct{}]bool
	events      []Event       // the last ones: number N is at (N-1) % eventsKept
	happened    uint64        // the number of the last event
	more        chan struct{} // closed with the next event; nil: nobody waits
	next        time.Time     // when the next pending alarm is due; zero: none is pending
	wake        chan struct{} // tells Run that next has changed
}

// kind holds the active alarms of one Warnable.
type kind struct {
	list []*instance // oldest first
	more int         // alarms beyond maxEach
	from time.Time   // since when there are more
}

type instance struct {
	subject string
	args    Args
	since   time.Time
	state   State
	told    bool // it was visible once
	worse   bool // since it was told of
	seen    acknowledgement
	rests   bool // it is acknowledged
}

// Set makes an alarm active. A second Set for the same subject updates the arguments.
func (t *Tracker) Set(w *Warnable, args Args) {
	t.change(func(now time.Time) {
		k := t.kindOf(w)
		if !k.set(w, args, now) {
			k.tooMany(max(k.more, 1), now) // the same one may be set again and again: only Replace can count
		}
	})
}

// Clear ends the alarm of this subject. It ignores the subject if the Warnable has none. It does nothing if there is no such alarm.
func (t *Tracker) Clear(w *Warnable, subject string) {
	if !t.Active(w) {
		return
	}
	t.change(func(now time.Time) {
		subject = printable.Short(subject, maxArg)
		t.drop(w, now, func(x *instance) bool { return w.Subject == "" || x.subject == subject })
	})
}

// Replace sets these alarms of a Warnable and clears all its others.
func (t *Tracker) Replace(w *Warnable, all []Args) {
	if len(all) == 0 && !t.Active(w) {
		return // as after nearly every call
	}
	t.change(func(now time.Time) {
		keep := map[string]bool{}
		for _, args := range all {
			keep[bounded(w, args)[w.Subject]] = true
		}
		t.drop(w, now, func(x *instance) bool { return !keep[x.subject] })
		if len(all) == 0 {
			return
		}
		k, more := t.kindOf(w), 0
		for _, args := range all {
			if !k.set(w, args, now) {
				more++
			}
		}
		k.tooMany(more, now)
	})
}

func (t *Tracker) kindOf(w *Warnable) *kind {
	if t.active == nil {
		t.active = map[*Warnable]*kind{}
	}
	if t.active[w] == nil {
		t.active[w] = &kind{}
	}
	return t.active[w]
}

// set adds or updates an alarm. It returns false if the kind is full.
func (k *kind) set(w *Warnable, args Args, now time.Time) bool {
	args = bounded(w, args)
	subject := args[w.Subject]
	n := slices.IndexFunc(k.list, func(x *instance) bool { return x.subject == subject })
	switch {
	case n < 0 && len(k.list) == maxEach:
		return false
	case n < 0:
		k.list = append(k.list, &instance{subject: subject, args: args, since: now, state: Pending})
	default:
		x := k.list[n]
		x.worse = x.worse || w.Again != "" && x.args[w.Again] != args[w.Again]
		x.args = args
	}
	return true
}

func (k *kind) tooMany(more int, now time.Time) {
	if k.more == 0 {
		k.from = now
	}
	k.more = more
}

// drop clears the alarms that over selects.
func (t *Tracker) drop(w *Warnable, now time.Time, over func(*instance) bool) {
	k := t.active[w]
	if k == nil {
		return
	}
	k.list = slices.DeleteFunc(k.list, func(x *instance) bool {
		gone := over(x)
		if gone && x.told {
			t.tellOf(IsCleared, w, x, now)
		}
		return gone
	})
	if len(k.list) < maxEach {
		k.more = 0
	}
	if len(k.list) == 0 {
		delete(t.active, w)
	}
}

// bounded copies the arguments that the Warnable uses. Each becomes one line of limited length.
func bounded(w *Warnable, args Args) Args {
	mine := Args{}
	for _, name := range w.arguments {
		mine[name] = printable.Short(args[name], maxArg)
	}
	return mine
}

// change runs f, updates the states, informs the log and the subscribers, and returns the visible alarms.
func (t *Tracker) change(f func(now time.Time)) (shown []view, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.shown()
	now = time.Now()
	f(now)
	next := t.judge(now)
	shown = t.shown()
	if !slices.EqualFunc(before, shown, view.equal) {
		t.tell()
	}
	if !next.Equal(t.next) && t.wake != nil {
		t.next = next
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
	return shown, now
}

// look raises the alarms that are due and returns the visible ones.
func (t *Tracker) look() (shown []view, now time.Time) { return t.change(func(time.Time) {}) }

// judge updates all states. It returns when the next pending alarm is due.
func (t *Tracker) judge(now time.Time) (next time.Time) {
	for _, w := range declared {
		k := t.active[w]
		if k == nil {
			continue
		}
		for _, x := range k.list {
			x.state = t.stateOf(w, x, now)
			if x.worse {
				x.seen = acknowledgement{}
			}
			x.rests = x.seen.holds(w, now)
			if back := x.seen.at.Add(criticalRest); x.rests && w.Severity == Critical && (next.IsZero() || back.Before(next)) {
				next = back
			}
			switch due := x.since.Add(w.Delay); {
			case x.state == Raised && !x.told:
				x.told, x.worse = true, false
				t.tellOf(IsRaised, w, x, now)
			case x.state == Raised && x.worse:
				x.worse = false
				t.tellOf(IsTold, w, x, now)
			case x.state == Pending && (next.IsZero() || due.Before(next)):
				next = due
			}
		}
	}
	return next
}

func (t *Tracker) stateOf(w *Warnable, x *instance, now time.Time) State {
	switch {
	case t.caused(w, x):
		return Hidden
	case now.Sub(x.since) < w.Delay:
		return Pending
	}
	return Raised
}

// caused reports whether a cause of the alarm is active, visible or not.
func (t *Tracker) caused(w *Warnable, x *instance) bool {
	return slices.ContainsFunc(w.After, func(c Cause) bool {
		k := t.active[c.Of]
		return k != nil && slices.ContainsFunc(k.list, func(cause *instance) bool {
			return c.Same == "" || cause.args[c.Same] != "" && cause.args[c.Same] == x.args[c.Same]
		})
	})
}

// Run raises alarms when they are due, until ctx ends.
func (t *Tracker) Run(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	t.mu.Lock()
	t.wake = wake
	t.mu.Unlock()
	for {
		t.look()
		t.mu.Lock()
		next := t.next
		t.mu.Unlock()
		var due <-chan time.Time
		if !next.IsZero() {
			due = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-due:
		case <-wake:
		}
	}
}

// Subscribe returns a channel that gets a token after each change of Current. A slow reader misses tokens, but no state.
func (t *Tracker) Subscribe() (changes <-chan struct{}, cancel func()) {
	c := make(chan struct{}, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.subscribers == nil {
		t.subscribers = map[chan struct{}]bool{}
	}
	t.subscribers[c] = true
	return c, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.subscribers, c)
	}
}

func (t *Tracker) tell() {
	for c := range t.subscribers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// view is a visible alarm.
type view struct {
	*Warnable
	args  Args
	since time.Time
	more  int    // 0: one alarm; otherwise the number of alarms beyond maxEach
	seen  string // by whom it was acknowledged; "": it is not
}

func (v view) equal(other view) bool {
	return v.Warnable == other.Warnable && v.more == other.more && v.seen == other.seen && v.since.Equal(other.since) && maps.Equal(v.args, other.args)
}

// shown returns the raised alarms, worst first, then oldest first. Those that are acknowledged come last.
func (t *Tracker) shown() (list []view) {
	for _, w := range declared {
		k := t.active[w]
		if k == nil {
			continue
		}
		kept := len(list)
		for _, x := range k.list {
			if x.state == Raised {
				v := view{Warnable: w, args: x.args, since: x.since}
				if x.rests {
					v.seen = x.seen.by
				}
				list = append(list, v)
			}
		}
		if k.more > 0 && len(list) > kept {
			list = append(list, view{Warnable: w, since: k.from, more: k.more})
		}
	}
	slices.SortStableFunc(list, func(a, b view) int {
		return cmp.Or(cmp.Compare(min(len(a.seen), 1), min(len(b.seen), 1)), cmp.Compare(b.Severity, a.Severity), a.since.Compare(b.since), cmp.Compare(a.more, b.more), strings.Compare(a.args[a.Subject], b.args[b.Subject]))
	})
	return list
}
