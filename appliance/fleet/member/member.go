// Package member is the box as a member of a fleet: it puts together what the box has for its hub, and has all that follow the configuration.
//
// It owns the box's key and its file, what is connected when, and the alarms of all that. It does not own the connection (package bus), how licenses
// are leased (package lease) and counted (package license), the connections of operators (package tunnel) nor what is sent (package report).
//
// Goroutines: Run, and while there is a `fleet` those of the parts, which Run waits for. Without one there are no others, no file and no timer.
package member

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/bus"
	"viaduct/appliance/fleet/report"
	"viaduct/appliance/fleet/tunnel"
	"viaduct/appliance/health"
	"viaduct/appliance/records"
	"viaduct/appliance/status"
)

// Options are what a Member is given for good.
type Options struct {
	Log    *slog.Logger
	Health *health.Tracker
	Dir    string        // of all that the box keeps for its hub; it is made when there is a fleet
	Serial func() string // of the box; "" while it has none
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Roots are the certificates of the key store with these names, and no others.
	Roots  func(names ...config.PKIName) (*x509.CertPool, error)
	Sealed func(config.Secret) bool // a secret that cannot be opened
	// Sane says whether the clock is right: leases are judged by it.
	Sane     func() error
	Licenses Licenses
	// Service is where the box itself serves ssh and https; the error says that it does not, as a sentence.
	Service func(service string) (netip.AddrPort, error)
	Note    func(e status.Audit, more func(*status.Audit)) // adds an entry to the trail
	Records *records.Reader                                // of the records of calls, for the hub
	Status  func() fleet.Status                            // what the hub gets to know of the box, see package report
}

// Member is the box in its fleet. It is safe for concurrent use.
type Member struct {
	o       Options
	bus     *bus.Bus
	changed chan struct{} // one token: there is another configuration, or another key
	keys    keys
	leases  *leases
	report  *report.Reporter
	losses  losses // of Run
	refused bool   // by the hub, as leases were told; of Run

	mu       sync.Mutex
	cfg      *config.Fleet // nil: none
	trusted  []*config.LicenseAuthority
	applied  bool // there was a configuration
	unready  unready
	acceptor *tunnel.Acceptor // of connections of operators; nil: there is no fleet
}

// unready is why the box cannot even try.
type unready struct{ why, cure string }

// New makes a Member that does nothing yet.
func New(o Options) *Member {
	m := &Member{o: o, bus: bus.Open(bus.Options{Log: o.Log, Lookup: o.Lookup}), changed: make(chan struct{}, 1), keys: keys{file: keyFile(o.Dir)}}
	m.report = report.New(report.Options{Dir: o.Dir, Log: o.Log, Health: o.Health, Records: o.Records, Link: m.bus, Status: o.Status})
	m.leases = newLeases(o, m.bus, m.report.Changed)
	return m
}

// Apply has the box follow a configuration, soon. What it has leased before is in force when Apply returns, and no record of a call is sent any more
// that the configuration does not want to be sent, or not as it is.
func (m *Member) Apply(cfg *config.Config) {
	m.mu.Lock()
	m.cfg, m.trusted = cfg.Fleet, cfg.LicenseAuthorities
	m.applied = true
	m.report.Suspend(cfg.Fleet)
	m.mu.Unlock()
	if cfg.Fleet != nil {
		m.leases.apply(cfg.Fleet.Leases, cfg.LicenseAuthorities)
	}
	m.nudge()
}

// Retry has the hub tried now: the network has changed.
func (m *Member) Retry() { m.bus.Retry() }

func (m *Member) nudge() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// told reports whether there was a configuration yet: until then nobody knows whether there is a fleet.
func (m *Member) told() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.applied
}

func (m *Member) wanted() *config.Fleet {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cfg
}

// look is how often states are looked at, for their alarms.
const look = 2 * time.Second

// Run has the box follow its configuration until ctx ends. An error is of a part that has ended by itself.
func (m *Member) Run(ctx context.Context) error {
	var w *work
	defer func() { m.end(w) }()
	begun := false
	for {
		told := m.told()
		cfg := m.wanted()
		if told && !begun {
			if begun = true; cfg == nil {
				m.report.Forget() // the box has left its fleet with another startup-config
			}
		}
		if w != nil && (cfg == nil || way(cfg) != w.way) {
			if cfg == nil {
				m.leases.leave(ctx)
			}
			m.end(w)
			w = nil
			if cfg == nil {
				m.forget()
			}
		}
		if cfg != nil && w == nil {
			w = m.begin(ctx, cfg)
		}
		var again <-chan time.Time
		var failed <-chan error
		if w != nil {
			m.follow(cfg)
			again, failed = time.After(look), w.failed
		}
		m.judge(cfg)
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-m.changed:
		case <-again:
		}
	}
}

// forget removes what was kept for the hub that the box has left. The key stays: the box may come back.
func (m *Member) forget() {
	m.leases.forget()
	m.report.Apply(nil)
	m.report.Forget()
}

// work are the parts while they run, for one name and one hub.
type work struct {
	way     string
	cancel  context.CancelFunc
	running sync.WaitGroup
	failed  chan error
}

// way names the box and its hub: connections of operators and the subjects that the box listens to belong to both.
func way(cfg *config.Fleet) string {
	text := cfg.Name
	for _, h := range cfg.Hubs {
		text += fmt.Sprintf(" %s:%d", h.Host, h.Port)
	}
	return text
}

// begin starts the parts.
func (m *Member) begin(ctx context.Context, cfg *config.Fleet) *work {
	ctx, cancel := context.WithCancel(ctx)
	w := &work{way: way(cfg), cancel: cancel, failed: make(chan error, 1)}
	name := cfg.Name
	a := tunnel.New(tunnel.Options{Link: m.bus, Box: name, Dial: tunnel.Local(m.o.Service), Note: m.o.Note, Log: m.o.Log})
	m.mu.Lock()
	m.acceptor = a
	m.mu.Unlock()
	m.follow(cfg) // before there is a connection: no attempt is made as the box was called before
	w.run(ctx, "the connection to the hub", m.bus.Run)
	if name != "" {
		w.run(ctx, "connections of operators", a.Run)
		w.run(ctx, "reports to the hub", m.report.Run)
	}
	w.run(ctx, "leased licenses", func(ctx context.Context) error { return m.leases.run(ctx, name) })
	return w
}

// end ends the parts and waits for them.
func (m *Member) end(w *work) {
	if w == nil {
		return
	}
	w.cancel()
	w.running.Wait()
	m.bus.Apply(bus.Settings{})
	m.mu.Lock()
	m.acceptor = nil
	m.mu.Unlock()
}

var errEnded = errors.New("it has ended")

func (w *work) run(ctx context.Context, what string, run func(context.Context) error) {
	w.running.Go(func() {
		err := run(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errEnded
		}
		select {
		case w.failed <- fmt.Errorf("%s: %w", what, err):
		default:
		}
	})
}

// follow hands a configuration on. Apply has told the leases already, but the box may have left its fleet since then.
func (m *Member) follow(cfg *config.Fleet) {
	s, not := m.settings(cfg)
	m.mu.Lock()
	m.unready = not
	a, trusted := m.acceptor, m.trusted
	m.mu.Unlock()
	m.leases.apply(cfg.Leases, trusted)
	m.bus.Apply(s)
	m.mu.Lock()
	if m.cfg == cfg { // otherwise Run is about to follow the next one
		m.report.Apply(cfg)
	}
	m.mu.Unlock()
	if cfg.Enabled {
		a.Set(tunnel.Settings{SSH: cfg.SSH, HTTPS: cfg.HTTPS, Idle: cfg.IdleTimeout})
	} else {
		a.Set(tunnel.Settings{})
	}
}

// settings are to what the box connects, or why it cannot.
func (m *Member) settings(cfg *config.Fleet) (s bus.Settings, not unready) {
	key, err := m.keys.ensure()
	if err != nil {
		return s, unready{err.Error(), "Make another key with `fleet key generate`, and give the hub what `show fleet key` prints."}
	}
	if !cfg.Enabled || !cfg.Complete() {
		return s, not
	}
	if m.o.Sealed(cfg.Proxy.Password) {
		return s, unready{"the password of the proxy was sealed by another box", "Enter the line `http-proxy` again."}
	}
	var roots *x509.CertPool
	if cfg.CA != "" {
		names := []config.PKIName{cfg.CA}
		if cfg.Proxy.CA != "" {
			names = append(names, cfg.Proxy.CA)
		}
		if roots, err = m.o.Roots(names...); err != nil {
			return s, unready{err.Error(), "Import the certificate that `ca` names."}
		}
	}
	return bus.Settings{Name: cfg.Name, Key: key, Hubs: cfg.Hubs, Roots: roots, Pin: cfg.Pin, Proxy: cfg.Proxy}, not
}
