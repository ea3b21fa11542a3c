package netcfg

import (
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/status"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
)

func newNet(t *testing.T) *Net {
	t.Helper()
	n := must(New(Options{Log: slog.New(slog.DiscardHandler)}))(t)
	t.Cleanup(func() { n.Close() })
	return n
}

// without drops the lines about IPv6 and the firewall, which have tests of their own.
func without(lines []string, words ...string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(s string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
	})
}

func TestApplyTwiceChangesNothing(t *testing.T) {
	newWorld(t)
	n := newNet(t)
	r := must(n.Apply(testConfig()))(t)
	want := []string{
		"eth00: address 192.168.1.1/24 added", "eth00: up",
		"eth01: address 123.123.123.123/28 added", "eth01: up",
		"route 0.0.0.0/0 gateway 123.123.123.113 metric 0 set",
	}
	if d := cmp.Diff(want, without(r.Changes, "IPv6", "firewall")); d != "" {
		t.Errorf("first Apply (-want +got):\n%s", d)
	}
	if len(r.Warnings) > 0 {
		t.Errorf("warnings: %q", r.Warnings)
	}
	if r := must(n.Apply(testConfig()))(t); len(r.Changes) > 0 {
		t.Errorf("second Apply changed %q", r.Changes)
	}
	// Another process of ours finds everything as it shall be.
	if r := must(newNet(t).Apply(testConfig()))(t); len(r.Changes) > 0 {
		t.Errorf("Apply after a restart changed %q", r.Changes)
	}

	state := must(n.State(testConfig()))(t)
	wantPorts := []status.Port{
		{Slot: 0, Port: 0, Name: "eth00", Context: "ROUTER", Interface: "if_eth00", Enabled: true, State: status.LinkUp, MTU: 1500,
			Speed: 10000, Duplex: status.DuplexFull, Driver: "veth", Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.1.1/24")}},
		{Slot: 0, Port: 1, Name: "eth01", Context: "ROUTER", Interface: "if_eth01", Enabled: true, State: status.LinkUp, MTU: 1500,
			Speed: 10000, Duplex: status.DuplexFull, Driver: "veth", Addresses: []netip.Prefix{netip.MustParsePrefix("123.123.123.123/28")}},
	}
	prefixes := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	addrs := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if d := cmp.Diff(wantPorts, state.Ports, prefixes, cmpopts.IgnoreFields(status.Port{}, "MAC", "Rx", "Tx")); d != "" {
		t.Errorf("ports (-want +got):\n%s", d)
	}
	wantRoutes := []status.Route{
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("123.123.123.113"), Interface: "eth01", Origin: status.RouteConfigured},
		{Prefix: netip.MustParsePrefix("123.123.123.112/28"), Interface: "eth01", Origin: status.RouteConnected},
		{Prefix: netip.MustParsePrefix("192.168.1.0/24"), Interface: "eth00", Origin: status.RouteConnected},
	}
	if d := cmp.Diff(wantRoutes, state.Routes, prefixes, addrs); d != "" {
		t.Errorf("routes (-want +got):\n%s", d)
	}
}

func TestApplyOverAHalfConfiguredSystemEndsRight(t *testing.T) {
	newWorld(t)
	eth00 := must(netlink.LinkByName("eth00"))(t)
	eth01 := must(netlink.LinkByName("eth01"))(t)
	check(t, netlink.LinkSetUp(eth01))
	// Left-overs: a second and a third address (one the first of its network, so that removing it takes the right one along),
	// the right address on the wrong port, a default route set by hand.
	for _, a := range []string{"192.168.1.99/24", "192.168.1.1/24", "10.9.9.9/8"} {
		check(t, netlink.AddrAdd(eth00, must(netlink.ParseAddr(a))(t)))
	}
	check(t, netlink.AddrAdd(eth01, must(netlink.ParseAddr("123.123.123.123/28"))(t)))
	check(t, netlink.RouteAdd(&netlink.Route{LinkIndex: eth01.Attrs().Index, Gw: []byte{123, 123, 123, 114}, Dst: ipNet(netip.MustParsePrefix("0.0.0.0/0"))}))

	n := newNet(t)
	must(n.Apply(testConfig()))(t)
	if got := addressesOf(t, "eth00"); !slices.Equal(got, []string{"192.168.1.1/24"}) {
		t.Errorf("eth00 has %v", got)
	}
	var routes []string
	for _, r := range must(n.State(testConfig()))(t).Routes {
		routes = append(routes, r.Prefix.String()+" "+r.Gateway.String()+" "+r.Origin.String())
	}
	if want := "0.0.0.0/0 123.123.123.113 configured"; routes[0] != want || len(routes) != 3 {
		t.Errorf("routes %q, want first %q of 3", routes, want)
	}
	if r := must(n.Apply(testConfig()))(t); len(r.Changes) > 0 {
		t.Errorf("second Apply changed %q", r.Changes)
	}
}

func TestChangesAreApplied(t *testing.T) {
	newWorld(t)
	n := newNet(t)
	must(n.Apply(testConfig()))(t)
	for _, step := range []struct {
		name   string
		change func(*config.Config)
		want   []string
	}{
		{"another address", func(c *config.Config) {
			c.IP[0].Interfaces[0].Addresses[0].Prefix = netip.MustParsePrefix("192.168.1.2/24")
		}, []string{"eth00: address 192.168.1.1/24 removed", "eth00: address 192.168.1.2/24 added"}},
		{"back, and two more", func(c *config.Config) {
			c.IP[0].Interfaces[0].Addresses = append(c.IP[0].Interfaces[0].Addresses, config.IPAddress{Name: "a", Prefix: netip.MustParsePrefix("10.1.0.1/16")}, config.IPAddress{Name: "b", Prefix: netip.MustParsePrefix("192.168.1.7/24")})
		}, []string{"eth00: address 192.168.1.2/24 removed", "eth00: address 192.168.1.1/24 added", "eth00: address 10.1.0.1/16 added", "eth00: address 192.168.1.7/24 added"}},
		{"a smaller MTU", func(c *config.Config) { c.IP[0].Interfaces[1].MTU = 1400 },
			[]string{"eth00: address 10.1.0.1/16 removed", "eth00: address 192.168.1.7/24 removed", "eth01: MTU 1400, was 1500"}},
		{"no MTU: the one before", func(c *config.Config) {}, []string{"eth01: MTU 1500, was 1400"}},
		{"another gateway", func(c *config.Config) {
			c.IP[0].Tables[0].Routes[0].Gateway = netip.MustParseAddr("123.123.123.114")
		}, []string{"route 0.0.0.0/0 gateway 123.123.123.114 metric 0 set"}},
		{"a metric and one more route", func(c *config.Config) {
			r := &c.IP[0].Tables[0].Routes
			(*r)[0].Metric = 5
			*r = append(*r, config.IPRoute{Prefix: netip.MustParsePrefix("10.108.0.0/16"), Gateway: netip.MustParseAddr("192.168.1.254")})
		}, []string{"route 0.0.0.0/0 gateway 123.123.123.113 metric 5 set", "route 10.108.0.0/16 gateway 192.168.1.254 metric 0 set", "route 0.0.0.0/0 gateway 123.123.123.114 metric 0 removed"}},
		{"port shut", func(c *config.Config) { c.Ports[1].Enabled = false },
			[]string{"eth01: address 123.123.123.123/28 removed", "eth01: down", "route 10.108.0.0/16 gateway 192.168.1.254 metric 0 removed"}},
		{"port not configured any more", func(c *config.Config) { c.Ports = c.Ports[1:] },
			[]string{"eth00: address 192.168.1.1/24 removed", "eth00: down", "eth01: address 123.123.123.123/28 added", "eth01: up", "route 0.0.0.0/0 gateway 123.123.123.113 metric 0 set"}},
	} {
		cfg := testConfig()
		step.change(cfg)
		r, err := n.Apply(cfg)
		if err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		if d := cmp.Diff(step.want, without(r.Changes, "IPv6", "firewall")); d != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, d)
		}
		if r := must(n.Apply(cfg))(t); len(r.Changes) > 0 {
			t.Errorf("%s, again: changed %q", step.name, r.Changes)
		}
	}
}

func TestAMissingPortStopsNothingElse(t *testing.T) {
	newWorld(t)
	cfg := testConfig()
	cfg.Ports = append([]*config.EthernetPort{{Slot: 0, Port: 7, Enabled: true, Bind: cfg.Ports[0].Bind}}, cfg.Ports...)
	r, err := newNet(t).Apply(cfg)
	want := "port ethernet 0 7: this box has no device eth07\nport ethernet 0 0: interface if_eth00 is bound to port ethernet 0 7 already"
	if err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if !slices.Contains(r.Changes, "eth01: address 123.123.123.123/28 added") {
		t.Errorf("eth01 was not configured: %q", r.Changes)
	}
}

func TestRoutesThatCannotBeSet(t *testing.T) {
	for name, c := range map[string]struct {
		change        func(*config.Config)
		errors, warns string
	}{
		"a gateway in no network": {func(c *config.Config) {
			c.IP[0].Tables[0].Routes[0].Gateway = netip.MustParseAddr("10.0.0.1")
		}, "route 0.0.0.0/0 gateway 10.0.0.1: the gateway is in no network of this box", ""},
		"a gateway behind a port that is shut": {func(c *config.Config) { c.Ports[1].Enabled = false }, "",
			"route 0.0.0.0/0 gateway 123.123.123.113: port ethernet 0 1 is down"},
		"two of the same metric": {func(c *config.Config) {
			c.IP[0].Tables[0].Routes = append(c.IP[0].Tables[0].Routes, config.IPRoute{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.168.1.254")})
		}, "route 0.0.0.0/0 gateway 192.168.1.254: there is another route of the same prefix and metric", ""},
		"a table that nothing selects": {func(c *config.Config) {
			c.IP[0].Tables = append(c.IP[0].Tables, &config.RoutingTableIP{Name: "VOICE", Routes: []config.IPRoute{{}}})
		}, "", "context ip ROUTER routing-table VOICE: no interface uses it (use routing-table VOICE)"},
	} {
		t.Run(name, func(t *testing.T) {
			newWorld(t)
			cfg := testConfig()
			c.change(cfg)
			r, err := newNet(t).Apply(cfg)
			if got := errorText(err); got != c.errors {
				t.Errorf("error %q, want %q", got, c.errors)
			}
			if got := strings.Join(without(r.Warnings, "IPv6"), "\n"); got != c.warns {
				t.Errorf("warnings %q, want %q", got, c.warns)
			}
		})
	}
}

func TestOthersAreNotTouched(t *testing.T) {
	newWorld(t)
	check(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "office"}, PeerName: "other"}))
	office := must(netlink.LinkByName("office"))(t)
	check(t, netlink.AddrAdd(office, must(netlink.ParseAddr("10.5.0.1/24"))(t)))
	check(t, netlink.LinkSetUp(office))
	check(t, netlink.RouteAdd(&netlink.Route{LinkIndex: office.Attrs().Index, Gw: []byte{10, 5, 0, 254}, Dst: ipNet(netip.MustParsePrefix("0.0.0.0/0"))}))

	_, err := newNet(t).Apply(testConfig())
	if want := "route 0.0.0.0/0 gateway 123.123.123.113: another program has set a route to this prefix with metric 0; choose another metric"; errorText(err) != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if got := addressesOf(t, "office"); !slices.Equal(got, []string{"10.5.0.1/24"}) {
		t.Errorf("office has %v", got)
	}
	cfg := testConfig()
	cfg.IP[0].Tables[0].Routes[0].Metric = 10
	if r := must(newNet(t).Apply(cfg))(t); !slices.Contains(r.Changes, "route 0.0.0.0/0 gateway 123.123.123.113 metric 10 set") {
		t.Errorf("changes %q", r.Changes)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func addressesOf(t *testing.T, device string) (list []string) {
	t.Helper()
	for _, a := range must(netlink.AddrList(must(netlink.LinkByName(device))(t), netlink.FAMILY_V4))(t) {
		list = append(list, a.IPNet.String())
	}
	return list
}

// The kernel of a port without an IPv6 address takes none from the wire, neither an address nor a route.
func TestIPv6IsOffUnlessConfigured(t *testing.T) {
	newWorld(t)
	n := newNet(t)
	off := func(device string) string {
		return strings.TrimSpace(string(must(os.ReadFile("/proc/sys/net/ipv6/conf/" + device + "/disable_ipv6"))(t)))
	}
	must(n.Apply(testConfig()))(t)
	for _, device := range []string{"eth00", "eth01"} {
		if off(device) != "1" {
			t.Errorf("IPv6 is on at %s", device)
		}
		if list := must(netlink.AddrList(must(netlink.LinkByName(device))(t), netlink.FAMILY_V6))(t); len(list) > 0 {
			t.Errorf("%s has %v", device, list)
		}
	}
	cfg := testConfig()
	cfg.IP[0].Interfaces[1].Addresses = append(cfg.IP[0].Interfaces[1].Addresses, config.IPAddress{Name: "six", Prefix: netip.MustParsePrefix("2001:db8::7/64")})
	must(n.Apply(cfg))(t)
	if off("eth00") != "1" || off("eth01") != "0" {
		t.Errorf("with an address at eth01: eth00 %s, eth01 %s", off("eth00"), off("eth01"))
	}
	must(n.Apply(testConfig()))(t)
	if off("eth01") != "1" {
		t.Error("IPv6 stays on when its address has gone")
	}
}
