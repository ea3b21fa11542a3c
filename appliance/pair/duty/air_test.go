package duty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pair"
	"viaduct/appliance/pair/link"
	"viaduct/appliance/pair/vrrp"
)

// air is what is between two boxes: two ports and the direct path, in memory. Sockets of the kernel do not go by the time of a test.
type air struct {
	mu    sync.Mutex
	boxes [2]*member
	cut   bool // nothing passes
	lan   bool // box 1 has no carrier at the LAN
}

// member is a box of the pair with what it was asked to do.
type member struct {
	*Duty
	air *air
	n   int

	mu      sync.Mutex
	router  *fakeRouter
	leads   bool
	linked  bool
	synced  bool // as a standby, since Follow
	log     []string
	slow    time.Duration // that TakeOver takes
	stuck   time.Duration // that the next advert takes
	refuses error         // of HandOver
	waits   bool          // HandOver does, until it may not any more
	adverts int
	said    pair.Word
	facts   Facts
}

func (m *member) note(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

// events returns what has happened since it was asked last.
func (m *member) events() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	log := m.log
	m.log = nil
	return log
}

// other is the other box, if anything reaches it.
func (m *member) other() *member {
	m.air.mu.Lock()
	defer m.air.mu.Unlock()
	if m.air.cut {
		return nil
	}
	return m.air.boxes[1-m.n]
}

type fakeRouter struct {
	m *member
	o vrrp.Options

	mu   sync.Mutex
	held bool
}

func (r *fakeRouter) Run(ctx context.Context) { <-ctx.Done() }

func (r *fakeRouter) Advertise(priority uint8) error {
	r.m.mu.Lock()
	r.m.adverts++
	stuck := r.m.stuck
	r.m.stuck = 0
	r.m.mu.Unlock()
	time.Sleep(stuck)
	o := r.m.other()
	if o == nil {
		return nil
	}
	o.mu.Lock()
	to := o.router
	o.mu.Unlock()
	for n := range r.o.Ports {
		if to != nil {
			to.o.Heard(vrrp.Heard{Port: n, At: time.Now(), Advert: vrrp.Advert{Router: r.o.Router, Priority: priority, Interval: r.o.Interval}})
		}
	}
	return nil
}

func (r *fakeRouter) hold(held bool, what string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = held
	r.m.note("%s, term %v", what, r.o.Term.Runs())
	return nil
}

func (r *fakeRouter) Hold(context.Context) error     { return r.hold(true, "hold") }
func (r *fakeRouter) Release(context.Context) error  { return r.hold(false, "release") }
func (r *fakeRouter) Leave(context.Context) error    { return r.hold(false, "leave") }
func (r *fakeRouter) Announce(context.Context) error { r.m.note("announce"); return nil }

func (r *fakeRouter) State() []vrrp.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]vrrp.State, len(r.o.Ports))
	r.m.air.mu.Lock()
	defer r.m.air.mu.Unlock()
	for n, p := range r.o.Ports {
		list[n] = vrrp.State{Open: true, Carrier: n > 0 || r.m.n != 0 || !r.m.air.lan, Held: r.held && len(p.Virtual) > 0}
	}
	return list
}

// fakePath is the path to the other box.
type fakePath struct{ m *member }

func (p fakePath) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (p fakePath) Apply(s link.Settings)         { p.m.set(func() { p.m.linked = s.Key != nil }) }
func (p fakePath) Lead()                         { p.m.set(func() { p.m.leads = true }); p.m.note("lead") }
func (p fakePath) Follow() {
	p.m.set(func() { p.m.leads, p.m.synced = false, false })
	p.m.note("follow")
}
func (p fakePath) Flush(context.Context) error { p.m.note("flush"); return nil }
func (p fakePath) Sender() pair.Sender         { return pair.Nobody{} }
func (p fakePath) Kept(pair.Kind) []pair.Kept  { return nil }

func (m *member) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *member) get() (leads, linked bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leads, m.linked
}

func (p fakePath) Say(w pair.Word) {
	var before pair.Word
	p.m.set(func() { before, p.m.said = p.m.said, w })
	if w.Yields && !before.Yields {
		p.m.note("yield, term %v", p.m.o.Term.Runs())
	}
	if o := p.m.other(); o != nil {
		if _, linked := o.get(); linked {
			o.heard(w)
		}
	}
}

func (p fakePath) State() (s link.State) {
	_, own := p.m.get()
	o := p.m.other()
	if s.Why = "it is cut"; o != nil && own {
		leads, linked := o.get()
		p.m.set(func() { p.m.synced = p.m.synced || leads })
		s.Linked, s.Why = linked, ""
	}
	p.m.set(func() { s.Synced = p.m.synced })
	return s
}

// Await, TakeOver, HandOver and Drop are the box's.
func (m *member) Await() { m.note("await") }

func (m *member) TakeOver(ctx context.Context, why string) error {
	m.note("take over, term %v: %s", m.o.Term.Runs(), why)
	select {
	case <-ctx.Done():
		m.note("cut short")
	case <-time.After(m.slow):
	}
	return ctx.Err()
}

func (m *member) HandOver(ctx context.Context) error {
	m.note("hand over, term %v", m.o.Term.Runs())
	if m.waits {
		<-ctx.Done()
	}
	return m.refuses
}

func (m *member) Drop(why string) { m.note("drop, term %v: %s", m.o.Term.Runs(), why) }

func newMember(t *testing.T, a *air, n int) *member {
	m := &member{air: a, n: n, facts: Facts{Serial: fmt.Sprintf("SERIAL%d", n+1), Calls: 7, Sums: map[string]string{"configuration": "same"}}}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	m.Duty = with(Options{Log: log, Health: &health.Tracker{}, Dir: t.TempDir(), Term: &pair.Term{}, Box: m,
		Device: func(_ *config.Config, i *config.PairInterface) string { return i.Interface.Name },
		Facts: func() Facts {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.facts
		}})
	m.link = fakePath{m}
	m.open = func(o vrrp.Options) router {
		r := &fakeRouter{m: m, o: o}
		m.set(func() { m.router = r })
		return r
	}
	a.mu.Lock()
	a.boxes[n] = m
	a.mu.Unlock()
	return m
}

// pairOf are two boxes with one configuration, which do not run yet.
func pairOf(t *testing.T) (*air, *member, *member, *config.Config) {
	a := &air{}
	one, two := newMember(t, a, 0), newMember(t, a, 1)
	var keys [2]string
	for n, m := range a.boxes {
		k, err := m.Key()
		if err != nil {
			t.Fatal(err)
		}
		keys[n] = k
	}
	return a, one, two, configured(keys)
}

func configured(keys [2]string) *config.Config {
	cfg := &config.Config{}
	ip := &config.IPContext{Name: "ROUTER"}
	r := &config.Redundancy{Router: 51}
	r.SetDefaults()
	for n, key := range keys {
		r.Boxes = append(r.Boxes, &config.PairBox{Number: uint8(n + 1), Key: key})
	}
	for n, name := range []string{"LAN", "WAN", "DIRECT"} {
		i := &config.IPInterface{Name: name}
		p := &config.PairInterface{Direct: name == "DIRECT"}
		p.Context.Name, p.Interface.Name = ip.Name, name
		if !p.Direct {
			i.Addresses = []config.IPAddress{{Name: name, Prefix: netip.MustParsePrefix(fmt.Sprintf("10.0.%d.1/24", n))}}
		}
		for box := range uint8(2) {
			p.Boxes = append(p.Boxes, &config.PairAddress{Number: box + 1, Prefix: netip.MustParsePrefix(fmt.Sprintf("10.0.%d.%d/24", n, box+2))})
		}
		ip.Interfaces = append(ip.Interfaces, i)
		r.Interfaces = append(r.Interfaces, p)
	}
	cfg.IP, cfg.Redundancy = []*config.IPContext{ip}, r
	return cfg
}

// runs has a box run until the end of the test, or until end is called.
func (m *member) runs(t *testing.T) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	end = sync.OnceFunc(func() { cancel(); running.Wait() })
	return end
}

func want(t *testing.T, m *member, events ...string) {
	t.Helper()
	if got := m.events(); !slices.Equal(got, events) {
		t.Errorf("box %d:\n%q\nwanted\n%q", m.n+1, got, events)
	}
}
