package siptransport

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"viaduct/appliance/pki"
)

const (
	dialTimeout      = 5 * time.Second // for one address
	handshakeTimeout = 5 * time.Second
)

// Endpoint is a resolved target. TLS asks for its name and verifies it.
type Endpoint struct {
	Transport Transport
	Name      string
	Addrs     []netip.AddrPort // in order of preference
	Phone     *PhoneTarget     // not nil: it is a phone, and reached as it came
	Returns   bool             // a response goes there, to whom a request came from: its certificate holds the peer's name, whatever Via says
}

// poolKey separates connections by their verified name: sip. and sip2. of Teams may share an address, but must not share a connection.
type poolKey struct {
	transport Transport
	name      string
	port      uint16
}

// Flow returns the flow to an endpoint: the UDP socket, an open connection of ours, or a new connection that is being dialled. Requests never
// use a connection that the peer opened (A.15), but for phones.
func (g *Gate) Flow(to Endpoint) (Flow, error) {
	if to.Phone != nil {
		return g.phone(to.Phone)
	}
	if len(to.Addrs) == 0 {
		return nil, &Error{Op: OpResolve, Peer: to.Name, Err: noAddress(to.Name)}
	}
	to.Addrs = g.addresses.prefer(to.Addrs)
	if to.Transport == UDP {
		d := g.socket(to.Addrs[0].Addr())
		if d == nil {
			return nil, &Error{Op: "send", Peer: to.Addrs[0].String(), Err: errNoListener}
		}
		g.addresses.expect(to.Addrs[0].Addr())
		return datagramFlow{d, to.Addrs[0]}, nil
	}
	local := g.conf.Load().Towards(to.Transport, to.Addrs[0].Addr()).Address()
	if !local.IsValid() {
		return nil, &Error{Op: "send", Peer: to.Name, Err: errNoListener}
	}
	key := poolKey{to.Transport, to.Name, to.Addrs[0].Port()}
	s, opened, gone, err := g.connections.join(key, to.Addrs, func() *stream {
		s := newStream(g, to.Transport, false)
		s.peer, s.target, s.here = to.Addrs[0], to.Addrs[0], netip.AddrPortFrom(local, 0)
		return s
	})
	if err != nil {
		return nil, &Error{Op: "dial", Peer: to.Name, Err: err}
	}
	if !opened {
		return s, nil
	}
	for _, x := range gone {
		x.retire()
	}
	if !g.spawn(func() { g.dial(s, to, local) }) {
		s.close(errConnClosed)
	}
	return s, nil
}

// dial opens a connection of ours, trying each address of the name.
func (g *Gate) dial(s *stream, to Endpoint, local netip.Addr) {
	ctx, cancel := context.WithCancel(g.ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.close(errConnClosed) })
	defer stop()
	var failure error
	if err := g.conf.Load().tlsErr; to.Transport.Secure() && err != nil {
		failure, to.Addrs = &Error{Op: "handshake", Peer: to.Name, Err: err}, nil
	}
	for _, a := range to.Addrs {
		if !g.connects() {
			failure = &Error{Op: "dial", Peer: a.String(), Err: errSilent}
			break
		}
		dialling, end := context.WithTimeout(ctx, dialTimeout)
		conn, err := g.opts.Network.Dial(dialling, to.Transport, local, a)
		end()
		if err != nil {
			failure = &Error{Op: "dial", Peer: a.String(), Err: err}
			g.Failed(a)
			continue
		}
		if to.Transport.Secure() {
			if conn, err = g.handshake(ctx, conn, to.Name, g.standsFor(to, a.Addr())...); err != nil {
				failure = &Error{Op: "handshake", Peer: to.Name + " " + a.String(), Err: err}
				g.unknownIssuer(to.Name+" "+a.String(), err)
				g.Failed(a)
				continue
			}
		}
		trusted := g.Trusts(a.Addr())
		g.connections.reached(s, a, trusted)
		stop()
		s.start(conn)
		return
	}
	g.Repeats.Log(slog.LevelWarn, "peer not reachable", to.Name, "", "gw", g.name, "peer", to.Name, "err", failure)
	s.close(failure)
}

// standsFor are the names that a certificate may hold instead of the dialled name. A proxy that names itself in Record-Route is one of many
// of a peer, and its certificate holds the peer's name: sip.pstnhub.microsoft.com (A.9). There are none for the name of a peer itself, and
// for an address that no interface trusts.
func (g *Gate) standsFor(to Endpoint, at netip.Addr) []string {
	name := to.Name
	if to.Returns {
		return g.namesOf(at)
	}
	for _, i := range g.conf.Load().interfaces {
		if !isName(name) || strings.EqualFold(i.Remote.Host, name) {
			return nil
		}
	}
	return g.namesOf(at)
}

// handshake begins TLS as the client, with our certificate. The peer's certificate must hold name or one of others.
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
	if report := g.opts.OnChain; report != nil {
		verify := conf.VerifyConnection
		conf.VerifyConnection = func(cs tls.ConnectionState) (err error) {
			if verify != nil {
				err = verify(cs)
			}
			report(g.name, name, cs.PeerCertificates, err)
			return err
		}
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
