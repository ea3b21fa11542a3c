package netcfg

import (
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

// pairConfig is sipConfig at two boxes: eth00 and eth01 have addresses of the pair, eth02 is the path between the boxes.
func pairConfig() *config.Config {
	c := sipConfig()
	direct := &config.IPInterface{Name: "if_eth02"}
	direct.SetDefaults()
	c.IP[0].Interfaces = append(c.IP[0].Interfaces, direct)
	router := config.Ref[config.Config, config.IPContext]{Name: "ROUTER"}
	at := func(name, one, two string) *config.PairInterface {
		return &config.PairInterface{Context: router, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: name}, Boxes: []*config.PairAddress{
			{Number: 1, Prefix: netip.MustParsePrefix(one)}, {Number: 2, Prefix: netip.MustParsePrefix(two)}}}
	}
	c.Ports = append(c.Ports, &config.EthernetPort{Port: 2, Enabled: true, Bind: config.IPBind{Context: router, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: "if_eth02"}}})
	c.Redundancy = &config.Redundancy{Router: 51, Boxes: []*config.PairBox{{Number: 1, Key: strings.Repeat("a", 64)}, {Number: 2, Key: strings.Repeat("b", 64)}}, Interfaces: []*config.PairInterface{
		at("if_eth00", "192.168.1.2/24", "192.168.1.3/24"), at("if_eth01", "123.123.123.121/28", "123.123.123.122/28"), at("if_eth02", "10.99.0.1/30", "10.99.0.2/30"),
	}}
	c.Redundancy.SetDefaults()
	c.Redundancy.Interfaces[2].Direct = true
	return c
}

// pairWorld is a world with the direct port, and a Net that is box 1 unless place says otherwise.
func pairWorld(t *testing.T, place *Place) (*world, *Net) {
	w := newWorld(t)
	check(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth02"}, PeerName: "peth02", PeerNamespace: netlink.NsFd(w.peer)}))
	w.atPeer(func() { check(t, netlink.LinkSetUp(must(netlink.LinkByName("peth02"))(t))) })
	n := must(New(Options{Log: slog.New(slog.DiscardHandler), Cached: resolved, Place: func(cfg *config.Config) Place {
		at := *place
		at.Pair = cfg.Pair()
		return at
	}}))(t)
	t.Cleanup(func() { n.Close() })
	return w, n
}

// holds lists the addresses of a device: those that do not last have a star.
func holds(t *testing.T, device string) (list []string) {
	t.Helper()
	for _, a := range must(netlink.AddrList(must(netlink.LinkByName(device))(t), netlink.FAMILY_V4))(t) {
		text := a.IPNet.String()
		if !permanent(a) {
			text += "*"
		}
		list = append(list, text)
	}
	return list
}

// take is what package vrrp does to have an address.
func take(t *testing.T, device, address string) {
	a := must(netlink.ParseAddr(address))(t)
	a.ValidLft, a.PreferedLft = 60, 60
	check(t, netlink.AddrReplace(must(netlink.LinkByName(device))(t), a))
}

func TestABoxOfAPairHasItsOwnAddresses(t *testing.T) {
	_, n := pairWorld(t, &Place{Box: 2})
	r := must(n.Apply(pairConfig()))(t)
	want := []string{
		"eth00: address 192.168.1.3/24 added", "eth00: up", "eth01: address 123.123.123.122/28 added", "eth01: up", "eth02: address 10.99.0.2/30 added", "eth02: up",
		"route 0.0.0.0/0 gateway 123.123.123.113 metric 0 set", "route 10.108.0.0/16 gateway 192.168.1.254 metric 0 set",
	}
	if d := cmp.Diff(want, without(r.Changes, "IPv6", "IPv4", "firewall")); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
	// The pair's addresses come and go by other hands, in whatever form.
	take(t, "eth00", "192.168.1.1/32")
	take(t, "eth01", "123.123.123.123/28")
	if r := must(n.Apply(pairConfig()))(t); len(r.Changes) > 0 {
		t.Errorf("the pair's addresses changed %q", r.Changes)
	}
	if got := slices.Concat(holds(t, "eth00"), holds(t, "eth01")); !slices.Equal(got, []string{"192.168.1.3/24", "192.168.1.1/32*", "123.123.123.122/28", "123.123.123.123/28*"}) {
		t.Errorf("addresses %v", got)
	}
	for _, to := range []string{"192.168.1.100", "10.108.1.1", "52.114.75.24"} {
		if got := must(netlink.RouteGet(net.ParseIP(to)))(t)[0].Src.String(); got != "192.168.1.3" && got != "123.123.123.122" {
			t.Errorf("packets to %s come from %s, which the box does not always have", to, got)
		}
	}
	// What is nobody's goes.
	take(t, "eth00", "192.168.1.9/32")
	if r := must(n.Apply(pairConfig()))(t); !slices.Equal(r.Changes, []string{"eth00: address 192.168.1.9/32 removed"}) {
		t.Errorf("another address: %q", r.Changes)
	}
}

func TestABoxThatIsInNoLineOfItsPairHasNoAddress(t *testing.T) {
	_, n := pairWorld(t, &Place{Out: true})
	take(t, "eth00", "192.168.1.1/32")
	must(n.Apply(pairConfig()))(t)
	if got := slices.Concat(holds(t, "eth00"), holds(t, "eth01"), holds(t, "eth02")); len(got) > 0 {
		t.Errorf("addresses %v", got)
	}
}

func TestAStandbyThatIsShutDownHasItsOwnAddressesOnly(t *testing.T) {
	_, n := pairWorld(t, &Place{Box: 1, Out: true})
	take(t, "eth00", "192.168.1.1/32")
	must(n.Apply(pairConfig()))(t)
	if got := holds(t, "eth00"); !slices.Equal(got, []string{"192.168.1.2/24"}) {
		t.Errorf("addresses %v", got)
	}
}

// A box with calls becomes one of a pair, and stands alone again. No address that calls use is ever away.
func TestAddressesInUseChangeHandsWithoutAGap(t *testing.T) {
	_, n := pairWorld(t, &Place{Box: 1})
	alone := pairConfig()
	alone.Redundancy = nil
	must(n.Apply(alone))(t)
	updates := make(chan netlink.AddrUpdate, 100)
	done := make(chan struct{})
	defer close(done)
	check(t, netlink.AddrSubscribe(updates, done))
	present := map[string]bool{"192.168.1.1/24": true}
	followUntilGone := func(last string) {
		t.Helper()
		for u := range updates {
			present[u.LinkAddress.String()] = u.NewAddr
			if !present["192.168.1.1/24"] && !present["192.168.1.1/32"] {
				t.Errorf("192.168.1.1 is away after %+v", u)
			}
			if u.LinkAddress.String() == last && !u.NewAddr {
				return
			}
		}
	}
	must(n.Apply(pairConfig()))(t)
	followUntilGone("192.168.1.1/24")
	if got := holds(t, "eth00"); !slices.Equal(got, []string{"192.168.1.2/24", "192.168.1.1/32*"}) && !slices.Equal(got, []string{"192.168.1.1/32*", "192.168.1.2/24"}) {
		t.Errorf("as one of a pair: %v", got)
	}
	if got := must(netlink.RouteGet(net.ParseIP("192.168.1.100")))(t)[0].Src.String(); got != "192.168.1.2" {
		t.Errorf("packets come from %s", got)
	}
	if r := must(n.Apply(pairConfig()))(t); len(r.Changes) > 0 {
		t.Errorf("again: %q", r.Changes)
	}
	must(n.Apply(alone))(t)
	followUntilGone("192.168.1.2/24")
	if got := holds(t, "eth00"); !slices.Equal(got, []string{"192.168.1.1/24"}) {
		t.Errorf("alone again: %v", got)
	}
	if r := must(n.Apply(alone))(t); len(r.Changes) > 0 {
		t.Errorf("alone again, twice: %q", r.Changes)
	}
	if got := must(netlink.RouteGet(net.ParseIP("52.114.75.24")))(t)[0].Src.String(); got != "123.123.123.123" {
		t.Errorf("packets come from %s", got)
	}
}

// The standby's firewall is that of the active box: it works from the first packet on.
func TestFirewallOfAPair(t *testing.T) {
	_, n := pairWorld(t, &Place{Box: 1})
	golden(t, n, pairConfig(), "testdata/pair.nft")
}

// The other box is heard at the path between the boxes, and nobody else.
func TestTheOtherBoxIsLetIn(t *testing.T) {
	w, n := pairWorld(t, &Place{Box: 1})
	w.address("peth02", "10.99.0.2/29", "10.99.0.3/29")
	w.address("peth00", "192.168.1.3/24")
	must(n.Apply(pairConfig()))(t)
	for _, device := range []string{"eth00", "eth02"} {
		waitRunning(t, device)
	}
	w.atPeer(func() { waitRunning(t, "peth00"); waitRunning(t, "peth02") })
	w.try(t, []door{
		{"the link", "tcp", "10.99.0.2", "10.99.0.1:4223", true},
		{"the link from others", "tcp", "10.99.0.3", "10.99.0.1:4223", false},
		{"the link elsewhere", "tcp", "192.168.1.3", "192.168.1.2:4223", false},
		{"SSH at the own address", "tcp", "192.168.1.3", "192.168.1.2:22", true},
		{"SSH at the direct path", "tcp", "10.99.0.2", "10.99.0.1:22", false},
	})
}

// A segment of a connection that the other box had is answered with a reset, so that the peer opens a new one.
func TestAConnectionOfTheOtherBoxIsReset(t *testing.T) {
	w, n := pairWorld(t, &Place{Box: 1})
	w.address("peth01", "52.114.75.24/14", "123.123.123.113/28")
	must(n.Apply(pairConfig()))(t)
	take(t, "eth01", "123.123.123.123/32")
	waitRunning(t, "eth01")
	w.atPeer(func() { waitRunning(t, "peth01") })
	for _, at := range []string{"123.123.123.123:5062", "123.123.123.123:40000"} {
		if !w.reset(t, "52.114.75.24", at, patience) {
			t.Errorf("a segment to %s is not answered", at)
		}
	}
	if w.reset(t, "52.114.75.24", "123.123.123.121:40000", 200*time.Millisecond) {
		t.Error("a segment to the box's own address is answered")
	}
}

// reset reports whether a neighbour's segment in the middle of a connection is answered with a reset.
func (w *world) reset(t *testing.T, from, to string, patience time.Duration) (answered bool) {
	t.Helper()
	source, target := netip.AddrPortFrom(netip.MustParseAddr(from), 45678), netip.MustParseAddrPort(to)
	w.atPeer(func() {
		c := must(net.ListenPacket("ip4:tcp", from))(t)
		defer c.Close()
		must(c.WriteTo(tcp(source, target, ack), &net.IPAddr{IP: target.Addr().AsSlice()}))(t)
		check(t, c.SetDeadline(time.Now().Add(patience)))
		const rst = 0x04
		for buf := make([]byte, 100); !answered; {
			size, _, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			answered = size >= 20 && binary.BigEndian.Uint16(buf[2:]) == source.Port() && buf[13]&rst != 0
		}
	})
	return answered
}
