package call_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"viaduct/appliance/siptransport"
)

// memory is the network between the box and the peers of a scenario, inside one synctest bubble.
type memory struct {
	w *world

	mu        sync.Mutex
	sockets   map[netip.AddrPort]*socket
	listeners map[netip.AddrPort]*listener
}

// socket is a UDP socket of the box.
type socket struct {
	net   *memory
	local netip.AddrPort
	in    chan datagram
	done  chan struct{}
	once  sync.Once
}

type datagram struct {
	b    []byte
	from netip.AddrPort
}

func (n *memory) ListenPacket(addr netip.AddrPort) (siptransport.PacketConn, error) {
	s := &socket{net: n, local: addr, in: make(chan datagram, 4096), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sockets[addr] = s
	return s, nil
}

func (s *socket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-s.in:
		return copy(b, d.b), d.from, nil
	case <-s.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (s *socket) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	s.net.w.datagram(append([]byte(nil), b...), s.local, to)
	return len(b), nil
}

func (s *socket) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// listener accepts the connections that peers open to the box.
type listener struct {
	transport string
	local     netip.AddrPort
	in        chan net.Conn
	done      chan struct{}
	once      sync.Once
}

func (n *memory) Listen(t siptransport.Transport, addr netip.AddrPort) (net.Listener, error) {
	l := &listener{transport: t.String(), local: addr, in: make(chan net.Conn, 64), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[addr] = l
	return l, nil
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.in:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

// Dial is a connection that the box opens.
func (n *memory) Dial(ctx context.Context, t siptransport.Transport, local netip.Addr, to netip.AddrPort) (net.Conn, error) {
	transport := t.String()
	p := n.w.peerAt(to.Addr())
	switch {
	case p == nil:
		<-ctx.Done() // nobody there: packets vanish
		return nil, ctx.Err()
	case p.state() == "silent":
		<-ctx.Done()
		return nil, ctx.Err()
	case p.state() == "refuses" || transport == "tcp" && p.transport == "udp" && !p.tcp:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: syscall.ECONNREFUSED}
	}
	if transport == "tls" && p.certificate == nil {
		return nil, errors.New("remote error: tls: no certificate")
	}
	ours, theirs := pipe(transport, netip.AddrPortFrom(local, n.w.port()), to, p.certificate)
	p.open(&link{conn: theirs, transport: transport, byBox: true})
	return ours, nil
}

// connect is a connection that a peer opens to the box.
func (n *memory) connect(p *peer) (*link, error) {
	n.mu.Lock()
	l := n.listeners[p.box]
	n.mu.Unlock()
	if l == nil || l.transport != p.transport && p.transport != "udp" {
		return nil, fmt.Errorf("the box does not listen on %s", p.box)
	}
	ours, theirs := pipe(l.transport, p.box, netip.AddrPortFrom(p.addr.Addr(), n.w.port()), p.certificate)
	k := &link{conn: theirs, transport: l.transport}
	p.open(k)
	l.in <- ours
	return k, nil
}

// pipe makes the two ends of a connection. A TLS one carries plain text, and the box sees the certificate of its peer.
func pipe(transport string, box, peer netip.AddrPort, certificate *x509.Certificate) (ours, theirs net.Conn) {
	a, b := net.Pipe()
	end := wire{a, box, peer}
	if transport != "tls" {
		return end, b
	}
	return tlsWire{end, tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{certificate}}}, b
}

// wire is the box's end of a connection.
type wire struct {
	net.Conn
	local, remote netip.AddrPort
}

func (c wire) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c wire) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

type tlsWire struct {
	wire
	state tls.ConnectionState
}

func (c tlsWire) ConnectionState() tls.ConnectionState { return c.state }

// table is the name server of a scenario.
type table struct {
	mu     sync.Mutex
	names  map[string][]netip.Addr
	srv    map[string][]*net.SRV // by "_sip._udp.name"
	silent bool                  // it answers nothing
}

// answers waits as long as its caller does when the name servers are silent.
func (t *table) answers(ctx context.Context) error {
	t.mu.Lock()
	silent := t.silent
	t.mu.Unlock()
	if silent {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (t *table) set(host string, addrs []netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names[host] = addrs
}

func (t *table) Cached(host string) []netip.Addr {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.names[host]
}

func (t *table) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if err := t.answers(ctx); err != nil {
		return nil, err
	}
	if list := t.Cached(host); len(list) > 0 {
		return list, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (t *table) LookupSRV(ctx context.Context, service, proto, name string) ([]*net.SRV, error) {
	if err := t.answers(ctx); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if list := t.srv["_"+service+"._"+proto+"."+name]; len(list) > 0 {
		return list, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: "_" + service + "._" + proto + "." + name, IsNotFound: true}
}
