// Package commit has a change of the running configuration go back unless it is confirmed in time: a confirmed commit, as NETCONF calls it
// (RFC 6241, 8.4). A change that cuts its author off takes itself back.
//
// It owns the one change that waits, the configuration before it, who has changed something meanwhile, and who changed the running
// configuration last. It does not own that configuration (package system), what a change is made of, or whether somebody may confirm it
// (package lang). It keeps nothing over a restart: the box starts with the startup-config, which never has a change that waits.
//
// Run is one goroutine, which takes a change back when its time is over.
package commit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

const (
	// warning is how long before the end everybody is told again.
	warning = time.Minute
	// mostOthers bounds the list of those who change something meanwhile.
	mostOthers = 8
)

// Options are what a Book works with.
type Options struct {
	Log    *slog.Logger
	Health *health.Tracker
	Zone   func() *time.Location
	// Publish makes what before returns the running configuration, and calls before while that is locked. It calls Changed.
	Publish func(by status.Author, before func() *config.Config)
	Note    func(e status.Audit) // adds to the trail; must not block
	Tell    func(text string)    // tells all consoles; must not block
}

// Book holds the change that waits.
type Book struct {
	o    Options
	wake chan struct{} // one token: there is a change that waits, or a new time for it

	mu      sync.Mutex
	waiting *waiting // nil: there is none
	ended   *status.CommitEnd
	last    status.Changed
}

// waiting is a change that goes back unless it is confirmed.
type waiting struct {
	before *config.Config // comes back
	by     status.Author
	since  time.Time
	until  time.Time
	warned bool
	state  status.CommitState // Pending or Returning
	others []status.Author
	chosen []string // accounts that have chosen a password meanwhile, which before has got as well
	choice string   // the account of which Changed comes next, for such a password: that does not go back
}

// New makes a Book without a change that waits.
func New(o Options) *Book { return &Book{o: o, wake: make(chan struct{}, 1)} }

// Begin has everything that changes from now on go back to before after some time. If a change of the same account waits already, what
// has changed since that one goes back, at the new time. Begin may be called while the configuration is locked.
func (b *Book) Begin(before *config.Config, by status.Author, after time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	w := b.waiting
	switch {
	case w != nil && w.state == status.Returning:
		return errReturning
	case w != nil && w.by.Account != by.Account:
		return fmt.Errorf("a change of %s waits until %s: it must be confirmed or taken back first (confirm, no confirm)", w.by, b.clock(w.until))
	case w == nil:
		w = &waiting{before: before, by: by, since: now, state: status.Pending}
		b.waiting = w
	}
	w.until, w.warned = now.Add(after), after <= warning
	text := fmt.Sprintf("%s changes the configuration on trial: it goes back at %s unless it is confirmed", w.by, b.clock(w.until))
	b.o.Log.Warn("the configuration is on trial", "by", by, "until", w.until.UTC())
	b.o.Note(status.Audit{What: status.AuditConfiguration, Account: by.Account, From: by.From, Line: "on trial from here on: goes back at " + b.clock(w.until) + " unless it is confirmed"})
	b.o.Tell(text)
	b.tell()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return nil
}

var (
	errNone      = errors.New("no change waits for a confirmation")
	errReturning = errors.New("the configuration goes back at this moment: try again")
)

// Confirm lets the change stay.
func (b *Book) Confirm(by status.Author) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.waiting == nil:
		return errNone
	case b.waiting.state == status.Returning:
		return errors.New("too late: the configuration goes back at this moment")
	}
	b.o.Log.Warn("the configuration stays, it is confirmed", "by", by)
	b.o.Tell(fmt.Sprintf("the change of %s is confirmed by %s", b.waiting.by, by))
	b.end(status.Confirmed, by)
	return nil
}

// Back takes the change back at once.
func (b *Book) Back(by status.Author) error {
	b.mu.Lock()
	switch {
	case b.waiting == nil:
		b.mu.Unlock()
		return errNone
	case b.waiting.state == status.Returning:
		b.mu.Unlock()
		return errReturning
	}
	b.waiting.state = status.Returning
	b.mu.Unlock()
	b.goBack(status.TakenBack, by)
	return nil
}

// goBack puts the configuration before the change in place. The state is Returning, so that nobody else does.
func (b *Book) goBack(how status.CommitState, by status.Author) {
	b.o.Publish(by, func() *config.Config {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.waiting.before
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.waiting
	why := "taken back by " + by.String()
	if how == status.TimedOut {
		why = "not confirmed in time"
	}
	text := fmt.Sprintf("the change of %s has gone back: %s", w.by, why)
	if len(w.others) > 0 {
		text += fmt.Sprintf("; what %s changed meanwhile has gone back as well", names(w.others))
	}
	if len(w.chosen) > 0 {
		text += "; new passwords stay: of " + strings.Join(w.chosen, ", ")
	}
	b.o.Log.Warn("the configuration has gone back", "by", w.by, "why", why, "others", names(w.others))
	b.o.Note(status.Audit{What: status.AuditConfiguration, Account: by.Account, From: by.From, Line: text})
	b.o.Tell(text)
	b.end(how, by)
}

// end forgets the change. The lock is held.
func (b *Book) end(how status.CommitState, by status.Author) {
	b.ended = &status.CommitEnd{How: how, Change: b.waiting.by, By: by, Time: time.Now(), Ordered: b.waiting.since}
	b.waiting = nil
	b.tell()
}

// Changed notes who has changed the running configuration. It may be called while that is locked.
func (b *Book) Changed(by status.Author) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = status.Changed{By: by, Time: time.Now()}
	w := b.waiting
	if w != nil && w.choice != "" {
		w.choice = ""
		return
	}
	if w == nil || w.state == status.Returning || by.Account == w.by.Account || len(w.others) >= mostOthers ||
		slices.ContainsFunc(w.others, func(a status.Author) bool { return a.Account == by.Account }) {
		return
	}
	w.others = append(w.others, by)
	text := fmt.Sprintf("%s changes the configuration while the change of %s waits for a confirmation: if that goes back at %s, so does this", by, w.by, b.clock(w.until))
	b.o.Log.Warn("the configuration on trial is changed by somebody else", "by", by)
	b.o.Note(status.Audit{What: status.AuditConfiguration, Account: by.Account, From: by.From, Line: text})
	b.o.Tell(text)
}

// KeepPassword has the password that an account has chosen for itself outlive a change that goes back: its owner would be locked out with
// the only one that he remembers, and one that was given away, or is known to others, would be valid again. All else about the account goes
// back. An account that the change has made goes with it. In a configuration in which nobody has a password it stays only if it is the first
// that gets one at this box: the door would be open again without it, and would be shut behind the wrong one with another. KeepPassword may
// be called while the configuration is locked.
func (b *Book) KeepPassword(a *config.Account, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.waiting
	if w == nil {
		return
	}
	before := *w.before
	before.Accounts = slices.Clone(before.Accounts)
	open := before.OpenDoor()
	switch i := slices.IndexFunc(before.Accounts, func(x *config.Account) bool { return x.Name == a.Name }); {
	case open && !first:
		return
	case i >= 0:
		kept := *before.Accounts[i]
		kept.Password, kept.Change = a.Password, a.Change
		before.Accounts[i] = &kept
	case open:
		before.Accounts = append(before.Accounts, a)
	default:
		return
	}
	w.before = &before
	if !slices.Contains(w.chosen, a.Name) {
		w.chosen = append(w.chosen, a.Name)
	}
	w.choice = a.Name
}

// Last is who changed the running configuration last.
func (b *Book) Last() status.Changed {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// Status describes the change that waits.
func (b *Book) Status() status.Commit {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := status.Commit{Ended: b.ended}
	if w := b.waiting; w != nil {
		st.State, st.By, st.Since, st.Until, st.Others = w.state, w.by, w.since, w.until, slices.Clone(w.others)
		st.Left = max(0, time.Until(w.until).Seconds())
	}
	return st
}

// Welcome is what a new session is told; "" is nothing.
func (b *Book) Welcome() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == nil {
		return ""
	}
	return fmt.Sprintf("a change of %s is on trial: the configuration goes back at %s, unless `confirm` lets it stay; `no confirm` takes it back now", b.waiting.by, b.clock(b.waiting.until))
}

// Run takes a change back when its time is over. At its end the box restarts or stops, so a change that waits is over, too.
func (b *Book) Run(ctx context.Context) error {
	b.mu.Lock()
	b.tell() // one waits already when this was started anew
	b.mu.Unlock()
	defer b.o.Health.Replace(health.Unconfirmed, nil)
	for {
		var next <-chan time.Time
		if d, any := b.step(time.Now()); any {
			next = time.After(d)
		}
		select {
		case <-ctx.Done():
			b.dropped()
			return nil
		case <-next:
		case <-b.wake:
		}
	}
}

// step does what is due now, and returns how long nothing else is; false: no change waits.
func (b *Book) step(now time.Time) (next time.Duration, any bool) {
	b.mu.Lock()
	w := b.waiting
	if w == nil || w.state == status.Returning {
		b.mu.Unlock()
		return 0, false
	}
	left := w.until.Sub(now)
	if left <= 0 {
		w.state = status.Returning
		b.mu.Unlock()
		b.goBack(status.TimedOut, status.Author{})
		return 0, false
	}
	defer b.mu.Unlock()
	if !w.warned && left <= warning {
		w.warned = true
		b.o.Tell(fmt.Sprintf("the change of %s goes back in %s, unless `confirm` lets it stay", w.by, plural.Of(int(left.Round(time.Second)/time.Second), "second")))
	}
	if !w.warned {
		return left - warning, true
	}
	return left, true
}

// dropped says what a restart makes of a change that waits.
func (b *Book) dropped() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting != nil {
		b.o.Log.Warn("the change on trial ends with a restart: the startup-config has not got it", "by", b.waiting.by)
	}
}

// tell brings the alarm in line with the change. The lock is held.
func (b *Book) tell() {
	if b.waiting == nil {
		b.o.Health.Replace(health.Unconfirmed, nil)
		return
	}
	b.o.Health.Replace(health.Unconfirmed, []health.Args{{"by": b.waiting.by.String(), "until": b.clock(b.waiting.until)}})
}

// clock writes a time as people at the box read it.
func (b *Book) clock(t time.Time) string { return t.In(b.o.Zone()).Format("15:04:05 MST") }

func names(list []status.Author) string {
	text := ""
	for n, a := range list {
		if n > 0 {
			text += ", "
		}
		text += a.String()
	}
	return text
}
