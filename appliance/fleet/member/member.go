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
	"viaduct/appliance/fleet/bus"
	"viaduct/appliance/health"
)

// Options are what a Member is given for good.
type Options struct {
	Log    *slog.Logger
	Health *health.Tracker
	Dir    string // of all that the box keeps for its hub; it is made when there is a fleet
	Serial string
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Roots are the certificates of the key store with these names, and no others.
	Roots  func(names ...config.PKIName) (*x509.CertPool, error)
	Sealed func(config.Secret) bool // a secret that cannot be opened
}

// Member is the box in its fleet. It is safe for concurrent use.
type Member struct {
	o       Options
	bus     *bus.Bus
	changed chan struct{} // one token: there is another configuration, or another key
	keys    keys

	mu      sync.Mutex
	cfg     *config.Fleet // nil: none
	unready unready
}

// unready is why the box cannot even try.
type unready struct{ why, cure string }

// New makes a Member that does nothing yet.
func New(o Options) *Member {
	return &Member{o: o, bus: bus.Open(bus.Options{Log: o.Log, Lookup: o.Lookup}), changed: make(chan struct{}, 1), keys: keys{file: keyFile(o.Dir)}}
}

// Apply has the box follow a configuration, soon.
func (m *Member) Apply(cfg *config.Config) {
	m.mu.Lock()
	m.cfg = cfg.Fleet
	m.mu.Unlock()
	m.nudge()
}

func (m *Member) nudge() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
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
	defer func() { w.stop() }()
	for {
		cfg := m.wanted()
		if w != nil && (cfg == nil || cfg.Name != w.name) {
			w.stop()
			w = nil
		}
		if cfg != nil && w == nil {
			w = m.begin(ctx, cfg.Name)
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

// work are the parts while they run, for one name of the box.
type work struct {
	name    string
	end     context.CancelFunc
	running sync.WaitGroup
	failed  chan error
}

// begin starts the parts.
func (m *Member) begin(ctx context.Context, name string) *work {
	ctx, end := context.WithCancel(ctx)
	w := &work{name: name, end: end, failed: make(chan error, 1)}
	w.run(ctx, "the connection to the hub", m.bus.Run)
	return w
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

// stop ends the parts and waits for them.
func (w *work) stop() {
	if w == nil {
		return
	}
	w.end()
	w.running.Wait()
}

// follow hands a configuration on.
func (m *Member) follow(cfg *config.Fleet) {
	s, not := m.settings(cfg)
	m.mu.Lock()
	m.unready = not
	m.mu.Unlock()
	m.bus.Apply(s)
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
