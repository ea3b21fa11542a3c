package netcfg

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lab"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// sniff listens on the neighbours' end of a port.
func (w *world) sniff(device string) (s *lab.Sniffer) {
	w.t.Helper()
	w.atPeer(func() { s = must(lab.Sniff(device))(w.t) })
	w.t.Cleanup(func() { s.Close() })
	return s
}

// The size that a SYN announces, as it is on the wire. The device's own MTU is set back to 1500 behind the back of Net, for the kernel
// would otherwise announce the smaller size by itself: what is seen is the work of the rules.
func TestSegmentSizesOnTheWire(t *testing.T) {
	for name, c := range map[string]struct {
		rx, tx         string
		sent, received int // that the box announces, and that it believes its peer has announced
	}{
		"both clamped":       {"mtu", "mtu", 1160, 1160},
		"what goes out only": {"", "mtu", 1160, 1460},
		"what comes in only": {"mtu", "", 1460, 1160},
		"neither":            {"", "", 1460, 1460},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			cfg := sipConfig()
			lan := cfg.IP[0].Interfaces[0]
			lan.MTU, lan.AdjustMSSRx, lan.AdjustMSSTx = 1200, c.rx, c.tx
			must(firewallNet(t).Apply(cfg))(t)
			check(t, netlink.LinkSetMTU(must(netlink.LinkByName("eth00"))(t), 1500))
			w.address("peth00", "192.168.1.100/24")
			w.atPeer(func() { waitRunning(t, "peth00") })
			wire := w.sniff("peth00")
			box := netip.MustParseAddr("192.168.1.1")
			announced := func() int {
				p, err := wire.Next(patience, func(p lab.Packet) bool { return p.From() == box && p.SegmentSize() > 0 })
				check(t, err)
				return p.SegmentSize()
			}

			// A connection to us: the answer's size, and what we may send.
			listener := must(net.Listen("tcp", "192.168.1.1:5060"))(t)
			defer listener.Close()
			var client net.Conn
			w.atPeer(func() {
				client = must((&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(192, 168, 1, 100)}, Timeout: patience}).Dial("tcp", "192.168.1.1:5060"))(t)
			})
			defer client.Close()
			server := must(listener.Accept())(t)
			defer server.Close()
			if got := announced(); got != c.sent {
				t.Errorf("the answer to a SYN announces %d, want %d", got, c.sent)
			}
			const stamps = 12 // octets of each segment
			if got := segmentSize(t, server) + stamps; got != c.received {
				t.Errorf("segments of a connection to us have %d octets, want %d", got, c.received)
			}

			// A connection of ours.
			var far net.Listener
			w.atPeer(func() { far = must(net.Listen("tcp", "192.168.1.100:5060"))(t) })
			defer far.Close()
			out := must(net.DialTimeout("tcp", "192.168.1.100:5060", patience))(t)
			defer out.Close()
			if got := announced(); got != c.sent {
				t.Errorf("our SYN announces %d, want %d", got, c.sent)
			}
			if got := segmentSize(t, out) + stamps; got != c.received {
				t.Errorf("segments of a connection of ours have %d octets, want %d", got, c.received)
			}
		})
	}
}

func TestNoPacketIsLargerThanTheMTU(t *testing.T) {
	for mtu, fragments := range map[int]bool{0: false, 1000: true} {
		w := newWorld(t)
		cfg := sipConfig()
		cfg.IP[0].Interfaces[0].MTU = mtu
		must(firewallNet(t).Apply(cfg))(t)
		w.address("peth00", "192.168.1.100/24")
		w.atPeer(func() { waitRunning(t, "peth00") })
		wire := w.sniff("peth00")
		conn := must(net.Dial("udp", "192.168.1.100:5060"))(t)
		defer conn.Close()
		must(conn.Write(make([]byte, 1400)))(t)
		p, err := wire.Next(patience, func(p lab.Packet) bool { return p.Protocol() == unix.IPPROTO_UDP })
		check(t, err)
		if p.Fragment() != fragments || mtu != 0 && len(p) > mtu {
			t.Errorf("with MTU %d: the first packet has %d octets, fragment %v", mtu, len(p), p.Fragment())
		}
	}
}

// Two uplinks, and somebody far away who speaks to both addresses of the box: each answer leaves by the uplink of its own address.
func TestAnswersLeaveByTheUplinkOfTheirAddress(t *testing.T) {
	w := newWorld(t)
	n := must(New(Options{Log: slog.New(slog.DiscardHandler), Services: []Service{{"test", "tcp", 7777}}}))(t)
	defer n.Close()
	cfg := uplinks()
	cfg.Console.Access = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	if r := must(n.Apply(cfg))(t); len(r.Warnings) > 0 {
		t.Fatalf("this kernel has no policy routing: %q", r.Warnings)
	}
	w.address("peth00", "192.168.1.254/24")
	w.address("peth01", "123.123.123.113/28")
	w.atPeer(func() {
		waitRunning(t, "peth00")
		waitRunning(t, "peth01")
	})
	far := netip.MustParseAddr("198.51.100.9")
	for _, c := range []struct{ device, box string }{{"peth00", "192.168.1.1"}, {"peth01", "123.123.123.123"}} {
		box := netip.MustParseAddr(c.box)
		wire := w.sniff(c.device)
		w.gun(c.device).send(t, far, box, unix.IPPROTO_TCP, tcp(netip.AddrPortFrom(far, 40000), netip.AddrPortFrom(box, 7777), syn))
		// Nobody listens: the answer is a reset.
		if _, err := wire.Next(patience, func(p lab.Packet) bool { return p.From() == box && p.To() == far }); err != nil {
			t.Errorf("no answer of %s by %s: %v", c.box, c.device, err)
		}
	}
	// What the box asks itself, from the address that a gateway is bound to.
	for _, c := range []struct{ device, box string }{{"peth00", "192.168.1.1"}, {"peth01", "123.123.123.123"}} {
		wire := w.sniff(c.device)
		conn := must((&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(c.box)}}).Dial("udp", far.String()+":5060"))(t)
		defer conn.Close()
		must(conn.Write([]byte("OPTIONS")))(t)
		if _, err := wire.Next(patience, func(p lab.Packet) bool { return p.From().String() == c.box && p.To() == far }); err != nil {
			t.Errorf("a packet of %s did not leave by %s: %v", c.box, c.device, err)
		}
	}
}

// A router on the wire that offers an address and itself: a port without IPv6 takes neither.
func TestRoutersOnTheWireAreNotHeard(t *testing.T) {
	advertise := func(w *world) {
		w.atPeer(func() {
			link := must(netlink.LinkByName("peth01"))(t)
			waitRunning(t, "peth01")
			router := netip.MustParsePrefix("fe80::99/64")
			check(t, netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(router), Flags: unix.IFA_F_NODAD}))
			fd := must(unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6))(t)
			defer unix.Close(fd)
			check(t, unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255))
			check(t, unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, link.Attrs().Index))
			check(t, unix.Bind(fd, &unix.SockaddrInet6{Addr: router.Addr().As16(), ZoneId: uint32(link.Attrs().Index)}))
			m := []byte{134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0} // RFC 4861 section 4.2, a router for half an hour
			m = append(m, 3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0)
			prefix := netip.MustParseAddr("2001:db8:bad::").As16()
			m = append(m, prefix[:]...)
			all := netip.MustParseAddr("ff02::1").As16()
			check(t, unix.Sendto(fd, m, 0, &unix.SockaddrInet6{Addr: all}))
		})
	}
	offered := func() bool {
		for _, a := range must(netlink.AddrList(must(netlink.LinkByName("eth01"))(t), netlink.FAMILY_V6))(t) {
			if netip.MustParsePrefix("2001:db8:bad::/64").Contains(must(netip.ParseAddr(a.IP.String()))(t)) {
				return true
			}
		}
		return false
	}
	// What a port without our care takes, for the comparison.
	w := newWorld(t)
	check(t, netlink.LinkSetUp(must(netlink.LinkByName("eth01"))(t)))
	waitRunning(t, "eth01")
	advertise(w)
	for end := time.Now().Add(patience); !offered(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the kernel does not hear routers anyway")
		}
	}

	w = newWorld(t)
	must(firewallNet(t).Apply(sipConfig()))(t)
	waitRunning(t, "eth01")
	advertise(w)
	time.Sleep(100 * time.Millisecond)
	if offered() {
		t.Error("the port has taken an address of a router")
	}

	// With an IPv6 address of its own it still takes no address that nobody has configured.
	w = newWorld(t)
	cfg := sipConfig()
	cfg.IP[0].Interfaces[1].Addresses = append(cfg.IP[0].Interfaces[1].Addresses, config.IPAddress{Name: "six", Prefix: netip.MustParsePrefix("2001:db8::7/64")})
	must(firewallNet(t).Apply(cfg))(t)
	waitRunning(t, "eth01")
	advertise(w)
	time.Sleep(100 * time.Millisecond)
	if offered() {
		t.Error("a port with an IPv6 address has taken another one of a router")
	}
}

// Every call is its own on both sides: no packet goes through the box from one port to the other, even if the kernel would.
func TestNothingIsForwarded(t *testing.T) {
	w := newWorld(t)
	n := firewallNet(t)
	must(n.Apply(sipConfig()))(t)
	check(t, os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0))
	w.address("peth00", "192.168.1.100/24")
	w.address("peth01", "123.123.123.113/28")
	w.atPeer(func() {
		waitRunning(t, "peth00")
		waitRunning(t, "peth01")
		for _, r := range []struct{ to, by, device string }{{"203.0.113.0/24", "192.168.1.1", "peth00"}, {"10.108.0.0/16", "123.123.123.123", "peth01"}} {
			link := must(netlink.LinkByName(r.device))(t)
			check(t, netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP(r.by), Dst: ipNet(netip.MustParsePrefix(r.to))}))
		}
		// The box's route to the network behind the LAN leads here.
		check(t, netlink.AddrAdd(must(netlink.LinkByName("peth00"))(t), must(netlink.ParseAddr("192.168.1.254/24"))(t)))
	})
	for _, firewall := range []bool{true, false} {
		if !firewall {
			must(removeTable())(t) // what the kernel would do, for the comparison
		}
		for _, c := range []struct{ from, in, to, out string }{{"192.168.1.100", "peth00", "203.0.113.5", "peth01"}, {"123.123.123.113", "peth01", "10.108.2.100", "peth00"}} {
			wire, to := w.sniff(c.out), netip.MustParseAddr(c.to)
			protocol, payload := datagram(netip.AddrPortFrom(netip.MustParseAddr(c.from), 16400), netip.AddrPortFrom(to, 16400))
			w.gun(c.in).send(t, netip.MustParseAddr(c.from), to, protocol, payload)
			_, err := wire.Next(time.Until(soon(!firewall, 200*time.Millisecond)), func(p lab.Packet) bool { return p.To() == to })
			if through := err == nil; through == firewall {
				t.Errorf("from %s to %s: came through %v, with the firewall %v", c.in, c.out, through, firewall)
			}
		}
	}
}
