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
	maxEach = 64   // alarms of one Warnable that are kept; of the rest only their number is
	maxArg  = 1024 // characters of an argument, as of a value in the log
)

// State is where an alarm stands.
//
//	           Set                    Delay has passed
//	(cleared) ------> pending or ------------------------> raised
//	    ^             hidden, when                           |
//	    |             a cause stands <---------------------->|  a cause comes or goes
//	    +----------------- Clear, from every state ----------+
type State string

const (
	Pending State = "pending" // it stands, and may be over before anybody has to know
	Hidden  State = "hidden"  // it stands, and so does what causes it
	Raised  State = "raised"  // it is shown
)

// Tracker holds the alarms that stand. The zero value is ready; it is safe for concurrent use.
type Tracker struct {
	// Log gets one line when an alarm is raised and one when it is over; nil: none. It must not call the Tracker.
	Log *slog.Logger

	mu       sync.Mutex
	standing map[*Warnable]*kind
	heard    map[chan struct{}]bool // subscribers
	next     time.Time              // when the next pending alarm is raised; zero: none is pending
	wake     chan struct{}          // tells Run that next is another one
}

// kind are the standing alarms of one Warnable.
type kind struct {
	list []*instance // the oldest first
	more int         // alarms that are not kept, for there are too many
	from time.Time   // more is not 0 since
}

type instance struct {
	subject string
	args    Args
	since   time.Time
	state   State
	told    bool // in the log
}

// Set notes that something is wrong. Set again for the same subject it takes the new arguments.
func (t *Tracker) Set(w *Warnable, args Args) {
	t.change(func(now time.Time) {
		k := t.kindOf(w)
		if !k.set(w, args, now) {
			k.tooMany(k.more+1, now)
		}
	})
}

// Clear notes that it is over for this subject, which is not looked at for a Warnable without subjects. An alarm that does not stand is no
// mistake.
func (t *Tracker) Clear(w *Warnable, subject string) {
	if !t.Stands(w) {
		return
	}
	t.change(func(now time.Time) {
		subject = printable.Short(subject, maxArg)
		t.drop(w, now, func(x *instance) bool { return w.Subject == "" || x.subject == subject })
	})
}

// Replace makes these the standing alarms of a Warnable: it sets them and clears all others.
func (t *Tracker) Replace(w *Warnable, all []Args) {
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
	if t.standing == nil {
		t.standing = map[*Warnable]*kind{}
	}
	if t.standing[w] == nil {
		t.standing[w] = &kind{}
	}
	return t.standing[w]
}

// set adds or changes an alarm; false: there are too many already.
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
		x.told = x.told && (w.Again == "" || x.args[w.Again] == args[w.Again])
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

// drop clears alarms. What was not kept is forgotten with them: it is set again when it still stands.
func (t *Tracker) drop(w *Warnable, now time.Time, over func(*instance) bool) {
	k := t.standing[w]
	if k == nil {
		return
	}
	k.list = slices.DeleteFunc(k.list, func(x *instance) bool {
		gone := over(x)
		if gone && x.told && t.Log != nil && !w.Quiet {
			t.Log.Info("alarm is over", "name", w.ID, "for", x.args.fill(w.Text), "after", now.Sub(x.since).Round(time.Second))
		}
		return gone
	})
	if len(k.list) < maxEach {
		k.more = 0
	}
	if len(k.list) == 0 {
		delete(t.standing, w)
	}
}

// bounded copies the arguments that the Warnable uses, each as one line that is not too long.
func bounded(w *Warnable, args Args) Args {
	mine := Args{}
	for _, name := range w.arguments {
		mine[name] = printable.Short(args[name], maxArg)
	}
	return mine
}

// change changes what stands, tells the log and the subscribers what comes of it, and returns what is shown now.
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

// look raises what is due, and returns what is shown.
func (t *Tracker) look() (shown []view, now time.Time) { return t.change(func(time.Time) {}) }

// judge brings the states in line with the time and with the causes, and returns when the next pending alarm is raised.
func (t *Tracker) judge(now time.Time) (next time.Time) {
	for _, w := range declared {
		k := t.standing[w]
		if k == nil {
			continue
		}
		for _, x := range k.list {
			x.state = t.stateOf(w, x, now)
			switch due := x.since.Add(w.Delay); {
			case x.state == Raised && !x.told:
				x.told = true
				t.logRaised(w, x)
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

// caused reports whether a cause of the alarm stands, shown or not.
func (t *Tracker) caused(w *Warnable, x *instance) bool {
	return slices.ContainsFunc(w.After, func(c Cause) bool {
		k := t.standing[c.Of]
		return k != nil && slices.ContainsFunc(k.list, func(cause *instance) bool {
			return c.Same == "" || cause.args[c.Same] != "" && cause.args[c.Same] == x.args[c.Same]
		})
	})
}

func (t *Tracker) logRaised(w *Warnable, x *instance) {
	if t.Log == nil || w.Quiet {
		return
	}
	level := [...]slog.Level{Info: slog.LevelInfo, Warning: slog.LevelWarn, Error: slog.LevelError, Critical: slog.LevelError}[w.Severity]
	t.Log.Log(context.Background(), level, "alarm", "name", w.ID, "err", x.args.fill(w.Text))
}

// Run raises alarms when their time has come, until ctx ends.
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

// Subscribe returns a channel that gets a token after Current has changed. A slow reader misses tokens and no state. cancel ends it.
func (t *Tracker) Subscribe() (changes <-chan struct{}, cancel func()) {
	c := make(chan struct{}, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.heard == nil {
		t.heard = map[chan struct{}]bool{}
	}
	t.heard[c] = true
	return c, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.heard, c)
	}
}

func (t *Tracker) tell() {
	for c := range t.heard {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// view is an alarm as it is shown.
type view struct {
	*Warnable
	args  Args
	since time.Time
	more  int // 0: one alarm; else so many that are not kept
}

func (v view) equal(other view) bool {
	return v.Warnable == other.Warnable && v.more == other.more && v.since.Equal(other.since) && maps.Equal(v.args, other.args)
}

// shown are the raised alarms, the worst first and the older before the younger.
func (t *Tracker) shown() (list []view) {
	for _, w := range declared {
		k := t.standing[w]
		if k == nil {
			continue
		}
		kept := len(list)
		for _, x := range k.list {
			if x.state == Raised {
				list = append(list, view{Warnable: w, args: x.args, since: x.since})
			}
		}
		if k.more > 0 && len(list) > kept {
			list = append(list, view{Warnable: w, since: k.from, more: k.more})
		}
	}
	slices.SortStableFunc(list, func(a, b view) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), a.since.Compare(b.since), cmp.Compare(a.more, b.more), strings.Compare(a.args[a.Subject], b.args[b.Subject]))
	})
	return list
}
