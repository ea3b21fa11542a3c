package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// DHCP is a small DHCP server (RFC 2131) on one link: it gives one address, for an hour, and refuses requests for any other.
type DHCP struct {
	conn net.PacketConn
	at   netip.Addr
	wg   sync.WaitGroup

	mu   sync.Mutex // protects the following
	give netip.Addr
	seen []byte          // kinds of message
	tell map[byte][]byte // options
}

// The kinds of message that a client sends.
const (
	DHCPDiscover, DHCPRequest, DHCPRelease = 1, 3, 7

	dhcpOffer, dhcpAck, dhcpNak = 2, 5, 6
)

// ServeDHCP starts a server on a device of the calling thread's namespace. at is its own address, and the router and, with .53 at
// its end, the name server that it tells of; its networks have 24 bits.
func ServeDHCP(ctx context.Context, device string, at, give netip.Addr) (*DHCP, error) {
	l := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		e := c.Control(func(fd uintptr) {
			if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err == nil {
				err = unix.BindToDevice(int(fd), device)
			}
		})
		if err == nil {
			err = e
		}
		return err
	}}
	conn, err := l.ListenPacket(ctx, "udp4", ":67")
	if err != nil {
		return nil, fmt.Errorf("serve DHCP on %s: %w", device, err)
	}
	own := at.AsSlice()
	s := &DHCP{conn: conn, at: at, give: give, tell: map[byte][]byte{
		1: {255, 255, 255, 0}, 3: own, 6: {own[0], own[1], own[2], 53}, 51: binary.BigEndian.AppendUint32(nil, 3600),
	}}
	s.wg.Go(s.serve)
	return s, nil
}

func (s *DHCP) Close() error {
	err := s.conn.Close()
	s.wg.Wait()
	return err
}

// Give makes the server give another address from now on.
func (s *DHCP) Give(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.give = a
}

// Tell makes the server give another option from now on; without octets it gives none.
func (s *DHCP) Tell(option byte, value ...byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tell[option] = value; len(value) == 0 {
		delete(s.tell, option)
	}
}

// Saw reports whether a client has sent a message of this kind.
func (s *DHCP) Saw(kind byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.seen, kind)
}

func (s *DHCP) serve() {
	buf := make([]byte, 1500)
	for {
		n, _, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if n < 243 || buf[240] != 53 {
			continue
		}
		s.mu.Lock()
		kind, give, tell := buf[242], s.give.AsSlice(), maps.Clone(s.tell)
		s.seen = append(s.seen, kind)
		s.mu.Unlock()
		answer := map[byte]byte{DHCPDiscover: dhcpOffer, DHCPRequest: dhcpAck}[kind]
		if answer == 0 {
			continue
		}
		// A client asks for an address by an option, or renews the one that it has.
		asked := buf[12:16]
		if at := slices.Index(buf[243:n], 50); at >= 0 {
			asked = buf[243+at+2 : 243+at+6]
		}
		if kind == DHCPRequest && !slices.Equal(asked, give) {
			answer = dhcpNak
		}
		out := slices.Clone(buf[:240])
		out[0] = 2
		copy(out[16:], give)
		at := s.at.AsSlice()
		option := func(kind byte, value ...byte) { out = append(append(out, kind, byte(len(value))), value...) }
		option(53, answer)
		option(54, at...)
		for _, kind := range slices.Sorted(maps.Keys(tell)) {
			option(kind, tell[kind]...)
		}
		_, _ = s.conn.WriteTo(append(out, 255), &net.UDPAddr{IP: net.IPv4bcast, Port: 68})
	}
}
