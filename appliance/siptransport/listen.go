package siptransport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"viaduct/appliance/pki"
	"viaduct/appliance/source"
)

// listenKey identifies a socket of a gateway, to compare open sockets with configured ones.
type listenKey struct {
	transport Transport
	addr      netip.AddrPort
}

// listener is one socket of a gateway: datagrams for UDP, else one that accepts connections.
type listener struct {
	iface string
	key   listenKey
	udp   *datagrams
	tcp   net.Listener
	err   error // why it is not open
}

func (l *listener) close() {
	if l.udp != nil {
		l.udp.conn.Close()
	}
	if l.tcp != nil {
		l.tcp.Close()
	}
}

// listen opens a socket and starts its loop.
func (g *Gate) listen(iface string, k listenKey) *listener {
	l := &listener{iface: iface, key: k}
	if k.transport == UDP {
		conn, err := g.opts.Network.ListenPacket(k.addr)
		if err != nil {
			l.err = fmt.Errorf("gateway %s: %w", g.name, err)
			return l
		}
		l.udp = &datagrams{g: g, conn: conn, local: k.addr}
		g.spawn(l.udp.read)
		return l
	}
	ln, err := g.opts.Network.Listen(k.transport, k.addr)
	if err != nil {
		l.err = fmt.Errorf("gateway %s: %w", g.name, err)
		return l
	}
	l.tcp = ln
	g.spawn(func() { g.accept(l) })
	return l
}

// accept takes connections until its listener is closed. No other error ends it: file descriptors, for example, become free when calls end.
func (g *Gate) accept(l *listener) {
	for {
		conn, err := l.tcp.Accept()
		if err != nil {
			if isClosed(err) {
				return
			}
			g.Repeats.Log(slog.LevelWarn, "accept failed", "", "", "gw", g.name, "err", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		g.admit(l, conn)
	}
}

// admit checks a new connection's source and the limits, before any TLS or SIP.
func (g *Gate) admit(l *listener, conn net.Conn) {
	from := addrPortOf(conn.RemoteAddr())
	trusted := g.Trusts(from.Addr())
	if !g.connects() {
		discard(conn)
		return
	}
	if !trusted {
		g.untrusted(l.key.transport, from, l.key.addr, nil)
		if !g.conf.Load().Gateway.AnswerUntrusted {
			discard(conn)
			return
		}
	}
	s := newStream(g, l.key.transport, true)
	s.conn, s.peer, s.from, s.trusted, s.phone = conn, from, source.Of(from.Addr()), trusted, g.isPhone(from.Addr())
	if err := g.admitStream(s); err != nil {
		g.Repeats.Log(slog.LevelWarn, "connection refused", from.Addr().String(), err.Error(), "gw", g.name, "peer", from, "err", err)
		discard(conn)
		return
	}
	if !g.connects() || !g.spawn(func() { g.welcome(s, conn) }) { // it may have changed while the connection was on its way into the table
		s.close(errConnClosed)
	}
}

// end closes a connection; one of a gate that must not speak without any word.
func (g *Gate) end(conn net.Conn) {
	if g.Speaks() {
		conn.Close()
		return
	}
	discard(conn)
}

// discard drops a connection in silence, without a FIN, which would tell that something listens, and without the last word of TLS.
func discard(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	conn.Close()
}

// welcome does the handshake of an accepted connection and begins to serve it.
func (g *Gate) welcome(s *stream, conn net.Conn) {
	if s.kind.Secure() {
		t, err := g.acceptTLS(conn, s.peer.Addr())
		if err != nil {
			g.Repeats.Log(slog.LevelWarn, "TLS handshake failed", s.peer.Addr().String(), "", "topic", "tls", "gw", g.name, "peer", s.peer, "err", err)
			g.unknownIssuer(s.peer.String(), err)
			g.alerted(s.peer, err)
			discard(conn)
			s.close(err)
			return
		}
		g.logSecured(t, "accepted")
		conn = t
	}
	if s.start(conn) && !s.trusted {
		time.AfterFunc(handshakeTimeout, func() { s.close(errConnClosed) }) // long enough for one 403
	}
}

// unknownIssuer reports an error about an untrusted authority.
func (g *Gate) unknownIssuer(peer string, err error) {
	var e *pki.UnknownIssuer
	if f := g.opts.OnUnknownIssuer; f != nil && errors.As(err, &e) {
		f(g.name, peer, e)
	}
}

func (g *Gate) acceptTLS(conn net.Conn, from netip.Addr) (net.Conn, error) {
	c := g.conf.Load()
	if c.tlsErr != nil {
		return nil, c.tlsErr
	}
	if c.tlsProfile == nil {
		return nil, errNoTLSProfile
	}
	conf, err := pki.ServerConfig(c.tlsProfile, g.opts.PKI)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(handshakeTimeout))
	t, secured := conn.(Secured)
	if !secured {
		server := tls.Server(conn, conf)
		if err := server.HandshakeContext(g.ctx); err != nil {
			return nil, err
		}
		t = server
	}
	if names := g.namesOf(from); c.tlsProfile.AuthIncoming && len(names) > 0 {
		if err := pki.CheckNames(t.ConnectionState(), names...); err != nil {
			return nil, err
		}
	}
	conn.SetDeadline(time.Time{})
	return t, nil
}

// namesOf are the names that the certificate of a peer at an address may have: the remotes of the interfaces that trust it (A.9). There are
// none if the peer's interface has an address for its remote.
func (g *Gate) namesOf(from netip.Addr) []string {
	if own := g.InterfaceOf(from); own == nil || !isName(own.Remote.Host) {
		return nil
	}
	var names []string
	for _, i := range g.conf.Load().interfaces {
		if g.TrustedBy(i, from) && isName(i.Remote.Host) {
			names = append(names, i.Remote.Host)
		}
	}
	return names
}

func isName(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil && host != ""
}

var (
	errNoTLSProfile = errors.New("the gateway uses no TLS profile")
	errNoListener   = errors.New("the gateway has no open socket for this transport")
)
