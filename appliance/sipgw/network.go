package sipgw

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
)

// Network opens the sockets and connections of the gateways. Options leaves it nil for those of the host; tests put connections of
// memory in its place, so that calls of hours pass in virtual time.
type Network interface {
	// ListenPacket opens the UDP socket of an address.
	ListenPacket(addr netip.AddrPort) (PacketConn, error)
	// Listen accepts connections for "tcp" or "tls".
	Listen(transport string, addr netip.AddrPort) (net.Listener, error)
	// Dial opens a connection from a local address to a peer for "tcp" or "tls".
	Dial(ctx context.Context, transport string, local netip.Addr, to netip.AddrPort) (net.Conn, error)
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
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	conn.SetReadBuffer(1 << 20) // bursts of a PBX that forks to many accounts
	return conn, nil
}

func (host) Listen(_ string, addr netip.AddrPort) (net.Listener, error) {
	return net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
}

func (host) Dial(ctx context.Context, _ string, local netip.Addr, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: local.AsSlice()}}
	return d.DialContext(ctx, "tcp", to.String())
}
