package netcfg

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/config"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// leaseServer is a small DHCP server on the neighbours' end of the WAN, over the kernel's own UDP.
type leaseServer struct {
	conn net.PacketConn
	done chan struct{}

	mu      sync.Mutex
	address string // that it gives; a request for another is refused
	seen    []byte // kinds of message
}

func (w *world) leaseServer(t *testing.T, address string) *leaseServer {
	t.Helper()
	s := &leaseServer{address: address, done: make(chan struct{})}
	w.address("peth01", "203.0.113.1/24")
	w.atPeer(func() {
		l := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) {
				check(t, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1))
				check(t, unix.BindToDevice(int(fd), "peth01"))
			})
		}}
		s.conn = must(l.ListenPacket(t.Context(), "udp4", ":67"))(t)
	})
	go s.serve()
	t.Cleanup(func() { s.conn.Close(); <-s.done })
	return s
}

func (s *leaseServer) serve() {
	defer close(s.done)
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
		kind, address := buf[242], netip.MustParseAddr(s.address).AsSlice()
		s.seen = append(s.seen, kind)
		s.mu.Unlock()
		answer := map[byte]byte{1: 2, 3: 5}[kind]
		if answer == 0 {
			continue
		}
		// A request that names an address that is not given (any more).
		if at := slices.Index(buf[243:n], 50); kind == 3 && at >= 0 && !slices.Equal(buf[243+at+2:243+at+6], address) {
			answer = 6
		}
		out := slices.Clone(buf[:240])
		out[0] = 2
		copy(out[16:], address)
		out = append(out, 53, 1, answer, 54, 4, 203, 0, 113, 1, 1, 4, 255, 255, 255, 0, 3, 4, 203, 0, 113, 1, 6, 4, 203, 0, 113, 53, 51, 4)
		out = append(binary.BigEndian.AppendUint32(out, 3600), 255)
		s.conn.WriteTo(out, &net.UDPAddr{IP: net.IPv4bcast, Port: 68})
	}
}

func (s *leaseServer) give(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.address = address
}

func (s *leaseServer) saw(kind byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.seen, kind)
}

// dhcpConfig is sipConfig with a WAN port whose address a server gives, and without a default route.
func dhcpConfig() *config.Config {
	c := sipConfig()
	c.IP[0].Interfaces[1].Addresses = []config.IPAddress{{Name: "if_eth01", DHCP: true}}
	c.IP[0].Tables = nil
	return c
}

func TestAPortGetsItsAddressByDHCP(t *testing.T) {
	w := newWorld(t)
	server := w.leaseServer(t, "203.0.113.77")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var n *Net
	var steps []string
	cfg := dhcpConfig()
	look := func() string {
		s := must(n.State(cfg))(t)
		var b strings.Builder
		for _, a := range s.Ports[1].Addresses {
			b.WriteString(a.String() + " ")
		}
		for _, r := range s.Routes {
			if r.Prefix.Bits() == 0 {
				b.WriteString("via " + r.Gateway.String() + " " + r.Origin + " ")
			}
		}
		for _, a := range n.NameServers() {
			b.WriteString("dns " + a.String() + " ")
		}
		e := n.Effective(cfg)
		if a := e.Address(e.Gateways[1].Interfaces[0].Bind); a.IsValid() {
			b.WriteString("gateway " + a.String())
		}
		return strings.TrimSpace(b.String())
	}
	n = must(New(Options{Log: slog.New(slog.DiscardHandler), Cached: resolved, Leased: func() {
		steps = append(steps, look())
		switch len(steps) {
		case 1:
			if !strings.Contains(firewallText(n), "ip daddr 203.0.113.77 tcp dport 5062 jump") {
				t.Error("the firewall does not know the address")
			}
			if r := must(n.Apply(cfg))(t); len(r.Changes) > 0 {
				t.Errorf("Apply again changed %q", r.Changes)
			}
			// The wire leads somewhere else after a flap: the address is confirmed, refused, and another one taken.
			server.give("203.0.113.78")
			w.atPeer(func() {
				check(t, netlink.LinkSetDown(must(netlink.LinkByName("peth01"))(t)))
				time.Sleep(1100 * time.Millisecond) // the kernel tells of a link once a second
				check(t, netlink.LinkSetUp(must(netlink.LinkByName("peth01"))(t)))
			})
		case 3:
			// An address of one's own again: the lease is given back.
			cfg = sipConfig()
			must(n.Apply(cfg))(t)
			time.AfterFunc(500*time.Millisecond, cancel)
		}
	}}))(t)
	defer n.Close()
	must(n.Apply(cfg))(t)
	if got := look(); got != "" {
		t.Errorf("before a lease: %q", got)
	}
	check(t, n.Run(ctx, nil))
	want := []string{
		"203.0.113.77/24 via 203.0.113.1 configured dns 203.0.113.53 gateway 203.0.113.77",
		"",
		"203.0.113.78/24 via 203.0.113.1 configured dns 203.0.113.53 gateway 203.0.113.78",
	}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %q", steps)
	}
	if got := look(); got != "123.123.123.123/28 via 123.123.123.113 configured gateway 123.123.123.123" {
		t.Errorf("at the end: %q", got)
	}
	if !server.saw(7) {
		t.Error("the lease was not released")
	}
}
