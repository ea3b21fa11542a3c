// Package clock keeps the box's time: NTP from several servers, a step at the start and slewing after that, a floor before the
// first answer.
//
// It owns the kernel's clock (through Kernel) and the decision which servers to believe. It does not own name resolution
// (Lookup), nor the file of the saved time (Load, Save), nor local time zones.
// Its goroutine is Run's caller; a round of queries has one goroutine a server and waits for all of them.
package clock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// Options configure a Clock.
type Options struct {
	Log    *slog.Logger
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	Kernel Kernel                    // nil: the system's
	Build  time.Time                 // of the firmware: the time cannot be earlier
	Load   func() (time.Time, error) // saved time, the zero time when there is none; may be nil
	Save   func(time.Time) error     // called at the first sync, hourly, and at the end of Run; may be nil
	Query  Query                     // nil: NTP over UDP

	Moved      func()           // the clock was stepped; may be nil
	Distrusted func(why string) // after each round with answers: why none of the servers is believed, "" when one is; may be nil

	LoadDrift func() (float64, error) // saved frequency of a Tunable kernel, in parts per million; 0 when none is; may be nil
	SaveDrift func(float64) error     // called when Save is; may be nil
}

// Query asks one server once. The error is a KissOfDeath when the server does not want to be asked.
type Query func(ctx context.Context, server netip.AddrPort, version int) (Sample, error)

// Sample is a valid answer of one server.
type Sample struct {
	Offset   time.Duration // to add to our clock
	Distance time.Duration // by how much Offset may be wrong: half the round trip and the server's own distance (RFC 5905 root distance)
	Stratum  int
}

// Clock disciplines the kernel's clock.
type Clock struct {
	o       Options
	changed chan struct{}     // one token: Apply took other servers, or the network came up
	sync    chan chan<- error // the command
	synced  chan struct{}     // closed at the first sync
	once    sync.Once         // for closing synced

	mu      sync.Mutex                   // everything below
	wait    map[netip.AddrPort]time.Time // of servers that said kiss of death: not before
	began   time.Time                    // of Floor or Run
	known   bool                         // a time was saved: it was synchronised once
	floor   time.Time                    // of Floor: a time that has passed already
	servers []config.SNTPServer
	enabled bool
	abandon func() // the round that goes on; nil: none does
	state   status.Clock
}

// How often servers are asked.
const (
	firstInterval = 2 * time.Second // doubled until the first sync
	minInterval   = 64 * time.Second
	maxInterval   = 1024 * time.Second
	saveInterval  = time.Hour
	patience      = 2 * time.Minute // for servers that do not answer, until a clock that was right once is taken for sane
	maxAddresses  = 4               // of one name
)

// New returns a Clock; nothing happens before Floor, Apply and Run.
func New(o Options) *Clock {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Kernel == nil {
		o.Kernel = System{}
	}
	if o.Query == nil {
		o.Query = queryNTP
	}
	return &Clock{
		o: o, changed: make(chan struct{}, 1), sync: make(chan chan<- error), synced: make(chan struct{}),
		wait: map[netip.AddrPort]time.Time{}, state: status.Clock{Adjustable: true, Interval: firstInterval},
	}
}

// Apply takes the servers of a configuration. The same servers again change nothing.
func (c *Clock) Apply(cfg *config.Config) {
	var servers []config.SNTPServer
	for _, s := range cfg.SNTP.Servers {
		servers = append(servers, *s)
	}
	// The primary is believed when two disagree, so it goes first.
	slices.SortStableFunc(servers, func(a, b config.SNTPServer) int { return rank(a.Role) - rank(b.Role) })
	c.mu.Lock()
	same := cfg.SNTP.Enabled == c.enabled && slices.Equal(servers, c.servers)
	c.enabled, c.servers = cfg.SNTP.Enabled, servers
	c.state.Enabled = cfg.SNTP.Enabled
	c.mu.Unlock()
	if !same {
		c.again()
	}
}

func rank(role string) int { return slices.Index(config.SNTPRoles, role) }

// Run asks the servers until ctx ends, then saves the time and returns nil.
func (c *Clock) Run(ctx context.Context) error {
	c.begin()
	// The first round comes with the first configuration.
	poll, save := time.NewTimer(maxInterval), time.NewTimer(saveInterval)
	defer poll.Stop()
	defer save.Stop()
	for {
		select {
		case <-ctx.Done():
			c.save()
			return nil
		case <-save.C:
			c.save()
			save.Reset(saveInterval)
			continue
		case <-c.changed:
			c.mu.Lock()
			c.state.Interval = firstInterval
			c.mu.Unlock()
			c.attempt(ctx)
		case answer := <-c.sync:
			answer <- c.round(ctx, true)
		case <-poll.C:
			c.attempt(ctx)
		}
		poll.Reset(c.plan())
	}
}

// plan says when the next round is.
func (c *Clock) plan() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Next = time.Now().Add(c.state.Interval)
	return c.state.Interval
}

// Sync asks the servers now and steps the clock, however far it is off (the command `clock sync`). It needs Run.
func (c *Clock) Sync(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case c.sync <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Retry asks the servers at once when none has answered yet: the network came up.
func (c *Clock) Retry() {
	if !c.Synced() {
		c.again()
	}
}

// again makes Run begin anew, without waiting for the answers of the present round.
func (c *Clock) again() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.abandon != nil {
		c.abandon()
	}
}

// attempt is one round that Run has begun on its own.
func (c *Clock) attempt(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	set := func(f func()) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.abandon = f
	}
	set(cancel)
	defer set(nil)
	c.round(ctx, false) // the state has the error
}

// Synced reports whether the time can be relied upon, for certificates above all.
func (c *Clock) Synced() bool {
	select {
	case <-c.synced:
		return true
	default:
		return false
	}
}

// Sane returns nil when the clock is good enough to judge certificates: once it is synchronised. Without a configured server no better
// time will ever come. While no server answers, the saved time counts after a while: it is late by as long as the power was off, and
// calls matter more.
func (c *Clock) Sane() error {
	if _, observer := c.o.Kernel.(Observer); observer || c.Synced() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.enabled || len(c.servers) == 0 || c.known && !c.began.IsZero() && time.Since(c.began) >= patience {
		return nil
	}
	return ErrWaits
}

// ErrWaits is the error of Sane.
var ErrWaits = errors.New("TLS waits for the clock to be synchronised: certificates cannot be judged yet")

// FirstSync is closed once the clock is synchronised.
func (c *Clock) FirstSync() <-chan struct{} { return c.synced }

// Status returns the time and its source.
func (c *Clock) Status() status.Clock {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state
	s.Now, s.Synced, s.Servers = time.Now(), c.Synced(), slices.Clone(s.Servers)
	if !s.Enabled {
		s.Interval, s.Next = 0, time.Time{}
	}
	if i := slices.IndexFunc(s.Servers, func(x status.TimeServer) bool { return x.Used }); i >= 0 {
		used := s.Servers[i]
		s.Server, s.Stratum = fmt.Sprintf("%s (%s)", used.Host, used.Address.Addr()), used.Stratum
	}
	if k, ok := c.o.Kernel.(Tunable); ok {
		s.Drift, _ = k.Frequency()
	}
	return s
}
