package netcfg

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/config"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

// uplinks is testConfig with a second uplink through the LAN port, and a table of its own for it.
func uplinks() *config.Config {
	c := testConfig()
	c.IP[0].Interfaces[0].Table = config.Ref[config.IPContext, config.RoutingTableIP]{Name: "SECOND"}
	c.IP[0].Tables = append(c.IP[0].Tables, &config.RoutingTableIP{Name: "SECOND", Routes: []config.IPRoute{
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.168.1.254")}}})
	return c
}

// wayOf is the device that a packet leaves by.
func wayOf(t *testing.T, from, to string) string {
	t.Helper()
	routes := must(netlink.RouteGetWithOptions(net.ParseIP(to), &netlink.RouteGetOptions{SrcAddr: net.ParseIP(from)}))(t)
	return must(netlink.LinkByIndex(routes[0].LinkIndex))(t).Attrs().Name
}

// Two contexts may have tables of one name: each is used by the interfaces of its own context.
func TestTablesBelongToTheirContext(t *testing.T) {
	use := config.Ref[config.IPContext, config.RoutingTableIP]{Name: "UP"}
	side := func(context, address string) *config.IPContext {
		return &config.IPContext{Name: context, Tables: []*config.RoutingTableIP{{Name: "UP"}}, Interfaces: []*config.IPInterface{
			{Name: "IF", Table: use, Addresses: []config.IPAddress{{Prefix: netip.MustParsePrefix(address + "/24")}}}}}
	}
	cfg := &config.Config{IP: []*config.IPContext{side("A", "192.0.2.1"), side("B", "198.51.100.1")}}
	j := &job{cfg: cfg, ports: []*port{{conf: cfg.IP[0].Interfaces[0], up: true}, {conf: cfg.IP[1].Interfaces[0], up: true}}}
	for n, x := range j.otherTables() {
		if want := cfg.IP[n].Interfaces[0].Addresses[0].Prefix.Addr(); !slices.Equal(x.sources, []netip.Addr{want}) {
			t.Errorf("%s is for packets from %v, want %v", x.name, x.sources, want)
		}
	}
}

func TestTwoUplinks(t *testing.T) {
	newWorld(t)
	n := newNet(t)
	r := must(n.Apply(uplinks()))(t)
	if _, supported, err := n.policyRules(); err != nil || !supported {
		// The kernels of some images: said once, and nothing of the second table lands in the main one.
		want := "context ip ROUTER routing-table SECOND: the kernel of this image has one routing table only (no policy routing): packets of its interfaces take the routes of table DEFAULT"
		if err != nil || !slices.Contains(r.Warnings, want) {
			t.Errorf("%v, warnings %q", err, r.Warnings)
		}
		if got := wayOf(t, "192.168.1.1", "8.8.8.8"); got != "eth01" {
			t.Errorf("way by %s", got)
		}
		return
	}
	want := []string{"rule from 192.168.1.1/32 table 254 set", "rule from 192.168.1.1/32 table 8600 set", "route 0.0.0.0/0 gateway 192.168.1.254 metric 0 set"}
	if d := cmp.Diff(want, r.Changes[len(r.Changes)-3:]); d != "" || len(r.Warnings) > 0 {
		t.Errorf("warnings %q, changes (-want +got):\n%s", r.Warnings, d)
	}
	for _, x := range []struct{ from, to, way string }{
		{"123.123.123.123", "8.8.8.8", "eth01"}, {"192.168.1.1", "8.8.8.8", "eth00"},
		{"192.168.1.1", "123.123.123.120", "eth01"}, // the main table's networks go first
	} {
		if got := wayOf(t, x.from, x.to); got != x.way {
			t.Errorf("from %s to %s by %s, want %s", x.from, x.to, got, x.way)
		}
	}
	for _, again := range []*Net{n, newNet(t)} {
		if r := must(again.Apply(uplinks()))(t); len(r.Changes) > 0 {
			t.Errorf("again: changed %q", r.Changes)
		}
	}
	r = must(n.Apply(testConfig()))(t)
	if len(r.Changes) != 3 || slices.ContainsFunc(r.Changes, func(s string) bool { return !strings.HasSuffix(s, " removed") }) {
		t.Errorf("without the table: %q", r.Changes)
	}
	if got := wayOf(t, "192.168.1.1", "8.8.8.8"); got != "eth01" {
		t.Errorf("then by %s", got)
	}
}
