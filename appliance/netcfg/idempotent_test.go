package netcfg

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/config"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// everyFeature is aclConfig with all that Apply can set: a second uplink, another MTU, several addresses, IPv6.
func everyFeature() *config.Config {
	c := aclConfig()
	lan, wan := c.IP[0].Interfaces[0], c.IP[0].Interfaces[1]
	lan.Addresses = append(lan.Addresses, config.IPAddress{Name: "second", Prefix: netip.MustParsePrefix("10.1.0.1/16")},
		config.IPAddress{Name: "six", Prefix: netip.MustParsePrefix("2001:db8:1::1/64")})
	lan.Table.Name = "SECOND"
	wan.MTU = 1400
	c.IP[0].Tables[0].Routes = append(c.IP[0].Tables[0].Routes,
		config.IPRoute{Prefix: netip.MustParsePrefix("10.200.0.0/16"), Gateway: netip.MustParseAddr("10.1.0.254"), Metric: 7},
		config.IPRoute{Prefix: netip.MustParsePrefix("2001:db8:2::/64"), Gateway: netip.MustParseAddr("2001:db8:1::2")})
	c.IP[0].Tables = append(c.IP[0].Tables, &config.RoutingTableIP{Name: "SECOND", Routes: []config.IPRoute{
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.168.1.254")}}})
	return c
}

// monitor counts what the kernel tells of changes: by anybody, of links, addresses, routes, rules and of nftables.
type monitor []int

func newMonitor(t *testing.T) (m monitor) {
	t.Helper()
	const nftablesGroup = 7 // NFNLGRP_NFTABLES of linux/netfilter/nfnetlink.h
	for family, groups := range map[int][]int{
		unix.NETLINK_ROUTE: {unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
			unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE, unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF},
		unix.NETLINK_NETFILTER: {nftablesGroup},
	} {
		fd := must(unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, family))(t)
		t.Cleanup(func() { unix.Close(fd) })
		check(t, unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
		for _, g := range groups {
			check(t, unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g))
		}
		m = append(m, fd)
	}
	return m
}

// messages reads what has come since the last call: the types of the messages.
func (m monitor) messages(t *testing.T) (types []string) {
	t.Helper()
	for _, fd := range m {
		for buf := make([]byte, 1<<16); ; {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err == unix.EAGAIN {
				break
			}
			check(t, err)
			list := must(syscall.ParseNetlinkMessage(buf[:n]))(t)
			for _, x := range list {
				types = append(types, fmt.Sprintf("%#x", x.Header.Type))
			}
		}
	}
	return types
}

func TestApplyAgainSaysNothingToTheKernel(t *testing.T) {
	w := newWorld(t)
	// IPv6 looks for another owner of an address for up to two seconds, and tells of the end of it.
	check(t, os.WriteFile("/proc/sys/net/ipv6/conf/eth00/accept_dad", []byte("0"), 0))
	n := firewallNet(t)
	m := newMonitor(t)
	must(n.Apply(everyFeature()))(t)
	if len(m.messages(t)) == 0 {
		t.Fatal("the monitor hears nothing")
	}
	w.atPeer(func() { waitRunning(t, "peth00"); waitRunning(t, "peth01") })
	waitRunning(t, "eth00")
	waitRunning(t, "eth01")
	// The kernel's own: links come up.
	for quiet := 0; quiet < 10; quiet++ {
		time.Sleep(100 * time.Millisecond)
		if len(m.messages(t)) > 0 {
			quiet = 0
		}
	}
	for name, again := range map[string]*Net{"the same process": n, "another process": firewallNet(t)} {
		for range 2 {
			if r := must(again.Apply(everyFeature()))(t); len(r.Changes) > 0 {
				t.Errorf("%s changed %q", name, r.Changes)
			}
			time.Sleep(100 * time.Millisecond)
			if got := m.messages(t); len(got) > 0 {
				t.Errorf("%s: the kernel tells of changes: %v", name, got)
			}
		}
	}
}

// stateOf is everything that Apply could touch, in words. The name of a device stands for it.
func stateOf(t *testing.T) (list []string) {
	t.Helper()
	names := map[int]string{}
	for _, l := range must(netlink.LinkList())(t) {
		a := l.Attrs()
		names[a.Index] = a.Name
		six, _ := os.ReadFile("/proc/sys/net/ipv6/conf/" + a.Name + "/disable_ipv6")
		list = append(list, fmt.Sprintf("link %s mtu %d up %v disable_ipv6 %s", a.Name, a.MTU, a.Flags&net.FlagUp != 0, strings.TrimSpace(string(six))))
		for _, x := range must(netlink.AddrList(l, netlink.FAMILY_ALL))(t) {
			if x.Scope == unix.RT_SCOPE_UNIVERSE {
				list = append(list, fmt.Sprintf("address %s at %s", x.IPNet, a.Name))
			}
		}
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		for _, r := range must(netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE))(t) {
			if r.Table == unix.RT_TABLE_LOCAL || r.Dst != nil && (r.Dst.IP.IsLinkLocalUnicast() || r.Dst.IP.IsMulticast()) {
				continue
			}
			list = append(list, fmt.Sprintf("route %s gateway %s at %s table %d metric %d protocol %d", keyOf(r).prefix, r.Gw, names[r.LinkIndex], r.Table, r.Priority, r.Protocol))
		}
		for _, r := range must(netlink.RuleList(family))(t) {
			list = append(list, fmt.Sprintf("rule %d from %v table %d", r.Priority, r.Src, r.Table))
		}
	}
	conn := must(nftables.New())(t)
	for _, table := range must(conn.ListTables())(t) {
		list = append(list, fmt.Sprintf("table %d %s", table.Family, table.Name))
	}
	for _, c := range must(conn.ListChains())(t) {
		for i, r := range must(conn.GetRules(c.Table, c))(t) {
			list = append(list, fmt.Sprintf("table %d %s chain %s rule %d %v", c.Table.Family, c.Table.Name, c.Name, i, kinds(r.Exprs)))
		}
	}
	slices.Sort(list)
	return list
}

func TestHoweverTheSystemIsLeftApplyEndsRight(t *testing.T) {
	newWorld(t)
	must(firewallNet(t).Apply(everyFeature()))(t)
	want := stateOf(t)
	for name, leave := range map[string]func(t *testing.T){
		"an older configuration": func(t *testing.T) { must(firewallNet(t).Apply(testConfig()))(t) },
		"nothing at all":         func(t *testing.T) {},
		"links as somebody left them": func(t *testing.T) {
			for _, name := range []string{"eth00", "eth01"} {
				l := must(netlink.LinkByName(name))(t)
				check(t, netlink.LinkSetMTU(l, 1300))
				check(t, netlink.LinkSetUp(l))
				check(t, os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("0"), 0))
				for _, a := range []string{"192.168.1.99/24", "192.168.1.1/24", "123.123.123.123/28", "2001:db8:9::1/64"} {
					check(t, netlink.AddrAdd(l, must(netlink.ParseAddr(a))(t)))
				}
			}
		},
		"the work of a process that was killed in the middle": func(t *testing.T) {
			n := firewallNet(t)
			j := &job{Net: n, cfg: everyFeature()}
			j.plan()
			j.firewall()
			j.port(j.ports[0])
		},
		"rules and routes of a configuration that nobody remembers": func(t *testing.T) {
			cfg := everyFeature()
			must(firewallNet(t).Apply(cfg))(t)
			r := netlink.NewRule()
			r.Src, r.Table, r.Priority, r.Protocol = ipNet(netip.MustParsePrefix("10.99.0.1/32")), firstTable+40, rulePriority, uint8(ours)
			check(t, netlink.RuleAdd(r))
			eth00 := must(netlink.LinkByName("eth00"))(t).Attrs().Index
			for table, to := range map[int]string{firstTable + 40: "0.0.0.0/0", firstTable: "10.98.0.0/16", unix.RT_TABLE_MAIN: "10.97.0.0/16"} {
				check(t, netlink.RouteAdd(&netlink.Route{LinkIndex: eth00, Gw: []byte{192, 168, 1, 253}, Dst: ipNet(netip.MustParsePrefix(to)), Table: table, Protocol: ours}))
			}
		},
		"a firewall of which a rule is gone": func(t *testing.T) {
			must(firewallNet(t).Apply(everyFeature()))(t)
			conn := must(nftables.New())(t)
			table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
			rules := must(conn.GetRules(table, &nftables.Chain{Name: "from-eth01", Table: table}))(t)
			check(t, conn.DelRule(rules[len(rules)-1]))
			check(t, conn.Flush())
		},
		"a table of our name with other chains": func(t *testing.T) {
			conn := must(nftables.New())(t)
			table := conn.AddTable(&nftables.Table{Name: tableName, Family: nftables.TableFamilyINet})
			chain := conn.AddChain(&nftables.Chain{Name: "input", Table: table})
			conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}})
			check(t, conn.Flush())
		},
	} {
		t.Run(name, func(t *testing.T) {
			newWorld(t)
			leave(t)
			n := firewallNet(t)
			if _, err := n.Apply(everyFeature()); err != nil {
				t.Error(err)
			}
			if d := cmp.Diff(want, stateOf(t)); d != "" {
				t.Errorf("beside a fresh system (-fresh +this):\n%s", d)
			}
			if r := must(n.Apply(everyFeature()))(t); len(r.Changes) > 0 {
				t.Errorf("second Apply changed %q", r.Changes)
			}
		})
	}
}

func TestWhatIsNotOursStaysAsItIs(t *testing.T) {
	newWorld(t)
	check(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "office"}, PeerName: "other"}))
	office := must(netlink.LinkByName("office"))(t)
	check(t, netlink.LinkSetMTU(office, 1442))
	for _, a := range []string{"10.5.0.1/24", "2001:db8:5::1/64"} {
		check(t, netlink.AddrAdd(office, must(netlink.ParseAddr(a))(t)))
	}
	check(t, netlink.LinkSetUp(office))
	for _, r := range []netlink.Route{
		{Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_STATIC, Dst: ipNet(netip.MustParsePrefix("10.6.0.0/16"))},
		{Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_DHCP, Dst: ipNet(netip.MustParsePrefix("0.0.0.0/0")), Priority: 500},
		{Table: firstTable, Protocol: unix.RTPROT_STATIC, Dst: ipNet(netip.MustParsePrefix("10.7.0.0/16"))}, // our number, their mark
		{Table: 100, Protocol: unix.RTPROT_STATIC, Dst: ipNet(netip.MustParsePrefix("0.0.0.0/0"))},
	} {
		r.LinkIndex, r.Gw = office.Attrs().Index, []byte{10, 5, 0, 254}
		check(t, netlink.RouteAdd(&r))
	}
	for _, priority := range []int{100, rulePriority} {
		r := netlink.NewRule()
		r.Src, r.Table, r.Priority = ipNet(netip.MustParsePrefix("10.5.0.1/32")), 100, priority
		check(t, netlink.RuleAdd(r))
	}
	conn := must(nftables.New())(t)
	for _, family := range []nftables.TableFamily{nftables.TableFamilyINet, nftables.TableFamilyIPv4} {
		for _, name := range []string{"other", tableName + "-2"} {
			table := conn.AddTable(&nftables.Table{Name: name, Family: family})
			chain := conn.AddChain(&nftables.Chain{Name: "input", Table: table})
			conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}})
		}
	}
	check(t, conn.Flush())
	theirs := func() (list []string) {
		for _, s := range stateOf(t) {
			if !strings.Contains(s, "eth0") && !strings.Contains(s, fmt.Sprintf("table %d %s chain", nftables.TableFamilyINet, tableName+" ")) {
				list = append(list, s)
			}
		}
		return list
	}
	before := theirs()
	for same := 0; same < 10; same++ { // IPv6 settles
		time.Sleep(20 * time.Millisecond)
		if now := theirs(); !slices.Equal(now, before) {
			before, same = now, 0
		}
	}
	n := firewallNet(t)
	must(n.Apply(everyFeature()))(t)
	if r := must(n.Apply(everyFeature()))(t); len(r.Changes) > 0 {
		t.Errorf("second Apply changed %q", r.Changes)
	}
	must(n.Apply(testConfig()))(t)
	must(n.Apply(config.New()))(t)
	if d := cmp.Diff(before, theirs()); d != "" {
		t.Errorf("others' (-before +after):\n%s", d)
	}
}

// A box that starts again with a configuration that does not name a port any more: what the process before configured there
// would be up, and without a firewall.
func TestAPortOfTheProcessBeforeIsTakenDown(t *testing.T) {
	newWorld(t)
	must(firewallNet(t).Apply(sipConfig()))(t)
	cfg := sipConfig()
	cfg.Ports = cfg.Ports[:1]
	r, _ := firewallNet(t).Apply(cfg)
	if got := without(r.Changes, "route"); len(got) != 3 || !slices.Equal(got[:2], []string{"eth01: address 123.123.123.123/28 removed", "eth01: down"}) || !strings.HasPrefix(got[2], "firewall") {
		t.Errorf("changes %q", r.Changes)
	}
	if r, _ = firewallNet(t).Apply(cfg); len(r.Changes) > 0 {
		t.Errorf("again: changes %q", r.Changes)
	}
}
