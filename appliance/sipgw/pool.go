package sipgw

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/pki"
)

const (
	dialTimeout      = 5 * time.Second // for one address
	handshakeTimeout = 5 * time.Second
)

// endpoint is where a request goes, resolved: the name is what TLS asks for and verifies.
type endpoint struct {
	transport string
	name      string
	addrs     []netip.AddrPort // in order of preference
}

// poolKey keeps connections apart by the name that was verified: sip. and sip2. of Teams may share an address and must not
// share a connection.
type poolKey struct {
	transport, name string
	port            uint16
}

// way returns the flow to an endpoint: the UDP socket, an open connection of ours, or a new one that is being dialled. Requests
// never travel on a connection that the peer opened (A.15).
func (g *Gate) way(to endpoint) (flow, error) {
	if len(to.addrs) == 0 {
		return nil, &TransportError{Op: opResolve, Peer: to.name, Err: noAddress(to.name)}
	}
	g.mu.Lock()
	to.addrs = g.prefer(to.addrs)
	g.mu.Unlock()
	if to.transport == "udp" {
		d := g.socket(to.addrs[0].Addr())
		if d == nil {
			return nil, &TransportError{Op: "send", Peer: to.addrs[0].String(), Err: errNoListener}
		}
		g.expect(to.addrs[0].Addr())
		return datagramFlow{d, to.addrs[0]}, nil
	}
	local := g.conf.Load().towards(to.transport, to.addrs[0].Addr()).address()
	if !local.IsValid() {
		return nil, &TransportError{Op: "send", Peer: to.name, Err: errNoListener}
	}
	key := poolKey{to.transport, to.name, to.addrs[0].Port()}
	g.mu.Lock()
	old := g.pool[key]
	// A connection to an address that the name no longer has is left: its owner has moved the service (A.11).
	if old != nil && old.fresh() && slices.Contains(to.addrs, old.target) {
		g.mu.Unlock()
		return old, nil
	}
	spare, err := g.spare(to.addrs[0].Addr())
	if err != nil {
		g.mu.Unlock()
		return nil, &TransportError{Op: "dial", Peer: to.name, Err: err}
	}
	s := newStream(g, to.transport, false)
	s.peer, s.target, s.here = to.addrs[0], to.addrs[0], netip.AddrPortFrom(local, 0)
	g.pool[key] = s
	g.streams[s] = struct{}{}
	g.mu.Unlock()
	for _, x := range []*stream{old, spare} {
		if x != nil {
			x.retire()
		}
	}
	if !g.spawn(func() { g.dial(s, to, local) }) {
		s.close(errConnClosed)
	}
	return s, nil
}

// A peer says where it is to be reached, in Via, Contact and Record-Route: so many connections we open at its word.
const (
	maxDialled    = 256
	maxDialledOne = 16 // to one address
)

// spare finds a connection of ours to do without before one more is opened to an address: of as many to that address, of so many in all to
// the address that has most. It is nil when there is room, and an error where all are in use. The lock is held.
func (g *Gate) spare(to netip.Addr) (*stream, error) {
	n := map[netip.Addr]int{}
	all, most := 0, to
	for s := range g.streams {
		if !s.accepted {
			all++
			a := s.target.Addr()
			if n[a]++; n[a] > n[most] {
				most = a
			}
		}
	}
	switch {
	case n[to] >= maxDialledOne:
		most = to
	case all < maxDialled:
		return nil, nil
	}
	var idlest *stream
	var since time.Time
	for s := range g.streams {
		if s.accepted || s.target.Addr() != most {
			continue
		}
		if at, busy := s.lastUsed(); !busy && (idlest == nil || at.Before(since)) {
			idlest, since = s, at
		}
	}
	if idlest == nil {
		return nil, errTooManyDialled
	}
	return idlest, nil
}

// dial opens a connection of ours, trying each address of the name.
func (g *Gate) dial(s *stream, to endpoint, local netip.Addr) {
	ctx, cancel := context.WithCancel(g.ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.close(errConnClosed) })
	defer stop()
	var failure error
	if err := g.conf.Load().tlsErr; to.transport == "tls" && err != nil {
		failure, to.addrs = &TransportError{Op: "handshake", Peer: to.name, Err: err}, nil
	}
	for _, a := range to.addrs {
		dialling, end := context.WithTimeout(ctx, dialTimeout)
		conn, err := g.opts.Network.Dial(dialling, to.transport, local, a)
		end()
		if err != nil {
			failure = &TransportError{Op: "dial", Peer: a.String(), Err: err}
			g.failed(a)
			continue
		}
		if to.transport == "tls" {
			if conn, err = g.handshake(ctx, conn, to.name, g.standsFor(to.name, a.Addr())...); err != nil {
				failure = &TransportError{Op: "handshake", Peer: to.name + " " + a.String(), Err: err}
				g.unknownIssuer(to.name+" "+a.String(), err)
				g.failed(a)
				continue
			}
		}
		trusted := g.trusts(a.Addr())
		g.mu.Lock()
		s.target, s.trusted = a, trusted
		g.mu.Unlock()
		stop()
		s.start(conn)
		return
	}
	g.Repeats.Log(slog.LevelWarn, "peer not reachable", to.name, "", "gw", g.name, "peer", to.name, "err", failure)
	s.close(failure)
}

// standsFor are the names that a certificate may hold in place of the name that is dialled. A proxy that names itself in Record-Route
// is one of a peer's many, and shows the peer's own name as it does when it dials us: sip.pstnhub.microsoft.com (A.9). None for
// the name of a peer itself, and where nobody trusts the address.
func (g *Gate) standsFor(name string, at netip.Addr) []string {
	for _, i := range g.conf.Load().interfaces {
		if !isName(name) || strings.EqualFold(i.Remote.Host, name) {
			return nil
		}
	}
	return g.namesOf(at)
}

// handshake makes a TLS client of a connection: our certificate, the peer's checked for name or one of those that stand for it.
func (g *Gate) handshake(ctx context.Context, conn net.Conn, name string, others ...string) (net.Conn, error) {
	c := g.conf.Load()
	if c.tlsProfile == nil {
		conn.Close()
		return nil, errNoTLSProfile
	}
	conf, err := pki.ClientConfig(c.tlsProfile, g.opts.PKI, name, others...)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if _, done := conn.(Secured); done {
		return conn, nil
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	t := tls.Client(conn, conf)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	g.logSecured(t, "opened")
	return t, nil
}

// forget drops a closed connection from the tables.
func (g *Gate) forget(s *stream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forgetLocked(s)
}

func (g *Gate) forgetLocked(s *stream) {
	if _, ok := g.streams[s]; !ok {
		return
	}
	delete(g.streams, s)
	if s.accepted {
		if from := s.from; g.sources[from] > 1 {
			g.sources[from]--
		} else {
			delete(g.sources, from)
		}
		g.accepted--
		return
	}
	for k, v := range g.pool {
		if v == s {
			delete(g.pool, k)
		}
	}
}
