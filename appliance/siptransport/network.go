package siptransport

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"viaduct/appliance/pair"

	"golang.org/x/sys/unix"
)

// Network opens the sockets and connections of the gateways. Tests put a network in memory in place of the host's, so that hours of calls
// pass in virtual time.
type Network interface {
	// ListenPacket opens the UDP socket of an address.
	ListenPacket(addr netip.AddrPort) (PacketConn, error)
	// Listen accepts connections for a reliable transport. TLS is begun on them in listen.go.
	Listen(transport Transport, addr netip.AddrPort) (net.Listener, error)
	// Dial opens such a connection from a local address to a peer. TLS is begun on it in pool.go.
	Dial(ctx context.Context, transport Transport, local netip.Addr, to netip.AddrPort) (net.Conn, error)
}

// PacketConn is the part of a *net.UDPConn that we use.
type PacketConn interface {
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
	Close() error
}

// Secured is a connection of a Network whose TLS handshake is done already. Its state is judged like that of any other connection.
type Secured interface {
	net.Conn
	ConnectionState() tls.ConnectionState
}

// host is the network of the box itself. TLS is begun on its plain TCP connections.
type host struct {
	mu      sync.Mutex
	waiting map[listenKey]io.Closer // sockets of Await that nobody has taken yet
}

// Await opens the sockets of configurations before the box has their addresses, for a gate that opens them soon. Whoever comes in between waits: a peer that
// dials an address without a socket is refused, and takes the box for dead. Those of the last time that nobody has taken are closed; with none that is all.
func (o *Options) Await(list ...*Conf) {
	h, ok := o.Network.(*host)
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.waiting {
		s.Close()
	}
	h.waiting = map[listenKey]io.Closer{}
	had := map[listenKey]bool{} // TCP and TLS are one; two sockets would share an address without a word, where Open is refused the second one
	for _, c := range list {
		for k := range c.sockets() {
			place := k
			if place.transport.Reliable() {
				place.transport = TCP
			}
			if had[place] {
				continue
			}
			had[place] = true
			var s io.Closer
			var err error
			if k.transport == UDP {
				s, err = listenPacket(k.addr, early)
			} else {
				s, err = listen(k.addr, early)
			}
			if err == nil { // or Open tries again, and tells
				h.waiting[k] = s
			}
		}
	}
}

// take is a socket that was opened before; nil: there is none.
func (h *host) take(k listenKey) io.Closer {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.waiting[k]
	delete(h.waiting, k)
	return s
}

// early has a socket be one of Await: bound to an address that the box does not have, and to a port from which it may knock.
func early(network, addr string, c syscall.RawConn) error {
	_ = c.Control(func(fd uintptr) {
		if strings.HasSuffix(network, "6") {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1)
		} else {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1)
		}
		if strings.HasPrefix(network, "tcp") {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
	})
	return setDSCP(network, addr, c)
}

type control func(network, addr string, c syscall.RawConn) error

func (h *host) ListenPacket(addr netip.AddrPort) (PacketConn, error) {
	if s, ok := h.take(listenKey{UDP, addr}).(*net.UDPConn); ok {
		return s, nil
	}
	return listenPacket(addr, setDSCP)
}

func listenPacket(addr netip.AddrPort, set control) (*net.UDPConn, error) {
	l := net.ListenConfig{Control: set}
	conn, err := l.ListenPacket(context.Background(), "udp", addr.String())
	if err != nil {
		return nil, err
	}
	udp := conn.(*net.UDPConn)
	receiveBuffer(udp)
	return udp, nil
}

// receiveBuffer makes room for bursts, for example from a PBX that forks to many accounts. If the kernel has a lower limit, that one holds.
func receiveBuffer(conn *net.UDPConn) {
	const octets = 4 << 20
	conn.SetReadBuffer(octets)
	if raw, err := conn.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, octets) })
	}
}

// Listen: accepted connections have the listener's mark, and its limit.
func (h *host) Listen(transport Transport, addr netip.AddrPort) (net.Listener, error) {
	if s, ok := h.take(listenKey{transport, addr}).(net.Listener); ok {
		return s, nil
	}
	return listen(addr, setDSCP)
}

func listen(addr netip.AddrPort, set control) (net.Listener, error) {
	l := net.ListenConfig{Control: patient(awayAtMost, set)}
	l.SetMultipathTCP(false) // such a socket takes no filter, see deaf
	return l.Listen(context.Background(), "tcp", addr.String())
}

func (*host) Dial(ctx context.Context, _ Transport, local netip.Addr, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: local.AsSlice()}, Control: patient(unackedAtMost, setDSCP)}
	return d.DialContext(ctx, "tcp", to.String())
}

// patient makes a socket ready, before set, whose connection ends when the other end has acknowledged nothing for so long.
func patient(limit time.Duration, set control) control {
	return func(network, addr string, c syscall.RawConn) error {
		_ = c.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds()))
		})
		return set(network, addr, c)
	}
}

// unackedAtMost is how long what we have sent on a connection of ours may stay without the kernel's acknowledgement at the other end. A firewall
// on the way that has restarted drops the packets of connections that it does not know, and the kernel would repeat them for a quarter of an
// hour. A request without an answer is over by then (64*T1 is 32 s), so the next one finds a new connection.
const unackedAtMost = 20 * time.Second

// awayAtMost is the same for connections of peers, which we cannot open again: a phone may be out of reach for a while, and comes back on the
// connection that it has. It is about as long as keep-alives of the kernel bear silence.
const awayAtMost = 2 * time.Minute

// signalling is DSCP CS3 (24) as the TOS octet. PBXs and phones mark SIP so, and networks with priorities for voice know it.
const signalling = 0x60

// setDSCP sets the DSCP of a socket. An error is no reason to do without the socket.
func setDSCP(network, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		if network == "tcp6" || network == "udp6" {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, signalling)
		} else {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, signalling)
		}
	})
}

// line is a TCP connection, as the table of the pair has it.
type line struct {
	Local  netip.AddrPort `json:"local"`
	Remote netip.AddrPort `json:"remote"`
}

func (l line) id() string { return l.Local.String() + " " + l.Remote.String() }

// keeps has the other box of the pair know a connection, until it ends.
func (g *Gate) keeps(l line) {
	if g.opts.Pair == nil {
		return
	}
	if b, err := json.Marshal(l); err == nil {
		g.opts.Pair.Put(pair.Connections, l.id(), b)
	}
}

func (g *Gate) forgets(l line) {
	if g.opts.Pair != nil && g.Speaks() {
		g.opts.Pair.Drop(pair.Connections, l.id())
	}
}

const (
	knockFor  = 4 * time.Second // TCP repeats it after 1 s and 3 s: by then the network knows which box has the address
	mostKnock = 1000
)

// Knock tells peers that connections are no more which another box had: they would lose their next message on such a one. Nothing but TCP itself
// can say so: a SYN from the same address and port is answered with an ACK that the kernel does not expect, so it sends the RST that ends
// the old connection (RFC 9293 3.10.7.3). It is called before the ports are listened on, but for those of Await: at others no connection could begin any more.
func Knock(kept []pair.Kept) (knocked int) {
	var open []int
	for _, k := range kept {
		var l line
		if len(open) < mostKnock && json.Unmarshal(k.Value, &l) == nil && l.Local.IsValid() && l.Remote.IsValid() {
			if fd, err := knock(l); err == nil {
				open = append(open, fd)
			}
		}
	}
	time.AfterFunc(knockFor, func() {
		for _, fd := range open {
			unix.Close(fd)
		}
	})
	return len(open)
}

func knock(l line) (fd int, err error) {
	family, from, to := unix.AF_INET, sockaddr(l.Local), sockaddr(l.Remote)
	if l.Local.Addr().Is6() {
		family = unix.AF_INET6
	}
	if fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) // see early
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
		err = unix.Bind(fd, from)
	}
	if err == nil {
		if err = unix.Connect(fd, to); err == unix.EINPROGRESS {
			return fd, nil
		}
	}
	unix.Close(fd)
	return -1, err
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
