// Package registrar knows which phones have registered with the box, where each is reached, and who may speak as whom.
//
// It owns bindings (RFC 3261 10, RFC 5626), the accounts that a request of a phone must show, and the file that keeps bindings over a restart.
// It does not own messages and connections (package sipgw), the arithmetic of digest (package digest), nor calls. Run is one goroutine; all
// other methods may be called from any, and none blocks.
//
// A REGISTER costs a hash or two and a change in memory. Nothing of it is written: the file is renewed when a phone has come, has moved or has
// gone, twice a minute at most, and a refresh is none of these.
package registrar

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/bans"
	"viaduct/appliance/config"
	"viaduct/appliance/digest"
	"viaduct/appliance/health"
	"viaduct/appliance/pair"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// Store keeps the bindings in the state folder.
type Store interface {
	LoadBindings(parse func(text []byte) error) error
	SaveBindings(text []byte) error
}

// Options are what a registrar is given. All but the alarms may be nil.
type Options struct {
	Log    *slog.Logger
	Health *health.Tracker // alarms
	Store  Store           // nil: bindings end with the process
	Pair   pair.Sender     // has the standby of a pair keep the phones; nil: the box stands alone

	// Licensed reports whether phones may register. nil: they may.
	Licensed func() bool
	// Emergency reports whether calls go other ways than they should, so that phones ought to come back soon. nil: never.
	Emergency func() bool
	// Registered is told of a phone that was not there before, after its 200, in a read loop.
	Registered func(location, identity string)
}

const (
	sweepEvery = 5 * time.Second  // phones that did not come back are gone
	saveEvery  = 30 * time.Second // at most
	briefly    = 2 * time.Minute  // lifetime of registrations during an emergency, at most
	mostPhones = 8192             // bindings
	mostAgents = 4096             // addresses whose User-Agent is remembered
	agentsLast = 24 * time.Hour
	endsWithin = 10 * time.Second // the box, once it has begun to close connections
)

// Registrar is the registrar of all location services.
type Registrar struct {
	o      Options
	log    *slog.Logger
	digest *digest.Server
	bans   *bans.List
	often  *siptransport.Repeats // lines that a phone can cause by messages alone

	mu      sync.Mutex
	cfg     *config.Config
	realms  map[string]realm // by location service
	phones  phones
	agents  map[netip.Addr]agent
	guesses map[aor]*guesses
	moves   map[aor]*siptransport.Bucket // lines of the log about phones that come and go
	lost    []lost
	loaded  bool // the file has been read
	unsaved bool // the file is not what bindings are
	keeping bool // the last save has worked, or there was none
}

// aor is an address of record: an identity of a location service.
type aor struct{ location, identity string }

// agent is what is known of the phone at an address, whether or not it is registered now.
type agent struct {
	name    string    // its User-Agent
	heard   time.Time // last REGISTER that was accepted
	secured time.Time // the last one over TLS
}

// lost is a phone whose connection has ended a moment ago. When the box ends, all do, and may do so before the last save.
type lost struct {
	*binding
	at time.Time
}

// guesses are wrong passwords for one identity.
type guesses struct {
	n    int
	last time.Time
	peer netip.Addr
}

// New returns a registrar without phones. It reads the file of bindings with the first configuration that has any.
func New(o Options) *Registrar {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Pair == nil {
		o.Pair = pair.Nobody{}
	}
	if o.Licensed == nil {
		o.Licensed = func() bool { return true }
	}
	if o.Emergency == nil {
		o.Emergency = func() bool { return false }
	}
	return &Registrar{o: o, log: o.Log, digest: digest.New(time.Now()), bans: bans.New(o.Log), often: siptransport.NewRepeats(o.Log), phones: noPhones(),
		agents: map[netip.Addr]agent{}, guesses: map[aor]*guesses{}, moves: map[aor]*siptransport.Bucket{}, keeping: true}
}

// Attach has the registrar answer REGISTER. It is called before the stack runs; sipgw.Options.Phones is the registrar, too.
func (r *Registrar) Attach(stack *sipgw.Stack) { stack.Handle("REGISTER", r.registered) }

// Apply takes a configuration. Phones whose identity is gone from it are forgotten. With the first one in which phones may register come those of
// the file: a box that starts without its configuration must not forget them.
func (r *Registrar) Apply(cfg *config.Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cfg, r.realms = cfg, realmsOf(cfg)
	if !r.loaded && hasPhones(cfg) {
		r.loaded = true
		r.load(time.Now())
	}
	for _, b := range r.phones.all() {
		if _, ok := open(cfg, b.aor); !ok {
			r.gone(b, "its identity is configured no more")
		}
	}
	for a := range r.guesses {
		if _, ok := open(cfg, a); !ok {
			r.forgive(a)
		}
	}
	clear(r.moves)
}

// open returns the identity's settings; false: no phone may register as it.
func open(cfg *config.Config, a aor) (config.IdentitySettings, bool) {
	l := config.Ref[config.Config, config.LocationService]{Name: a.location}.In(cfg)
	if l == nil {
		return config.IdentitySettings{}, false
	}
	f, configured := l.Settings(a.identity)
	return f, configured && f.Inbound != nil
}

// hasPhones reports whether phones may register as any identity.
func hasPhones(cfg *config.Config) bool {
	for _, l := range cfg.Location {
		for _, i := range l.Identities {
			if _, ok := open(cfg, aor{l.Name, i.Name}); ok {
				return true
			}
		}
	}
	return false
}

// Run sees to bindings that end, and keeps the others in the file, until ctx ends.
func (r *Registrar) Run(ctx context.Context) error {
	sweep, save := time.NewTicker(sweepEvery), time.NewTicker(saveEvery)
	defer sweep.Stop()
	defer save.Stop()
	for {
		select {
		case <-ctx.Done():
			r.saveLast()
			return nil
		case <-sweep.C:
			r.sweep(time.Now())
		case <-save.C:
			r.save()
		}
	}
}

// sweep drops what has ended.
func (r *Registrar) sweep(now time.Time) {
	licensed := r.o.Licensed()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.phones.all() {
		if b.over(now) {
			r.gone(b, "it did not come back in its time")
		}
	}
	for a, g := range r.guesses {
		if now.Sub(g.last) > guessesLast {
			r.forgive(a)
		}
	}
	r.forgetLost(now)
	for a, x := range r.agents {
		if now.Sub(x.heard) > agentsLast {
			delete(r.agents, a)
		}
	}
	if licensed {
		r.o.Health.Clear(health.PhonesUnlicensed, "")
	}
}

// forgetLost forgets phones whose connection has ended too long ago for that to be the end of the box. The caller holds the lock.
func (r *Registrar) forgetLost(now time.Time) {
	r.lost = slices.DeleteFunc(r.lost, func(x lost) bool { return now.Sub(x.at) > endsWithin })
}

// gone forgets a binding. The caller holds the lock.
func (r *Registrar) gone(b *binding, why string) {
	if r.phones.remove(b); b.state == status.BindingWaiting {
		why = "it did not come back after a restart of the box"
	}
	r.unsaved = true
	r.o.Pair.Drop(pair.Phones, b.id())
	r.moved(b.aor, "phone gone", "name", b.identity, "peer", b.target.Addr, "err", why)
}

// moved logs that a phone has come or gone: ten times an identity at once, then once in six seconds. Who has an account could fill the log
// otherwise. The caller holds the lock.
func (r *Registrar) moved(a aor, msg string, attrs ...any) {
	lines := r.moves[a]
	if lines == nil {
		lines = &siptransport.Bucket{}
		r.moves[a] = lines
	}
	if lines.Take(1./6, 60, time.Now()) {
		r.log.Info(msg, attrs...)
	}
}

// Lost forgets the phones that had registered by a connection which has ended (RFC 5626 4.2.2).
func (r *Registrar) Lost(flow siptransport.FlowID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phones.ended(flow)
	now := time.Now()
	for _, b := range r.phones.by(flow) {
		r.gone(b, "its connection has ended")
		if len(r.lost) < mostPhones {
			r.lost = append(r.lost, lost{b, now})
		}
	}
}

// Clear forgets the phones of an identity in every location service and returns how many there were. They come back with their next
// REGISTER.
func (r *Registrar) Clear(identity string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.phones.all() {
		if b.identity == identity {
			r.gone(b, "an administrator has cleared it")
			n++
		}
	}
	return n
}

// Bans are the sources of wrong passwords of phones.
func (r *Registrar) Bans() []status.Ban { return r.bans.All(time.Now()) }

// LiftBans forgets a source, or all of them, and returns how many.
func (r *Registrar) LiftBans(from netip.Addr) int { return r.bans.Lift(from) }
