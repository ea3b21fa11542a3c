package config

import (
	"net/netip"
	"testing"
)

func twoSides() *Config {
	iface := func(name, table string, dhcp bool, prefixes ...string) *IPInterface {
		i := &IPInterface{Name: name, Table: Ref[IPContext, RoutingTableIP]{Name: table}}
		for _, p := range prefixes {
			i.Addresses = append(i.Addresses, IPAddress{Name: name, Prefix: netip.MustParsePrefix(p), DHCP: dhcp})
		}
		return i
	}
	route := func(p, gw string, metric int) IPRoute {
		return IPRoute{netip.MustParsePrefix(p), netip.MustParseAddr(gw), metric}
	}
	return &Config{
		IP: []*IPContext{{Name: "ROUTER",
			Interfaces: []*IPInterface{
				iface("lan", "", false, "192.168.1.1/24", "2001:db8:1::1/64"),
				iface("wan", "", false, "203.0.113.5/28"),
				iface("wan2", "SECOND", false, "198.51.100.2/30"),
			},
			Tables: []*RoutingTableIP{
				{Name: "default", Routes: []IPRoute{
					route("0.0.0.0/0", "203.0.113.1", 0), route("0.0.0.0/0", "192.168.1.254", 5),
					route("10.1.0.0/16", "192.168.1.254", 0), route("10.1.9.0/24", "203.0.113.1", 0),
					route("10.2.0.0/16", "192.168.1.254", 1), route("10.2.0.0/16", "203.0.113.1", 2),
				}},
				{Name: "SECOND", Routes: []IPRoute{route("0.0.0.0/0", "198.51.100.1", 0)}},
			}}},
		Gateways: []*SIPGateway{{Interfaces: []*GatewayInterface{{SpoofedMedia: netip.MustParseAddr("192.0.2.77")}}}},
	}
}

func TestReach(t *testing.T) {
	c := twoSides()
	const lan, wan, wan2 = "192.168.1.1", "203.0.113.5", "198.51.100.2"
	for _, test := range []struct {
		local, to string
		want      Obstacle
	}{
		{lan, "192.168.1.100", ""}, {lan, "10.1.2.3", ""}, {lan, "10.2.0.1", ""}, {wan, "52.112.1.1", ""}, {wan, "203.0.113.6", ""}, {wan, "10.1.9.9", ""},
		{wan2, "52.112.1.1", ""}, {wan2, "198.51.100.1", ""}, {"2001:db8:1::1", "2001:db8:1::9", ""},

		{lan, "8.8.8.8", OtherSide}, {lan, "203.0.113.6", OtherSide}, {lan, "10.1.9.9", OtherSide}, {wan, "192.168.1.100", OtherSide},
		{wan, "10.1.2.3", OtherSide}, {wan, "10.2.0.1", OtherSide}, {wan2, "192.168.1.100", OtherSide}, {wan2, "10.1.2.3", OtherSide},
		{"2001:db8:1::1", "2001:db8:2::9", OtherSide},

		{lan, lan, TheBox}, {lan, wan, TheBox}, {wan, lan, TheBox}, {wan, wan, TheBox}, {lan, "192.0.2.77", TheBox}, {"2001:db8:1::1", "2001:db8:1::1", TheBox},
		{lan, "127.0.0.1", Loopback}, {wan, "127.8.8.8", Loopback}, {"2001:db8:1::1", "::1", Loopback},
		{lan, "224.2.1.1", Multicast}, {wan, "239.255.255.250", Multicast}, {"2001:db8:1::1", "ff02::1", Multicast},
		{lan, "255.255.255.255", ReservedHost}, {wan, "240.0.0.1", ReservedHost}, {lan, "192.168.1.255", ReservedHost}, {lan, "192.168.1.0", ReservedHost},
		{wan, "203.0.113.15", ReservedHost}, {wan, "192.168.1.255", ReservedHost},
		{lan, "169.254.1.1", LinkLocal}, {"2001:db8:1::1", "fe80::1", LinkLocal},
		{lan, "0.0.0.0", NoHost}, {wan, "0.1.2.3", NoHost},
		{lan, "2001:db8::100", OtherFamily}, {"2001:db8:1::1", "192.168.1.100", OtherFamily},
		{"192.168.7.7", "192.168.1.100", NoSuchAddress},
	} {
		if got := c.Reach(netip.MustParseAddr(test.local), netip.MustParseAddr(test.to)); got != test.want {
			t.Errorf("from %s to %s: %q, want %q", test.local, test.to, got, test.want)
		}
	}
}

// Where there is no default route, only the networks of the interfaces are reached.
func TestReachWithoutDefaultRoute(t *testing.T) {
	c := twoSides()
	c.IP[0].Tables[0].Routes = nil
	local := netip.MustParseAddr("203.0.113.5")
	if got := c.Reach(local, netip.MustParseAddr("52.112.1.1")); got != OtherSide {
		t.Errorf("without a route: %q", got)
	}
	if got := c.Reach(local, netip.MustParseAddr("203.0.113.6")); got != "" {
		t.Errorf("the own network: %q", got)
	}
}

func TestReachAllocatesNothing(t *testing.T) {
	c := twoSides()
	local, to := netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("192.168.1.9")
	if n := testing.AllocsPerRun(100, func() { c.Reach(local, to) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTheLastAddressOfANetwork(t *testing.T) {
	for network, want := range map[string]string{
		"192.168.1.7/24": "192.168.1.255", "10.0.0.0/8": "10.255.255.255", "203.0.113.4/32": "203.0.113.4", "0.0.0.0/0": "255.255.255.255", "192.0.2.0/31": "192.0.2.1",
		"2001:db8::/64": "2001:db8::ffff:ffff:ffff:ffff", "2001:db8::7/128": "2001:db8::7",
	} {
		if got := LastOf(netip.MustParsePrefix(network)); got.String() != want {
			t.Errorf("of %s: %s, want %s", network, got, want)
		}
	}
}
