package siptransport

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Network opens the sockets and connections of the gateways. Options leaves it nil for those of the host; tests put connections of
// memory in its place, so that calls of hours pass in virtual time.
type Network interface {
	// ListenPacket opens the UDP socket of an address.
	ListenPacket(addr netip.AddrPort) (PacketConn, error)
	// Listen accepts connections for TCP or TLS.
	Listen(transport Transport, addr netip.AddrPort) (net.Listener, error)
	// Dial opens a connection from a local address to a peer for TCP or TLS.
	Dial(ctx context.Context, transport Transport, local netip.Addr, to netip.AddrPort) (net.Conn, error)
}

// PacketConn is what is used of a *net.UDPConn.
type PacketConn interface {
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
	Close() error
}

// Secured is a connection of a Network that has its TLS behind it: the handshake is left out, and its state is judged like that of
// any other.
type Secured interface {
	net.Conn
	ConnectionState() tls.ConnectionState
}

// host is the network of the box itself. TLS is begun on its plain TCP connections.
type host struct{}

func (host) ListenPacket(addr netip.AddrPort) (PacketConn, error) {
	l := net.ListenConfig{Control: setDSCP}
	conn, err := l.ListenPacket(context.Background(), "udp", addr.String())
	if err != nil {
		return nil, err
	}
	udp := conn.(*net.UDPConn)
	receiveBuffer(udp)
	return udp, nil
}

// receiveBuffer makes room for bursts: of a PBX that forks to many accounts, and of large datagrams, behind which an answer must not be
// lost. A kernel that does not let us go beyond its own limit gives what it gives.
func receiveBuffer(conn *net.UDPConn) {
	const octets = 4 << 20
	conn.SetReadBuffer(octets)
	if raw, err := conn.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, octets) })
	}
}

// Listen: accepted connections have the listener's mark.
func (host) Listen(_ Transport, addr netip.AddrPort) (net.Listener, error) {
	l := net.ListenConfig{Control: setDSCP}
	return l.Listen(context.Background(), "tcp", addr.String())
}

func (host) Dial(ctx context.Context, _ Transport, local netip.Addr, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: local.AsSlice()}, Control: setDSCP}
	return d.DialContext(ctx, "tcp", to.String())
}

// signalling is DSCP CS3 (24) as the TOS octet: what PBXs and phones mark SIP with, so that the priorities of a network that knows
// voice hold for ours too.
const signalling = 0x60

// setDSCP marks what a socket sends. A kernel that does not let us is no reason to be without the socket.
func setDSCP(network, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		if network == "tcp6" || network == "udp6" {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, signalling)
		} else {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, signalling)
		}
	})
}
