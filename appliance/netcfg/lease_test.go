package netcfg

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lab"

	"github.com/vishvananda/netlink"
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
			server.Give(netip.MustParseAddr("203.0.113.78"))
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
	if !server.Saw(lab.DHCPRelease) {
		t.Error("the lease was not released")
	}
}
