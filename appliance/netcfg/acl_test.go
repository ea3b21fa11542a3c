package netcfg

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// aclConfig is sipConfig with lists on the WAN port and networks of the console.
func aclConfig() *config.Config {
	c := sipConfig()
	host := func(s string) config.ACLHost {
		if s == "any" {
			return config.ACLHost{}
		}
		return config.ACLHost{Prefix: netip.MustParsePrefix(s)}
	}
	rule := func(n int, action, protocol, from, to string, ports ...uint16) config.ACLRule {
		r := config.ACLRule{Index: n, Action: action, Protocol: protocol, Source: host(from), Destination: host(to)}
		if len(ports) > 0 {
			r.PortFirst = ports[0]
		}
		if len(ports) > 1 {
			r.PortLast = ports[1]
		}
		return r
	}
	c.ACL = []*config.ACL{
		{Name: "WAN_IN", Rules: []config.ACLRule{
			rule(30, "permit", "udp", "52.112.0.0/14", "any", 16384, 32767),
			rule(10, "deny", "ip", "52.114.75.99/32", "any"),
			rule(20, "permit", "tcp", "52.112.0.0/14", "123.123.123.123/32", 5062),
			rule(40, "permit", "icmp", "any", "any"),
			rule(50, "permit", "tcp", "198.51.100.0/24", "any", 22),
		}},
		{Name: "WAN_OUT", Rules: []config.ACLRule{rule(10, "deny", "ip", "any", "52.114.75.24/32"), rule(20, "permit", "ip", "any", "any")}},
	}
	c.IP[0].Interfaces[1].ACLIn.Name, c.IP[0].Interfaces[1].ACLOut.Name = "WAN_IN", "WAN_OUT"
	c.Console.Access = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("192.168.1.7/32")}
	c.Console.Telnet = 2323
	return c
}

func TestFirewallWithAccessLists(t *testing.T) {
	newWorld(t)
	n := firewallNet(t)
	if n.Unfiltered("eth00") {
		t.Error("unfiltered before anything is configured")
	}
	golden(t, n, aclConfig(), "testdata/access-lists.nft")
	if !n.Unfiltered("eth00") || n.Unfiltered("eth01") || n.Unfiltered("lo") {
		t.Error("only the port without a list for what leaves is unfiltered")
	}
	if r := must(n.Apply(aclConfig()))(t); len(r.Changes) > 0 {
		t.Errorf("again: changed %q", r.Changes)
	}
	if r := must(n.Apply(sipConfig()))(t); !slices.ContainsFunc(r.Changes, func(s string) bool { return strings.HasPrefix(s, "firewall") }) {
		t.Errorf("without the lists: %q", r.Changes)
	}
	if !n.Unfiltered("eth01") {
		t.Error("a port is filtered still when its list is gone")
	}
	n.write = func(ruleset, string) (bool, error) { return false, errors.New("no memory") }
	_, _ = n.Apply(aclConfig())
	if n.Unfiltered("eth01") {
		t.Error("a list that could not be written is as good as none")
	}
	_, _ = n.Apply(sipConfig())
	if n.Unfiltered("eth01") {
		t.Error("the rules with the list may still stand")
	}
}

func TestAccessListsNarrowWhatIsOpen(t *testing.T) {
	w := newWorld(t)
	n := firewallNet(t)
	must(n.Apply(aclConfig()))(t)
	w.address("peth00", "192.168.1.100/24", "192.168.1.7/24", "192.168.1.8/24")
	w.address("peth01", "123.123.123.113/28", "52.114.75.24/14", "52.114.75.99/14", "198.51.100.9/24")
	w.atPeer(func() { waitRunning(t, "peth00"); waitRunning(t, "peth01") })
	w.try(t, []door{
		{"TLS from a denied host", "tcp", "52.114.75.99", "123.123.123.123:5062", false},
		{"media from a denied host", "udp", "52.114.75.99", "123.123.123.123:16400", false},
		{"media from a permitted host", "udp", "52.114.75.24", "123.123.123.123:16400", true},
		{"media from elsewhere", "udp", "198.51.100.9", "123.123.123.123:16400", false},
		{"SIP that is permitted but not trusted", "tcp", "198.51.100.9", "123.123.123.123:5062", false},
		{"SSH from a management network on the WAN", "tcp", "198.51.100.9", "123.123.123.123:22", true},
		{"Telnet, which the list does not permit", "tcp", "198.51.100.9", "123.123.123.123:2323", false},
		{"SSH from a management host on the LAN", "tcp", "192.168.1.7", "192.168.1.1:22", true},
		{"Telnet from a management host on the LAN", "tcp", "192.168.1.7", "192.168.1.1:2323", true},
		{"SSH from another host of the LAN", "tcp", "192.168.1.8", "192.168.1.1:22", false},
		{"the LAN has no list", "udp", "192.168.1.100", "192.168.1.1:5060", true},
	})
	// What the box asks itself is answered without a rule of its own; what the list for outgoing packets denies does not go out.
	for address, open := range map[string]bool{"123.123.123.113:53": true, "52.114.75.24:53": false} {
		if question, answer := w.asks(t, address, open); question != open || answer != open {
			t.Errorf("%s: question %v, answer %v, want %v", address, question, answer, open)
		}
	}
}

// `permit ip any any port 5062` is about a port, not about everything.
func TestARuleForAPortHoldsForThatPort(t *testing.T) {
	w := newWorld(t)
	cfg := aclConfig()
	cfg.ACL[0].Rules = []config.ACLRule{{Index: 1, Action: "permit", Protocol: "ip", PortFirst: 5062}}
	must(firewallNet(t).Apply(cfg))(t)
	w.address("peth01", "123.123.123.113/28", "52.114.75.24/14")
	w.atPeer(func() { waitRunning(t, "peth01") })
	w.try(t, []door{
		{"the port", "tcp", "52.114.75.24", "123.123.123.123:5062", true},
		{"another port", "udp", "52.114.75.24", "123.123.123.123:16400", false},
	})
}

// IPv6 with a list that says nothing of it: neighbours are still found, and the list holds.
func TestAccessListsAndIPv6(t *testing.T) {
	w := newWorld(t)
	cfg := aclConfig()
	wan := cfg.IP[0].Interfaces[1]
	wan.Addresses = append(wan.Addresses, config.IPAddress{Name: "six", Prefix: netip.MustParsePrefix("2001:db8::7/64")})
	cfg.Console.Access = append(cfg.Console.Access, netip.MustParsePrefix("2001:db8::/64"))
	cfg.ACL[0].Rules = append(cfg.ACL[0].Rules, config.ACLRule{Index: 60, Action: "permit", Protocol: "tcp", Source: config.ACLHost{Prefix: netip.MustParsePrefix("2001:db8::9/128")}, PortFirst: 22})
	check(t, os.WriteFile("/proc/sys/net/ipv6/conf/eth01/accept_dad", []byte("0"), 0))
	must(firewallNet(t).Apply(cfg))(t)
	w.atPeer(func() {
		check(t, os.WriteFile("/proc/sys/net/ipv6/conf/peth01/accept_dad", []byte("0"), 0))
		waitRunning(t, "peth01")
	})
	w.address("peth01", "2001:db8::9/64", "2001:db8::8/64")
	usable := func(device string) bool {
		list := must(netlink.AddrList(must(netlink.LinkByName(device))(t), netlink.FAMILY_V6))(t)
		return !slices.ContainsFunc(list, func(a netlink.Addr) bool { return a.Flags&unix.IFA_F_TENTATIVE != 0 })
	}
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		both := usable("eth01")
		w.atPeer(func() { both = both && usable("peth01") })
		if both {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the addresses cannot be used")
		}
	}
	w.try(t, []door{
		{"SSH from a permitted host", "tcp", "2001:db8::9", "[2001:db8::7]:22", true},
		{"SSH from another host", "tcp", "2001:db8::8", "[2001:db8::7]:22", false},
	})
}

// A list that names Microsoft Teams lets all of its data centres in: a copied 52.112.0.0/14 loses the calls from 52.122.0.0/15.
func TestAccessListsNameTeams(t *testing.T) {
	w := newWorld(t)
	cfg := aclConfig()
	for n := range cfg.ACL[0].Rules {
		if r := &cfg.ACL[0].Rules[n]; r.Index == 20 || r.Index == 30 {
			r.Source = config.ACLHost{Teams: true}
		}
	}
	for _, i := range cfg.CS[0].Interfaces {
		i.Trust = append(i.Trust, config.Source{Teams: true})
	}
	must(firewallNet(t).Apply(cfg))(t)
	w.address("peth01", "123.123.123.113/28", "52.122.0.9/15", "52.113.0.9/14", "198.51.100.9/24")
	w.atPeer(func() { waitRunning(t, "peth01") })
	w.try(t, []door{
		{"TLS from a data centre of 2023", "tcp", "52.122.0.9", "123.123.123.123:5062", true},
		{"media from there", "udp", "52.122.0.9", "123.123.123.123:16400", true},
		{"TLS from an older one", "tcp", "52.113.0.9", "123.123.123.123:5062", true},
		{"media from elsewhere", "udp", "198.51.100.9", "123.123.123.123:16400", false},
	})
}
