// Package acme obtains the certificates of `profile acme` from an authority (RFC 8555), renews them, and takes a new one back when peers
// refuse it.
//
// It owns the way of a certificate from its order to its use (state.go), the time of renewals and of attempts (schedule.go), the answers
// to challenges (challenge.go), and the accounts at authorities. It does not own what makes a certificate usable (pki.Usable), storage,
// sockets, nor the firewall: Options has them all. One goroutine, the caller of Engine.Run, does everything.
package acme

import (
	"context"
	"crypto"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// Options are what the engine needs of the box.
type Options struct {
	Log    *slog.Logger
	Health *health.Tracker
	Store  Store
	Agent  string                // who asks, for the authority's log
	Config func() *config.Config // in force
	Clock  func() error          // why the time is not to be believed; nil: it is
	// HTTP returns a client for the directory of a profile, with its proxy and its CA.
	HTTP func(*config.ACMEProfile) (*http.Client, error)
	// Roots are the ends of chains that peers may know.
	Roots func() *x509.CertPool
	// Open lets everybody in at a TCP port where the box is known by the certificate, until the sockets are given to Shut.
	Open func(ctx context.Context, certificate config.PKIName, port uint16) ([]net.Listener, error)
	Shut func([]net.Listener)
	// TXT looks TXT records up.
	TXT func(ctx context.Context, name string) ([]string, error)
	// Use has every connection made anew with what the store holds now, and returns since when.
	Use func(ctx context.Context) (time.Time, error)
	// Peers are the peers that are shown a certificate.
	Peers func(certificate config.PKIName) []status.Peer
}

// Store keeps certificates with their keys, and the engine's own files. They survive a power cut whole.
type Store interface {
	Certificates(name string) ([]*x509.Certificate, error)
	CertificateText(name string) ([]byte, error)
	PrivateKey(name string) (crypto.Signer, error)
	InstallPair(certificate, key string, chain, keyText []byte) error
	ACMEFile(name string) ([]byte, error)
	SaveACMEFile(name string, text []byte) error
}

// Engine renews certificates.
type Engine struct {
	o    Options
	kick chan struct{}                         // one token: look again now
	key  func() (crypto.Signer, []byte, error) // makes one for an order

	accounts chan struct{} // one token: one change of an account at a time
	known    sync.Map      // accounts that were read or stored, by directory

	mu    sync.Mutex
	shown map[string]status.ACME // by the name of the profile
	now   map[string]bool        // profiles to renew at once
}

// New returns an engine that does not run yet.
func New(o Options) *Engine {
	return &Engine{o: o, accounts: make(chan struct{}, 1), kick: make(chan struct{}, 1), key: newKey, shown: map[string]status.ACME{}, now: map[string]bool{}}
}

// longestRest is how long the engine sleeps at most: the clock may be set meanwhile.
const longestRest = time.Hour

// Run renews certificates until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	machines := map[string]*machine{}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.kick:
		case <-timer.C:
		}
		next := time.Now().Add(longestRest)
		present := map[string]bool{}
		written := map[config.PKIName]bool{}
		for _, p := range e.o.Config().ACME {
			certificate, key := p.Target()
			if len(p.Names) == 0 || written[certificate] || written[key] {
				continue // a problem of the configuration, and listed there
			}
			written[certificate], written[key] = true, true
			present[p.Name] = true
			m := machines[p.Name]
			if m == nil {
				m = newMachine(e, p.Name)
				machines[p.Name] = m
			}
			m.p = p
			if at := m.run(ctx); at.Before(next) {
				next = at
			}
			if ctx.Err() != nil {
				return nil
			}
		}
		for name, m := range machines {
			if !present[name] {
				m.gone()
				delete(machines, name)
			}
		}
		timer.Reset(max(time.Until(next), time.Second))
	}
}

// Changed has the engine look at the configuration again.
func (e *Engine) Changed() {
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

// Renew orders a certificate at once, whatever the time of the next attempt. It returns false when the authority wants to be left alone
// until the returned time.
func (e *Engine) Renew(name string) (until time.Time, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if st := e.shown[name]; st.Held.After(time.Now()) {
		return st.Held, false
	}
	e.now[name] = true
	e.Changed()
	return time.Time{}, true
}

// asked takes the order to renew a profile at once.
func (e *Engine) asked(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	asked := e.now[name]
	delete(e.now, name)
	return asked
}

// Status lists the profiles in the order of the configuration.
func (e *Engine) Status() (list []status.ACME) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.o.Config().ACME {
		st, known := e.shown[p.Name]
		if !known {
			certificate, _ := p.Target()
			st = status.ACME{Name: p.Name, Directory: directoryURL(p), Names: p.Names, Challenge: string(p.Challenge), Certificate: string(certificate)}
		}
		list = append(list, st)
	}
	return list
}

func (e *Engine) show(st status.ACME) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shown[st.Name] = st
}

func (e *Engine) forget(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.shown, name)
	delete(e.now, name)
}

const (
	productionURL = "https://acme-v02.api.letsencrypt.org/directory"
	stagingURL    = "https://acme-staging-v02.api.letsencrypt.org/directory"
)

// directoryURL returns the directory of a profile.
func directoryURL(p *config.ACMEProfile) string {
	if p.Directory == config.LetsEncrypt {
		return productionURL
	}
	return p.Directory
}
