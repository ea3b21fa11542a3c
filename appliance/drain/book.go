package drain

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

const (
	// notice is how long OPTIONS stay unanswered before calls are refused. Teams takes a trunk for healthy while OPTIONS went both ways in the
	// last three minutes.
	notice = 3 * time.Minute
	look   = time.Second // at the calls that are left
)

// Scope is what is taken out of service: the box (the zero value), a context cs, or one interface of it.
type Scope struct{ Context, Interface string }

// String names it as people do.
func (s Scope) String() string { return cmp.Or(s.Words(), "the box") }

// Words are what stands behind `drain`.
func (s Scope) Words() string {
	switch {
	case s.Interface != "":
		return "interface sip " + cli.Quote(config.Scoped(s.Context, s.Interface))
	case s.Context != "":
		return "context cs " + cli.Quote(s.Context)
	}
	return ""
}

func (s Scope) holds(id config.InterfaceID) bool {
	return (s.Context == "" || config.SameName(s.Context) == config.SameName(id.Context)) &&
		(s.Interface == "" || config.SameName(s.Interface) == config.SameName(id.Name))
}

// interfaces returns those that a scope holds.
func (s Scope) interfaces(cfg *config.Config) (list []*config.SIPInterface) {
	for _, sw := range cfg.CS {
		for _, i := range sw.Interfaces {
			if s.holds(i.ID()) {
				list = append(list, i)
			}
		}
	}
	return list
}

// Order says what to take out of service.
type Order struct {
	Scope
	Limit time.Duration // calls that are left then are ended
	By    string        // who orders it
	Undo  string        // the command that takes it back
}

// Options are what a Book works with.
type Options struct {
	Log    *slog.Logger
	Health *health.Tracker
	Config func() *config.Config
	Count  func() int           // of all calls in progress
	Calls  func() []status.Call // the same, with their interfaces
	Clear  func(id string)      // ends a call
}

// Book holds what is being taken out of service.
type Book struct {
	o     Options
	wake  chan struct{}            // one token: there is an order
	doors atomic.Pointer[[]closed] // what calls and OPTIONS look at

	mu     sync.Mutex
	orders []*order // one a scope
}

// order is an Order that is carried out.
type order struct {
	Order
	state               status.DrainState
	since, refuse, last time.Time // ordered; new calls are refused from then on; calls are ended then
	ended               bool      // they were
	calls               int       // that are left
}

// closed is a part of an order that others read.
type closed struct {
	Scope
	refuses bool
}

// New makes a Book that has no orders.
func New(o Options) *Book {
	b := &Book{o: o, wake: make(chan struct{}, 1)}
	b.doors.Store(new([]closed))
	return b
}

// Start takes something out of service. What is being taken out already gets the new limit.
func (b *Book) Start(o Order) error {
	cfg := b.o.Config()
	list := o.interfaces(cfg)
	if o.Scope != (Scope{}) && len(list) == 0 {
		return fmt.Errorf("there is no %s with a peer", o.Scope)
	}
	now := time.Now()
	x := &order{Order: o, state: status.Draining, since: now, refuse: now, last: now.Add(o.Limit)}
	if slices.ContainsFunc(list, func(i *config.SIPInterface) bool { return i.Teams() }) {
		x.refuse = now.Add(notice) // nobody else goes elsewhere when OPTIONS stay unanswered
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.find(o.Scope); n >= 0 {
		b.orders[n].last, b.orders[n].ended = x.last, false
		b.orders[n].By, b.orders[n].Undo = o.By, o.Undo
	} else {
		b.orders = append(b.orders, x)
	}
	b.o.Log.Warn("goes out of service", "name", o.Scope, "by", o.By, "limit", o.Limit)
	b.tell()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return nil
}

// Stop takes an order back; false: there is none.
func (b *Book) Stop(s Scope, by string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.find(s)
	if n < 0 {
		return false
	}
	b.orders = slices.Delete(b.orders, n, n+1)
	b.o.Log.Warn("is in service again", "name", s, "by", by)
	b.tell()
	return true
}

// find returns the index of the order of a scope; -1: there is none. The lock is held.
func (b *Book) find(s Scope) int {
	same := func(x, y string) bool { return config.SameName(x) == config.SameName(y) }
	return slices.IndexFunc(b.orders, func(o *order) bool { return same(o.Context, s.Context) && same(o.Interface, s.Interface) })
}

// tell brings what others see in line with the orders. The lock is held.
func (b *Book) tell() {
	doors := make([]closed, 0, len(b.orders))
	var alarms []health.Args
	for _, o := range b.orders {
		doors = append(doors, closed{o.Scope, o.state >= status.Refusing})
		alarms = append(alarms, health.Args{"what": o.Scope.String(), "by": o.By, "undo": o.Undo})
	}
	b.doors.Store(&doors)
	b.o.Health.Replace(health.OutOfService, alarms)
}

// Run looks after the orders until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	b.mu.Lock()
	b.tell() // there are orders already when this was started anew
	b.mu.Unlock()
	defer b.o.Health.Replace(health.OutOfService, nil)
	for {
		var next <-chan time.Time
		if b.step(time.Now()) {
			next = time.After(look)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		case <-b.wake:
		}
	}
}

// step takes every order as far as it can be taken now. It reports whether there is any.
func (b *Book) step(now time.Time) bool {
	b.mu.Lock()
	scopes := make([]Scope, 0, len(b.orders))
	for _, o := range b.orders {
		scopes = append(scopes, o.Scope)
	}
	b.mu.Unlock()
	if len(scopes) == 0 {
		return false
	}
	cfg := b.o.Config()
	for _, s := range scopes {
		if s != (Scope{}) && len(s.interfaces(cfg)) == 0 {
			b.Stop(s, "a change of the configuration") // it does not exist any more
			continue
		}
		n, calls := b.left(s, cfg)
		if b.advance(s, n, now) {
			b.o.Log.Warn("calls are ended, the time to go out of service is over", "name", s, "calls", n)
			for _, id := range calls() {
				b.o.Clear(id)
			}
		}
	}
	return true
}

// left counts the calls of a scope. ids lists them.
func (b *Book) left(s Scope, cfg *config.Config) (n int, ids func() []string) {
	if s == (Scope{}) {
		return b.o.Count(), func() []string { return []string{""} }
	}
	names := map[string]bool{}
	for _, i := range s.interfaces(cfg) {
		names[i.ID().String()] = true
	}
	var list []string
	for _, c := range b.o.Calls() {
		if names[c.From] || names[c.To] {
			list = append(list, c.ID)
		}
	}
	return len(list), func() []string { return list }
}

// advance moves an order to the state that follows from the time and the calls that are left. It reports whether they are to be ended.
func (b *Book) advance(s Scope, calls int, now time.Time) (end bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.find(s)
	if n < 0 {
		return false // it was taken back meanwhile
	}
	o := b.orders[n]
	before := o.state
	o.calls = calls
	over := !now.Before(o.last)
	if o.state == status.Draining && (over || !now.Before(o.refuse)) {
		o.state = status.Refusing
	}
	switch {
	case o.state == status.Refusing && calls == 0:
		o.state = status.Drained
	case o.state == status.Drained && calls > 0: // to an emergency number
		o.state = status.Refusing
	}
	if o.state != before {
		b.o.Log.Info("on the way out of service", "name", s, "state", o.state, "calls", calls)
		b.tell()
	}
	if end = over && !o.ended && calls > 0; end {
		o.ended = true
	}
	return end
}

// Idle reports whether the box has no calls.
func (b *Book) Idle() bool { return b.o.Count() == 0 }

// Over reports whether the time of the box's calls is over.
func (b *Book) Over() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.find(Scope{})
	return n >= 0 && !time.Now().Before(b.orders[n].last)
}

// Status describes the orders, the oldest first.
func (b *Book) Status() (list []status.Drain) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range b.orders {
		d := status.Drain{What: o.Scope.String(), State: o.state, Since: o.since, Limit: o.last, Calls: o.calls, By: o.By}
		if o.state == status.Draining {
			d.Next = o.refuse
		}
		list = append(list, d)
	}
	return list
}

// Silent reports whether the OPTIONS of an interface's peer stay unanswered, and none are sent to it. Only Teams looks for another trunk
// then. A PBX would not even hand over emergency calls any more, so it goes on to get answers.
func (b *Book) Silent(id config.InterfaceID) bool {
	sw, i := id.In(b.o.Config())
	if i == nil || !i.Teams() {
		return false
	}
	return !sw.Enabled || slices.ContainsFunc(*b.doors.Load(), func(c closed) bool { return c.holds(id) })
}

// Refuses says why a new call from an interface's peer is refused; "": it is taken.
func (b *Book) Refuses(id config.InterfaceID) string {
	return b.closed(id, func(closed) bool { return true })
}

// Spares says why no new call goes out by an interface; "": it does. What the box or a context has begun goes on.
func (b *Book) Spares(id config.InterfaceID) string {
	return b.closed(id, func(c closed) bool { return c.Interface != "" })
}

func (b *Book) closed(id config.InterfaceID, counts func(closed) bool) string {
	if sw, _ := id.In(b.o.Config()); sw != nil && !sw.Enabled {
		return "context cs " + sw.Name + " is shut down"
	}
	for _, c := range *b.doors.Load() {
		if c.refuses && c.holds(id) && counts(c) {
			return c.Scope.String() + " is being taken out of service"
		}
	}
	return ""
}
