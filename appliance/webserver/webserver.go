// Package webserver is sbcd's part of the web page: which certificate is shown, who signs with its key, and how a box without a password is
// opened.
//
// It owns the certificate that the box makes for itself, the choice between that and the one of a profile tls, the signatures for handshakes,
// and the set-up code. It does not own sockets, sessions or pages, which consoled has and which must not have keys, nor the configuration,
// accounts and tokens. Its state is one file, for which it is given functions.
//
// Goroutines: none but Run, which the box calls. Methods may be called from any.
package webserver

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// Options are what a Server works with.
type Options struct {
	Log    *slog.Logger
	Health *health.Tracker
	PKI    pki.Store
	Load   func() ([]byte, error)      // the file of the own certificate and its key; nil, nil: there is none
	Save   func([]byte) error          //
	Config func() *config.Config       // in force, with the addresses of DHCP servers: a moment later than a change
	Open   func() bool                 // no account has a password, now
	Host   func(*config.Config) string // the name of the box
	Clock  func() error                // nil while the time can be believed
	InUse  func() bool                 // somebody looks at the page
}

// Server is the web server as far as sbcd has it.
type Server struct {
	o       Options
	changed chan struct{} // one token: configuration or keys are others
	setup   setup
	signers bucket

	mu     sync.Mutex // what follows
	own    *shown     // that the box has made; nil: not yet
	now    *shown     // that browsers are shown; nil: there is no web page
	before *shown     // for handshakes that have begun
	until  time.Time  // when before is of no use any more
	why    string     // the certificate of the profile is not in use
	due    string     // why the own certificate is to be made anew; "": it is not
	dueAt  time.Time  // since when
	signed time.Time  // the last handshake, or the start
}

// shown is a certificate with its key.
type shown struct {
	chain   []*x509.Certificate
	key     crypto.Signer
	profile string // "": the box has made it
}

// leaf is the SHA-256 of the certificate.
func (c *shown) leaf() [sha256.Size]byte { return sha256.Sum256(c.chain[0].Raw) }

const (
	lookEvery  = 30 * time.Second
	patience   = 24 * time.Hour   // with those who have no session, as machines that ask all the time
	quiet      = 15 * time.Minute // without a browser, before a certificate changes that people have told their browsers to take
	renewEarly = 30 * 24 * time.Hour
	renewNow   = 24 * time.Hour // before its end, whoever is there
	oldServes  = time.Minute
)

// New returns a Server that shows nothing before Run.
func New(o Options) *Server {
	return &Server{o: o, changed: make(chan struct{}, 1), signed: time.Now()}
}

// Changed says that the configuration or the key store is another.
func (s *Server) Changed() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Run keeps the certificate in order until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	for {
		s.look(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-s.changed:
		case <-every.C:
		}
	}
}

// look decides which certificate is shown from now on.
func (s *Server) look(now time.Time) {
	cfg := s.o.Config()
	if cfg.Web.HTTPS.Port == 0 {
		s.show(nil, "", now)
		s.o.Health.Clear(health.WebCertificate, "")
		return
	}
	own, err := s.ownCertificate(cfg, now)
	if err != nil {
		s.o.Log.Error("web certificate not made", "err", err)
		return // the one that is shown stays
	}
	want, why := own, ""
	if name := cfg.Web.TLS.Name; name != "" {
		c, err := s.ofProfile(cfg, now)
		if err != nil {
			why = err.Error()
			s.o.Health.Set(health.WebCertificate, health.Args{"profile": name, "why": why})
		} else {
			want = c
		}
	}
	if why == "" {
		s.o.Health.Clear(health.WebCertificate, "")
	}
	s.show(want, why, now)
}

// show has a certificate shown.
func (s *Server) show(c *shown, why string, now time.Time) {
	s.mu.Lock()
	before := s.now
	if before != nil && (c == nil || c.leaf() != before.leaf()) {
		s.before, s.until = before, now.Add(oldServes)
	}
	s.now, s.why = c, why
	s.mu.Unlock()
	if c != nil && (before == nil || c.leaf() != before.leaf()) {
		s.o.Log.Info("web certificate in use", "name", pki.Describe(c.chain[0]).Subject, "sha256", pki.Fingerprint(c.chain[0]))
	}
}

// ofProfile is the certificate of the profile that the configuration names.
func (s *Server) ofProfile(cfg *config.Config, now time.Time) (*shown, error) {
	p := cfg.Web.TLS.In(cfg)
	if p == nil {
		return nil, errors.New("there is no such profile")
	}
	t, err := pki.ServerConfig(p, s.o.PKI)
	if err != nil {
		return nil, err
	}
	c := &shown{key: t.Certificates[0].PrivateKey.(crypto.Signer), profile: p.Name}
	for _, der := range t.Certificates[0].Certificate {
		x, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		c.chain = append(c.chain, x)
	}
	switch leaf := c.chain[0]; {
	case s.o.Clock() != nil: // nothing can be said of times
	case now.After(leaf.NotAfter):
		return nil, fmt.Errorf("it has ended on %s", leaf.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		return nil, fmt.Errorf("it is not good before %s", leaf.NotBefore.UTC().Format(time.DateOnly))
	}
	return c, nil
}

// ownCertificate is the certificate that the box makes for itself. One that does not fit any more is replaced when nobody is looking: a new
// one ends the trust that people have given to the old one in their browsers.
func (s *Server) ownCertificate(cfg *config.Config, now time.Time) (*shown, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own == nil {
		s.own = s.load()
	}
	names := s.names(cfg)
	if s.own == nil {
		return s.make(names, now)
	}
	leaf := s.own.chain[0]
	timed := s.o.Clock() == nil
	before := s.due
	s.due = ""
	var missing []string
	for _, n := range names {
		if leaf.VerifyHostname(n) != nil {
			missing = append(missing, n)
		}
	}
	switch left := leaf.NotAfter.Sub(now); {
	case timed && (left < renewNow || now.Before(leaf.NotBefore)):
		return s.make(names, now)
	case timed && left < renewEarly:
		s.due = "it ends on " + leaf.NotAfter.UTC().Format(time.DateOnly)
	case len(missing) > 0:
		s.due = "it does not name " + strings.Join(missing, ", ")
	}
	if before == "" {
		s.dueAt = now
	}
	if s.due != "" && !s.o.InUse() && (now.Sub(s.signed) >= quiet || now.Sub(s.dueAt) >= patience) {
		return s.make(names, now)
	}
	return s.own, nil
}

// names are those that the own certificate should have.
func (s *Server) names(cfg *config.Config) (list []string) {
	if host := s.o.Host(cfg); pki.DNSName(host) {
		list = append(list, strings.ToLower(host))
	}
	addresses, _ := cfg.WebAddresses()
	slices.SortFunc(addresses, netip.Addr.Compare)
	for _, a := range addresses {
		list = append(list, a.String())
	}
	if len(list) == 0 {
		list = []string{"viaduct"} // until it has a name or an address
	}
	return list
}

// make makes and keeps a certificate. The lock is held.
func (s *Server) make(names []string, now time.Time) (*shown, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c, err := pki.SelfSigned(names, key, now)
	if err != nil {
		return nil, err
	}
	text, err := pki.KeyPEM(key)
	if err != nil {
		return nil, err
	}
	if err := s.o.Save(slices.Concat(pki.ChainPEM([]*x509.Certificate{c}), text)); err != nil {
		s.o.Log.Warn("web certificate not saved", "err", err) // good until the next start
	}
	s.own, s.due = &shown{chain: []*x509.Certificate{c}, key: key}, ""
	return s.own, nil
}

// load reads the certificate that was kept; nil: there is none that can be used.
func (s *Server) load() *shown {
	text, err := s.o.Load()
	if text == nil && err == nil {
		return nil
	}
	var c shown
	certificate, rest := pem.Decode(text)
	if err == nil && certificate == nil {
		err = errors.New("it is damaged")
	}
	if err == nil {
		c.chain, err = pki.ParseCertificates(pem.EncodeToMemory(certificate))
	}
	if err == nil {
		c.key, err = pki.ParsePrivateKey(rest, "")
	}
	if err == nil {
		err = pki.Belongs(c.chain[0], c.key)
	}
	if err != nil {
		s.o.Log.Warn("web certificate made anew, because the old one cannot be read", "err", err)
		return nil
	}
	return &c
}

// Offer is what consoled serves.
type Offer struct {
	Port      uint16
	Redirect  bool // from config.RedirectPort
	Addresses []netip.Addr
	Hosts     []string // by which it may be asked for, beside Addresses
	Name      string   // host name
	Chain     [][]byte // DER, leaf first
	Own       bool     // the box has made it
}

// Offer returns what is to be served; nil: nothing is.
func (s *Server) Offer() *Offer {
	cfg := s.o.Config()
	s.mu.Lock()
	c := s.now
	s.mu.Unlock()
	if c == nil || cfg.Web.HTTPS.Port == 0 {
		return nil
	}
	o := &Offer{Port: cfg.Web.HTTPS.Port, Name: s.o.Host(cfg), Own: c.profile == ""}
	o.Addresses, o.Redirect = cfg.WebAddresses()
	o.Hosts = append([]string{strings.ToLower(o.Name)}, pki.NamesOf(c.chain[0])...)
	for _, x := range c.chain {
		o.Chain = append(o.Chain, x.Raw)
	}
	return o
}

// Status describes the web server.
func (s *Server) Status() status.Web {
	cfg := s.o.Config()
	v := status.Web{Port: cfg.Web.HTTPS.Port, Tokens: len(cfg.Web.Tokens)}
	if v.Port == 0 {
		return v
	}
	addresses, redirect := cfg.WebAddresses()
	v.Addresses = addresses
	if redirect {
		v.Redirect = config.RedirectPort
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v.Problem, v.Due = s.why, s.due
	if c := s.now; c != nil {
		d := pki.Describe(c.chain[0])
		v.Profile, v.Subject, v.Names, v.KeyType, v.SHA256, v.NotBefore, v.NotAfter = c.profile, d.Subject, d.Names, d.Key, d.SHA256, d.NotBefore, d.NotAfter
	}
	v.SetUp = s.o.Open()
	return v
}
