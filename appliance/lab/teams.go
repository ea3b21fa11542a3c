package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// site is a hub's place: the name that the box dials, the name that it puts into Record-Route, its address.
type site struct {
	name, region string
	addr         netip.Addr
}

// testSite is a name at which Microsoft lets everybody test its newest certificates, with OPTIONS. Here it is the first hub.
const testSite = "sip.g1.pstnhub.microsoft.com"

var sites = []site{
	{"sip.pstnhub.microsoft.com", "sip-du-a-eu.pstnhub.microsoft.com", netip.MustParseAddr("52.114.75.24")},
	{"sip2.pstnhub.microsoft.com", "sip-du-a-us.pstnhub.microsoft.com", netip.MustParseAddr("52.114.76.76")},
	{"sip3.pstnhub.microsoft.com", "sip-du-a-as.pstnhub.microsoft.com", netip.MustParseAddr("52.114.7.24")},
}

const (
	teamsPort   = 5061
	teamsAllow  = "INVITE,ACK,OPTIONS,CANCEL,BYE,NOTIFY"
	teamsServer = "Microsoft.PSTNHub.SIPProxy v.2026.10.8.1 i.EUWE.4"
	// healthy is how long Teams believes in an SBC that sent OPTIONS (three times a minute, teams.md A.20).
	healthy = 3 * time.Minute
	// teamsIdle: quiet connections are closed (A.16).
	teamsIdle        = 2 * time.Minute
	handshakeTimeout = 30 * time.Second
	// TeamsTone is what Teams plays: its frequency in Hz and its level in dBm0.
	TeamsTone = 440
	ToneDBm0  = -10.0
	// Media ports of the processors (A.39), 49152 to 53247.
	teamsPorts = 49152
)

// Teams is a simulated Microsoft Teams: three hubs that share their calls, and users who answer.
type Teams struct {
	*agent
	// Hubs are sip, sip2 and sip3, in this order.
	Hubs []*Hub

	world   *World
	trusted atomic.Pointer[x509.CertPool] // roots of the box's certificates
	tls     *tls.Config                   // what hubs accept with
	dial    *tls.Config

	// The following belong to the agent's goroutine.
	calls    map[string]*Call // by Call-ID
	incoming chan *Call
	refused  []Refusal
	nextPort uint16
	pairing  string // the only Contact host that is taken
}

// newTeams starts three hubs.
func newTeams(ctx context.Context, w *World) (*Teams, error) {
	t := &Teams{
		agent: newAgent(ctx, "teams", &w.options), world: w, calls: map[string]*Call{}, incoming: make(chan *Call, 1024),
		nextPort: teamsPorts, pairing: SBCName,
	}
	t.capitals = true
	t.handle, t.ack, t.cancelled, t.stray, t.broken = t.taken, t.acknowledged, t.gaveUp, t.strayed, t.brokenMessage

	suites := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	t.Trust(w.PKI.BoxRoot)
	verify := func(s tls.ConnectionState) error { return verifySBC(s, t.trusted.Load()) }
	// TLS 1.3 has no RSA-only suites: with it an ECDSA certificate would pass here that Teams refuses.
	t.dial = &tls.Config{
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: suites,
		Certificates: []tls.Certificate{w.PKI.Teams}, ServerName: SBCName, InsecureSkipVerify: true, VerifyConnection: verify,
	}
	t.tls = &tls.Config{
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: suites,
		Certificates: []tls.Certificate{w.PKI.Teams}, ClientAuth: tls.RequireAnyClientCert,
		// Go's own check asks for the client usage, which public certificates no longer have.
		VerifyConnection: verify,
	}
	t.wg.Go(t.run)
	for i, site := range sites {
		h := &Hub{Name: site.name, Index: i, teams: t, site: site, open: map[net.Conn]bool{}}
		t.Hubs = append(t.Hubs, h)
		if err := h.Start(); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	return t, nil
}

// Trust has the hubs take certificates of the box that come from these roots, and no others, from the next connection on.
func (t *Teams) Trust(roots ...*x509.Certificate) {
	pool := x509.NewCertPool()
	for _, c := range roots {
		pool.AddCert(c)
	}
	t.trusted.Store(pool)
}

// Pair has Teams know the box by another name: the tenant's administrator has registered it so.
func (t *Teams) Pair(name string) { _ = t.do(func() { t.pairing = name }) }

// verifySBC checks the certificate as Microsoft does, in either role: a known root, the usage of a server, the paired name.
func verifySBC(s tls.ConnectionState, trusted *x509.CertPool) error {
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	leaf := s.PeerCertificates[0]
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: trusted, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
		return fmt.Errorf("client certificate (%d in the chain): %w", len(s.PeerCertificates), err)
	}
	if err := leaf.VerifyHostname(SBCName); err != nil {
		return fmt.Errorf("client certificate: %w", err)
	}
	return nil
}

func (t *Teams) close() error {
	for _, h := range t.Hubs {
		h.Stop()
	}
	t.wg.Wait()
	// Nobody owns the calls any more.
	for _, c := range t.calls {
		if c.Audio != nil {
			c.Audio.Close()
		}
	}
	return nil
}

// Refusals are everything that Teams did not take so far.
func (t *Teams) Refusals() (list []Refusal) {
	_ = t.do(func() { list = slices.Clone(t.refused) })
	return list
}

// NextCall waits for the next call from the box that nobody asked for yet. Calls that a Behaviour refuses are left out.
func (t *Teams) NextCall(ctx context.Context) (*Call, error) {
	return nextCall(ctx, t.name, t.incoming)
}

func nextCall(ctx context.Context, name string, from <-chan *Call) (*Call, error) {
	select {
	case c := <-from:
		return c, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a call to %s: %w", name, ctx.Err())
	}
}

// deliver hands a call to whoever waits in NextCall; when nobody asks for calls, only the first ones are kept.
func deliver(to chan<- *Call, c *Call) {
	select {
	case to <- c:
	default:
	}
}

// Behave sets the behaviour of all hubs.
func (t *Teams) Behave(b Behaviour) {
	for _, h := range t.Hubs {
		h.Behave(b)
	}
}

// Calls is how many calls are there, ringing or up.
func (t *Teams) Calls() (n int) {
	_ = t.do(func() { n = len(t.calls) })
	return n
}

// WaitActive waits until all hubs have seen OPTIONS of the box and had theirs answered.
func (t *Teams) WaitActive(ctx context.Context) error {
	for _, h := range t.Hubs {
		if err := h.WaitActive(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Dial is a call that a Teams user makes.
type Dial struct {
	Hub  int    // index of the hub that sends it
	From string // the user's number; "": +497123222
	Name string // display name
	To   string // the number called; "": +4930123456

	Offerless bool // INVITE without SDP
	Headers   map[string]string
}

// Call calls out through the box. It returns when the INVITE was sent; the Call tells the rest.
func (t *Teams) Call(ctx context.Context, d Dial) (*Call, error) {
	if d.From == "" {
		d.From = "+497123222"
	}
	if d.To == "" {
		d.To = "+4930123456"
	}
	hub := t.Hubs[d.Hub]
	type result struct {
		call *Call
		err  error
	}
	done := make(chan result, 1)
	if err := t.do(func() {
		if time.Since(hub.seen) > healthy {
			done <- result{nil, fmt.Errorf("call from %s: the SBC counts as inactive: no OPTIONS from it at %s within %v", d.From, hub.Name, healthy)}
			return
		}
		hub.way(func(f *flow, err error) {
			if err != nil {
				done <- result{nil, fmt.Errorf("call from %s: %w", d.From, err)}
				return
			}
			c := newCall(t.agent, t, token(16))
			c.Hub, c.From, c.FromName, c.To, c.offerless = hub, d.From, d.Name, d.To, d.Offerless
			if err := t.openAudio(c); err != nil {
				done <- result{nil, err}
				return
			}
			display := ""
			if d.Name != "" {
				display = fmt.Sprintf("%q ", d.Name)
			}
			c.localTag = token(16)
			c.localValue = fmt.Sprintf("%s<sip:%s@sip.pstnhub.microsoft.com:5061;user=phone>;tag=%s", display, d.From, c.localTag)
			c.remoteValue = fmt.Sprintf("<sip:%s@%s:%d;user=phone>", d.To, SBCName, t.options.SBCPort)
			c.target = fmt.Sprintf("sip:%s@%s:%d;user=phone;transport=tls", d.To, SBCName, t.options.SBCPort)
			t.calls[c.ID] = c
			for name, value := range d.Headers {
				c.extra = append(c.extra, header{name, value})
			}
			c.send(f)
			done <- result{c, nil}
		})
	}); err != nil {
		return nil, err
	}
	select {
	case r := <-done:
		return r.call, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("call from %s: %w", d.From, ctx.Err())
	}
}
