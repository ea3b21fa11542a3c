package netcfg

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lab"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// leaseServer serves DHCP on the neighbours' end of the WAN.
func (w *world) leaseServer(t *testing.T, address string) *lab.DHCP {
	t.Helper()
	var s *lab.DHCP
	w.address("peth01", "203.0.113.1/24")
	w.atPeer(func() {
		s = must(lab.ServeDHCP(t.Context(), "peth01", netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr(address)))(t)
	})
	t.Cleanup(func() { s.Close() })
	return s
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
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var n *Net
	var steps []string
	var released sync.WaitGroup
	defer released.Wait()
	cfg := dhcpConfig()
	look := func() string {
		s := must(n.State(cfg))(t)
		var b strings.Builder
		for _, a := range s.Ports[1].Addresses {
			b.WriteString(a.String() + " ")
		}
		for _, r := range s.Routes {
			if r.Prefix.Bits() == 0 {
				b.WriteString("via " + r.Gateway.String() + " " + r.Origin.String() + " ")
			}
		}
		for _, a := range n.NameServers() {
			b.WriteString("dns " + a.String() + " ")
		}
		e := n.Effective(cfg)
		if a := e.Address(e.Gateways[1].Interfaces[0].Bind); a.IsValid() {
			b.WriteString("gateway " + a.String())
			if o := e.Reach(a, netip.MustParseAddr("8.8.4.4")); (o == "") != strings.Contains(b.String(), "via ") {
				t.Errorf("%s: 8.8.4.4 %q", b.String(), o)
			}
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
			server.Give(netip.MustParseAddr("203.0.113.78"))
			w.atPeer(func() { check(t, netlink.LinkSetDown(must(netlink.LinkByName("peth01"))(t))) })
			for must(netlink.LinkByName("eth01"))(t).Attrs().OperState == netlink.OperUp && ctx.Err() == nil { // the kernel tells of a link once a second
				time.Sleep(10 * time.Millisecond)
			}
			w.atPeer(func() { check(t, netlink.LinkSetUp(must(netlink.LinkByName("peth01"))(t))) })
		case 3:
			// An address of one's own again: the lease is given back.
			cfg = sipConfig()
			must(n.Apply(cfg))(t)
			released.Go(func() {
				defer cancel()
				for !server.Saw(lab.DHCPRelease) && ctx.Err() == nil {
					time.Sleep(5 * time.Millisecond)
				}
			})
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
	if !server.Saw(lab.DHCPRelease) {
		t.Error("the lease was not released")
	}
}

// leased runs a Net until it has a lease of a server that tells what tell says, and returns the routes of the main table.
func leased(t *testing.T, cfg *config.Config, address string, tell func(*lab.DHCP)) (w *world, routes []string, report Report) {
	t.Helper()
	w = newWorld(t)
	server := w.leaseServer(t, address)
	tell(server)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	n := must(New(Options{Log: slog.New(slog.DiscardHandler), Cached: resolved, Leased: cancel}))(t)
	defer n.Close()
	must(n.Apply(cfg))(t)
	check(t, n.Run(ctx, nil))
	report = must(n.Apply(cfg))(t)
	for _, r := range must(n.routesOf(unix.RT_TABLE_MAIN))(t) {
		if r.Protocol == ours {
			routes = append(routes, strings.TrimSpace(keyOf(r).prefix.String()+" "+strings.TrimSuffix(r.Gw.String(), "<nil>")))
		}
	}
	slices.Sort(routes)
	return w, routes, report
}

// An address of its own and a router beside it, as hosters give them: the router is reached all the same.
func TestARouterOutsideOfTheNetworkIsOnTheLink(t *testing.T) {
	w, routes, report := leased(t, dhcpConfig(), "203.0.113.77", func(s *lab.DHCP) {
		s.Tell(1, 255, 255, 255, 255)
		s.Tell(3, 198, 51, 100, 1)
	})
	if want := []string{"0.0.0.0/0 198.51.100.1", "198.51.100.1/32"}; !slices.Equal(routes, want) {
		t.Errorf("routes %q, want %q", routes, want)
	}
	if len(report.Changes)+len(report.Warnings) > 0 {
		t.Errorf("Apply again: %+v", report)
	}
	w.address("peth01", "198.51.100.1/32", "8.8.4.4/32")
	w.atPeer(func() {
		check(t, netlink.RouteAdd(&netlink.Route{Dst: ipNet(netip.MustParsePrefix("203.0.113.77/32")), LinkIndex: must(netlink.LinkByName("peth01"))(t).Attrs().Index, Scope: netlink.SCOPE_LINK}))
	})
	for _, server := range []string{"8.8.4.4:53", "198.51.100.1:53"} {
		if question, answered := w.asks(t, server, true); !question || !answered {
			t.Errorf("%s: question %v, answer %v", server, question, answered)
		}
	}
}

func TestClasslessRoutesOfALease(t *testing.T) {
	cfg := dhcpConfig()
	cfg.IP[0].Tables = []*config.RoutingTableIP{{Name: "DEFAULT", Routes: []config.IPRoute{{Prefix: netip.MustParsePrefix("10.108.0.0/16"), Gateway: netip.MustParseAddr("192.168.1.254")}}}}
	_, routes, report := leased(t, cfg, "203.0.113.77", func(s *lab.DHCP) {
		s.Tell(121, 0, 203, 0, 113, 9, 24, 10, 9, 0, 203, 0, 113, 9, 32, 198, 51, 100, 7, 0, 0, 0, 0,
			32, 192, 168, 1, 100, 203, 0, 113, 9, // the PBX
			24, 10, 108, 7, 203, 0, 113, 9) // behind a configured route
	})
	want := []string{"0.0.0.0/0 203.0.113.9", "10.108.0.0/16 192.168.1.254", "10.9.0.0/24 203.0.113.9", "198.51.100.7/32"}
	if !slices.Equal(routes, want) {
		t.Errorf("routes %q, want %q", routes, want)
	}
	if len(report.Changes) > 0 || len(report.Warnings) != 2 || !strings.Contains(report.Warnings[0], "route to 192.168.1.100/32 is left out, it leads into the network of port ethernet 0 0") {
		t.Errorf("report %+v", report)
	}
}

// A server at the LAN that routes the internet to itself makes it no management network.
func TestALeaseOpensNothing(t *testing.T) {
	cfg := dhcpConfig()
	cfg.Ports[0].Bind, cfg.Ports[1].Bind = cfg.Ports[1].Bind, config.IPBind{}
	w := newWorld(t)
	w.address("peth00", "203.0.113.1/24")
	var server *lab.DHCP
	w.atPeer(func() {
		server = must(lab.ServeDHCP(t.Context(), "peth00", netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.77")))(t)
	})
	defer server.Close()
	server.Tell(121, 1, 0, 203, 0, 113, 9, 1, 128, 203, 0, 113, 9)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	n := must(New(Options{Log: slog.New(slog.DiscardHandler), Cached: resolved, Leased: cancel}))(t)
	defer n.Close()
	must(n.Apply(cfg))(t)
	check(t, n.Run(ctx, nil))
	if text := firewallText(n); !strings.Contains(text, "ip saddr 203.0.113.0/24 tcp dport 22 accept") || strings.Contains(text, "128.0.0.0/1") {
		t.Errorf("the firewall:\n%s", text)
	}
}

func TestALeaseInTheNetworkOfAnotherPortIsAWarning(t *testing.T) {
	_, _, report := leased(t, dhcpConfig(), "192.168.1.77", func(s *lab.DHCP) { s.Tell(1, 255, 255, 255, 128) })
	if !slices.ContainsFunc(report.Warnings, func(w string) bool {
		return strings.HasPrefix(w, "port ethernet 0 1: the DHCP server gives 192.168.1.77/25, which is in the network of port ethernet 0 0")
	}) {
		t.Errorf("warnings %q", report.Warnings)
	}
}
