package call

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/callkeep"
	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/disturb"
	"viaduct/appliance/giveway"
	"viaduct/appliance/license"
	"viaduct/appliance/mailbox"
	"viaduct/appliance/media"
	"viaduct/appliance/pair"
	"viaduct/appliance/rounds"
	"viaduct/appliance/route"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// Signalling is the part of a sipgw.Stack that calls use.
type Signalling interface {
	Invite(sipgw.Owner, sipgw.Invite) *sipgw.Leg
	LocalAddr(iface config.InterfaceID) netip.Addr
	Dialog(iface config.InterfaceID, r sipmsg.Replaces) *sipgw.Leg
	Restore(state sipgw.LegState, since time.Duration, o sipgw.Owner) (*sipgw.Leg, error)
	TakeIn(held []byte, since time.Duration) error
}

// Licenses is the part of a pool of licenses that calls use: the box's own (license.Manager), or one that boxes share.
type Licenses interface {
	Acquire(sessions, channels int) (license.Share, error)
	Await(sessions, channels int, then func(license.Share, error)) (stop func() bool, waits bool) // for more than there is
	Free(sessions, channels int) error                                                            // why Acquire would refuse so much now
	Resume(sessions, channels int) license.Share                                                  // what a call has held at the other box of a pair
	InUse() status.LicensesInUse
}

// Availability knows which peers are gone. Package sipua implements it.
type Availability interface {
	Unavailable(iface config.InterfaceID) (why string) // what keeps calls away from a SIP interface; "": they may go out by it
}

// Service knows what is being taken out of service. Package drain implements it.
type Service interface {
	Refuses(from config.InterfaceID) (why string) // a new call from an interface's peer; "": it is taken
	Spares(to config.InterfaceID) (why string)    // why no new call goes out by an interface; "": it does
}

// Phones knows which phones have registered. Package registrar implements it. It must not block.
type Phones interface {
	// Targets are the phones at an interface of the identity that user names: by its name or an alias, with or without +. Those that
	// registered last come first. Known: there is such an identity.
	Targets(iface config.InterfaceID, user string) (targets []siptransport.PhoneTarget, identity string, known bool)
}

// Survival knows which peers are gone, and where calls go meanwhile. Package survival implements it. It must not block.
type Survival interface {
	// Route is where new calls from an interface go instead of its `route call`, and the name of the survival that says so.
	Route(from config.InterfaceID) (to config.Dest, name string, ok bool)
}

// Options are what calls are given.
type Options struct {
	Log      *slog.Logger
	SIP      Signalling
	Peers    Availability
	Service  Service
	Media    Media
	Licenses Licenses
	Config   func() *config.Config                                // the running configuration
	Resolved func(host string) []netip.Addr                       // addresses of a name as far as known; must not block
	Record   func(status.Record)                                  // the record of each call that ended; must not block
	Voice    func(call, calling, called string) func(media.Heard) // who listens to a call, nil for nobody; must not block; nil: nobody ever
	Leg      func(call, callID string)                            // a dialog of a call, as soon as there is one; must not block; nil: nobody asks
	Presence disturb.Presence                                     // how Teams users are; nil: nobody knows
	Line     func(location, identity string, d dialoginfo.Dialog) // what becomes of each leg with a phone; must not block; nil: nobody watches
	Phones   Phones                                               // who has registered; nil: nobody
	Survival Survival                                             // which peers are gone; nil: none
	Pair     pair.Sender                                          // has the standby keep the established calls; nil: nobody
	Recorded func(call string) bool                               // whether there is a record of a call of the other box; must not block; nil: there is none
}

// Manager holds the calls in progress.
type Manager struct {
	Options
	log    *slog.Logger
	guard  *disturb.Guard
	room   giveway.Room
	rounds rounds.Counter

	keeper *callkeep.Keeper
	turns  *mailbox.Turns // of all calls

	mu       sync.Mutex
	calls    map[string]*call
	stopping bool
	cycles   map[route.Group]int // calls that a cyclic hunt group has started
	group    sync.WaitGroup      // every call
	switchover
}

// turnsOfOne is how many calls work at a time for each processor: some wait for the relay. With 16 the box carries less.
const turnsOfOne = 128

// New returns a manager without calls.
func New(o Options) *Manager {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Resolved == nil {
		o.Resolved = func(string) []netip.Addr { return nil }
	}
	if o.Pair == nil {
		o.Pair = pair.Nobody{}
	}
	return &Manager{keeper: callkeep.New(o.Pair), turns: mailbox.NewTurns(turnsOfOne * runtime.GOMAXPROCS(0)), Options: o, log: o.Log, guard: disturb.New(o.Presence), calls: map[string]*call{}, cycles: map[route.Group]int{}}
}

// Run waits until ctx ends, then hangs up every call and waits for the last.
func (m *Manager) Run(ctx context.Context) error {
	var keeper sync.WaitGroup
	defer keeper.Wait()
	keeper.Go(func() { m.keeper.Run(ctx) })
	<-ctx.Done()
	m.mu.Lock()
	m.stopping = true
	m.mu.Unlock()
	m.Clear("")
	m.group.Wait()
	return nil
}

// OnInvite takes a new call: sipgw.Options.OnInvite.
func (m *Manager) OnInvite(in *sipgw.Incoming) {
	if in.Replaces != nil {
		m.onReplaces(in)
		return
	}
	c := newCall(m, in)
	m.mu.Lock()
	if m.stopping {
		m.mu.Unlock()
		in.Leg.Reject(503, "Service Unavailable", sipmsg.Header{Name: "Retry-After", Value: "10"})
		return
	}
	m.calls[c.id] = c
	m.group.Add(1)
	waits, still := m.waits(c, in), m.switchover.still
	m.mu.Unlock()
	m.room.Enter(c.id, in.Request.Source.Addr())

	in.Leg.Take(c)
	switch {
	case !waits:
		c.Post(func() { c.begin(in) })
	case still != nil: // it came while connections were about to end
		c.Post(func() { c.stand(still, func() {}) })
	}
	go c.run()
}

// run is the goroutine of a call.
func (c *call) run() {
	m := c.m
	defer m.group.Done()
	c.box.Run()
	m.mu.Lock()
	delete(m.calls, c.id)
	m.mu.Unlock()
	m.room.Leave(c.id)
	c.forget()
}

// Count is the number of calls in progress.
func (m *Manager) Count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.calls)
}

// Clear hangs up the call with this ID, or all for "". It reports whether there was one.
func (m *Manager) Clear(id string) bool {
	list := m.list(id)
	for _, c := range list {
		c.Post(func() { c.hangUp(nil, "Q.850;cause=16;text=\"cleared by administrator\"", status.ByAdministrator) })
	}
	return len(list) > 0
}

// Overhear asks of every call in progress anew who listens to it.
func (m *Manager) Overhear() {
	for _, c := range m.list("") {
		c.Post(func() {
			if c.media != nil {
				c.media.Listen(m.Voice(c.id, c.record.Calling, c.record.Called))
			}
		})
	}
}

// Abandon hangs up every call, because its media is lost.
func (m *Manager) Abandon(why string) {
	for _, c := range m.list("") {
		c.Post(func() { c.hangUp(nil, fmt.Sprintf("Q.850;cause=41;text=%q", why), status.ByMedia) })
	}
}

func (m *Manager) list(id string) (list []*call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.calls {
		if id == "" || strings.EqualFold(c.id, id) {
			list = append(list, c)
		}
	}
	return list
}

// nextInCycle counts the calls of a cyclic hunt group. Each begins one destination later.
func (m *Manager) nextInCycle(group route.Group) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.cycles[group]
	m.cycles[group]++
	return n
}

func newID() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
