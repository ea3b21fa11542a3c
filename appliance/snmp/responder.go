package snmp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/status"

	"github.com/gosnmp/gosnmp"
)

// Options configure a Responder.
type Options struct {
	Log        *slog.Logger
	Health     *health.Tracker
	View       func() View                                                  // what the box shows; asked at most once a second
	Lookup     func(ctx context.Context, host string) ([]netip.Addr, error) // of trap targets
	Processors func() []status.Processor                                    // cheaper than a View
	Load       func() ([]byte, error)                                       // the engine as it was saved; nil: it never was
	Save       func([]byte) error
}

// Settings are what the configuration asks for.
type Settings struct {
	config.SNMP
	Hostname string
	Local    []netip.Addr // addresses of the box to listen on
}

// on reports whether anything is to be done.
func (s *Settings) on() bool {
	return s.Community != "" || len(s.Users) > 0
}

func (s *Settings) equal(o *Settings) bool {
	return s.Community == o.Community && slices.Equal(s.Users, o.Users) && s.Port == o.Port && slices.Equal(s.Access, o.Access) &&
		s.Contact == o.Contact && s.Location == o.Location && slices.Equal(s.Targets, o.Targets) && s.Hostname == o.Hostname && slices.Equal(s.Local, o.Local)
}

// Responder answers stations and sends traps. Its zero value is of no use: New makes one.
type Responder struct {
	o       Options
	wanted  atomic.Pointer[Settings]
	changed chan struct{} // one token: wanted is another one
	links   chan link
	counts  counts
	shown   atomic.Pointer[shown]

	// The rest belongs to Run's goroutine.
	now     *Settings
	engine  engine
	users   map[string]*user
	decoder *decoder
	seen    seen
	packets bucket // messages that are read
	reports bucket // what strangers are told
	alerts  bucket // authenticationFailure traps, and lines of the log about refusals
	number  uint32 // of the last trap
	queue   chan trap
}

// shown is what Status says besides the counters.
type shown struct {
	engine    engine
	community bool
	users     int
	listeners []netip.AddrPort
	refused   string
}

const (
	// packetRate is how many messages a second the box reads. A walk of one station stays below it, and a flood costs a few percent of a
	// processor.
	packetRate = 2000
	reportRate = 20
	alertEvery = time.Minute
	viewEvery  = time.Second
	retryEvery = 5 * time.Second // sockets that the kernel refused; and samples of the processors' load
)

// New returns a Responder that does nothing before Apply.
func New(o Options) *Responder {
	gosnmp.PasswordCaching(false) // keys are derived when the configuration changes, and passwords are not to stay
	return &Responder{o: o, changed: make(chan struct{}, 1), links: make(chan link, 16), now: &Settings{}, decoder: &decoder{}, queue: make(chan trap, trapsKept),
		packets: bucket{every: time.Second / packetRate, burst: packetRate / 2},
		reports: bucket{every: time.Second / reportRate, burst: 2 * reportRate},
		alerts:  bucket{every: alertEvery, burst: 1},
	}
}

// Apply takes what is to be done now.
func (r *Responder) Apply(s Settings) {
	if old := r.wanted.Swap(&s); old != nil && old.equal(&s) {
		return
	}
	r.touch()
}

func (r *Responder) touch() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// link is a change of a port's link.
type link struct {
	device string
	up     bool
}

// Link takes a change of a port's link. It does not wait.
func (r *Responder) Link(device string, up bool) {
	select {
	case r.links <- link{device, up}:
	default:
	}
}

// packet is a message with the socket that it came by.
type packet struct {
	text []byte
	from netip.AddrPort
	by   *net.UDPConn
}

// Run answers and sends until ctx ends.
func (r *Responder) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	d := newDoor(ctx, r.o.Health)
	defer d.close()
	defer cancel()
	events := make(chan health.Event)
	running.Go(func() { r.send(ctx) })
	running.Go(func() { listen(ctx, r.o.Health.Events(), events) })
	r.now, r.seen = &Settings{}, newSeen()
	if r.wanted.Load() != nil {
		r.touch() // what the Run before this one was told
	}
	r.show(d)
	var happened <-chan health.Event // nothing before the first settings: what was raised before them is for their targets, too
	every := time.NewTicker(retryEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.changed:
			if err := r.follow(d); err != nil {
				return err
			}
			happened = events
			r.show(d)
		case p := <-d.packets:
			r.serve(p)
		case l := <-r.links:
			r.seen.link(l)
			r.linkTrap(l)
		case e := <-happened:
			r.alarmTrap(e)
		case <-every.C:
			if r.now.on() {
				d.open(r.now)
				r.seen.sample(r.o.Processors())
				r.show(d)
			}
		}
	}
}

// follow brings everything in line with the newest settings.
func (r *Responder) follow(d *door) error {
	s := r.wanted.Load()
	if s.on() && r.engine.id == "" {
		if err := r.start(); err != nil {
			return err
		}
	}
	users := map[string]*user{}
	for _, c := range s.Users {
		u, err := newUser(c, r.engine)
		if err != nil {
			return fmt.Errorf("keys of SNMP user %s: %w", c.Name, err)
		}
		users[c.Name] = u
	}
	first := !r.now.on() && s.on()
	r.now, r.users = s, users
	r.seen.tree = nil
	d.open(s)
	if first {
		r.trap(coldStart)
	}
	return nil
}

// start makes the engine that this run of the box has.
func (r *Responder) start() error {
	saved, err := r.o.Load()
	if err != nil {
		r.o.Log.Warn("snmp engine not read", "err", err)
	}
	e, made := newEngine(saved)
	if err := r.o.Save(e.save()); err != nil {
		return fmt.Errorf("save SNMP engine: %w", err) // a start that is not counted would let in recorded messages
	}
	if made {
		r.o.Log.Info("snmp engine made", "id", e.name())
	}
	r.engine = e
	return nil
}

// serve answers one message.
func (r *Responder) serve(p packet) {
	from := p.from.Addr().Unmap()
	switch {
	case len(r.now.Access) > 0 && !slices.ContainsFunc(r.now.Access, func(n netip.Prefix) bool { return n.Masked().Contains(from) }):
		r.counts.strangers.Add(1)
		return
	case !r.packets.take():
		r.counts.surplus.Add(1)
		return
	}
	reply, refused := r.handle(p.text, from)
	if reply != nil {
		p.by.WriteToUDPAddrPort(reply, p.from) // an error is the network's, as a lost packet is
	}
	if refused != nil {
		r.refuse(from, refused)
	}
}

// refuse tells the administrator of a refusal, now and then.
func (r *Responder) refuse(from netip.Addr, why error) {
	credentials := errors.Is(why, errCommunity) || errors.Is(why, errUser) || errors.Is(why, errDigest) || errors.Is(why, errLevel)
	if !credentials && !errors.Is(why, errKey) {
		return
	}
	s := *r.shown.Load()
	s.refused = fmt.Sprintf("%s from %s", why, from)
	r.shown.Store(&s)
	if !r.alerts.take() {
		return
	}
	r.o.Log.Warn("snmp request refused", "source", from, "err", why)
	if credentials {
		r.trap(authenticationFailure)
	}
}

// show publishes what Status says.
func (r *Responder) show(d *door) {
	s := shown{engine: r.engine, community: r.now.Community != "", users: len(r.now.Users), listeners: d.listening()}
	if old := r.shown.Load(); old != nil {
		s.refused = old.refused
	}
	r.shown.Store(&s)
}

// Status returns the state of the responder.
func (r *Responder) Status() status.SNMP {
	c := &r.counts
	v := status.SNMP{
		Requests: c.in.Load(), Malformed: c.malformed.Load() + c.versions.Load() + c.models.Load() + c.invalid.Load(), Communities: c.communities.Load(),
		Users: c.usm[statUsers].Load(), Passwords: c.usm[statDigests].Load() + c.usm[statKeys].Load(), Levels: c.usm[statLevels].Load(),
		Untimely: c.usm[statTimes].Load(), Strangers: c.strangers.Load(), Surplus: c.surplus.Load(), Traps: c.traps.Load(), TrapsLost: c.lost.Load(),
	}
	if s := r.shown.Load(); s != nil {
		v.Community, v.V3Users, v.Listeners, v.Refused = s.community, s.users, s.listeners, s.refused
		if s.engine.id != "" {
			v.Engine, v.Boots = s.engine.name(), s.engine.boots
		}
	}
	return v
}

// bucket lets so many things happen a second, and some more at once.
type bucket struct {
	every time.Duration // one
	burst int
	left  int
	last  time.Time
}

func (b *bucket) take() bool {
	now := time.Now()
	if more := int(now.Sub(b.last) / b.every); more > 0 || b.last.IsZero() {
		if b.last.IsZero() || b.left+more >= b.burst {
			b.left, b.last = b.burst, now
		} else {
			b.left, b.last = b.left+more, b.last.Add(time.Duration(more)*b.every)
		}
	}
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}
