package netcfg

import (
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden files")

// sipConfig is testConfig with the gateways and peers of STARFACE and Teams.
func sipConfig() *config.Config {
	gateway := func(name, iface string, udp, tls uint16) *config.SIPGateway {
		return &config.SIPGateway{Name: name, Enabled: true, Interfaces: []*config.GatewayInterface{{Name: "if_" + name, UDPTCP: udp, TLS: tls,
			Bind: config.AddressBind{Context: config.Ref[config.Config, config.IPContext]{Name: "ROUTER"}, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: iface}, Address: iface}}}}
	}
	peer := func(gateway, host string, trust ...config.Source) *config.SIPInterface {
		return &config.SIPInterface{Name: host, Gateway: config.Ref[config.Config, config.SIPGateway]{Name: gateway}, Remote: config.HostPort{Host: host}, Trust: append(trust, config.Source{Remote: true})}
	}
	c := testConfig()
	c.IP[0].Tables[0].Routes = append(c.IP[0].Tables[0].Routes, config.IPRoute{Prefix: netip.MustParsePrefix("10.108.0.0/16"), Gateway: netip.MustParseAddr("192.168.1.254")})
	c.Gateways = []*config.SIPGateway{gateway("gw_sip_lan_5060", "if_eth00", 5060, 0), gateway("gw_sip_wan_5062", "if_eth01", 0, 5062)}
	c.CS = []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{
		peer("gw_sip_wan_5062", "sip.pstnhub.microsoft.com", config.Source{Prefix: netip.MustParsePrefix("52.112.0.0/14")}, config.Source{Prefix: netip.MustParsePrefix("52.114.0.0/16")}),
		peer("gw_sip_wan_5062", "sip2.pstnhub.microsoft.com", config.Source{Teams: true}),
		peer("gw_sip_lan_5060", "starface.meinefirma.de"),
	}}}
	return c
}

// resolved stands for the box's resolver.
func resolved(host string) []netip.Addr {
	return map[string][]netip.Addr{
		"sip.pstnhub.microsoft.com": {netip.MustParseAddr("52.114.75.24")},
		"starface.meinefirma.de":    {netip.MustParseAddr("192.168.1.100")},
	}[host]
}

func firewallNet(t *testing.T) *Net {
	t.Helper()
	n := must(New(Options{Log: slog.New(slog.DiscardHandler), Cached: resolved}))(t)
	t.Cleanup(func() { n.Close() })
	return n
}

func TestFirewallOfTheReferenceConfiguration(t *testing.T) {
	newWorld(t)
	golden(t, firewallNet(t), sipConfig(), "testdata/starface-teams.nft")
}

// golden compares the rules of a configuration with a file, and, once applied, with what the kernel has: every rule, with every
// expression.
func golden(t *testing.T, n *Net, cfg *config.Config, file string) {
	t.Helper()
	j := &job{Net: n, cfg: cfg}
	j.plan()
	set := j.build().set
	if *update {
		check(t, os.WriteFile(file, []byte(set.String()), 0o644))
	}
	if d := cmp.Diff(string(must(os.ReadFile(file))(t)), set.String()); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}
	must(n.Apply(cfg))(t)
	conn := must(nftables.New())(t)
	table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	for _, c := range set {
		rules := must(conn.GetRules(table, &nftables.Chain{Name: c.name, Table: table}))(t)
		if len(rules) != len(c.rules) {
			t.Errorf("chain %s has %d rules in the kernel, want %d", c.name, len(rules), len(c.rules))
			continue
		}
		for i, r := range rules {
			if d := cmp.Diff(kinds(c.rules[i].exprs()), kinds(r.Exprs)); d != "" {
				t.Errorf("chain %s, %s (-want +got):\n%s", c.name, c.rules[i], d)
			}
		}
	}
}

func kinds(list []expr.Any) (names []string) {
	for _, e := range list {
		names = append(names, strings.TrimPrefix(fmt.Sprintf("%T", e), "*expr."))
	}
	return names
}

func TestFirewallLetsInWhatIsConfigured(t *testing.T) {
	w := newWorld(t)
	n := firewallNet(t)
	cfg := sipConfig()
	must(n.Apply(cfg))(t)
	w.address("peth00", "192.168.1.100/24", "192.168.1.7/24")
	w.address("peth01", "123.123.123.113/28", "52.114.75.24/14", "198.51.100.9/24")
	w.atPeer(func() { waitRunning(t, "peth00"); waitRunning(t, "peth01") })

	w.try(t, []door{
		{"SIP from the PBX", "udp", "192.168.1.100", "192.168.1.1:5060", true},
		{"SIP by TCP from the PBX", "tcp", "192.168.1.100", "192.168.1.1:5060", true},
		{"SIP from a stranger on the LAN", "udp", "192.168.1.7", "192.168.1.1:5060", false},
		{"SIP by TCP from a stranger on the LAN", "tcp", "192.168.1.7", "192.168.1.1:5060", false},
		{"TLS from Teams", "tcp", "52.114.75.24", "123.123.123.123:5062", true},
		{"TLS from a stranger", "tcp", "198.51.100.9", "123.123.123.123:5062", false},
		{"UDP to the TLS port", "udp", "52.114.75.24", "123.123.123.123:5062", false},
		{"SIP port of the LAN on the WAN", "udp", "52.114.75.24", "123.123.123.123:5060", false},
		{"LAN address through the WAN port", "udp", "123.123.123.113", "192.168.1.1:5060", false},
		{"media from anybody", "udp", "198.51.100.9", "123.123.123.123:16400", true},
		{"media by TCP", "tcp", "198.51.100.9", "123.123.123.123:16400", false},
		{"above the media ports", "udp", "198.51.100.9", "123.123.123.123:32768", false},
		{"SSH from the LAN", "tcp", "192.168.1.7", "192.168.1.1:22", true},
		{"SSH from the WAN", "tcp", "123.123.123.113", "123.123.123.123:22", false},
		{"web from the LAN", "tcp", "192.168.1.7", "192.168.1.1:80", false},
		{"the page, which is off", "tcp", "192.168.1.7", "192.168.1.1:443", false},
	})

	cfg = sipConfig()
	cfg.Web.HTTPS.Port = 443
	must(n.Apply(cfg))(t)
	w.try(t, []door{
		{"the page from the LAN", "tcp", "192.168.1.7", "192.168.1.1:443", true},
		{"the way to it from the LAN", "tcp", "192.168.1.7", "192.168.1.1:80", true},
		{"the page from the WAN", "tcp", "123.123.123.113", "123.123.123.123:443", false},
		{"the way to it from the WAN", "tcp", "123.123.123.113", "123.123.123.123:80", false},
		{"the page of the LAN from the WAN", "tcp", "123.123.123.113", "192.168.1.1:443", false},
	})
	cfg = sipConfig()
	cfg.Web.HTTPS.Port, cfg.Console.Access = 8443, []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	must(n.Apply(cfg))(t)
	w.try(t, []door{
		{"the page for whom it is opened", "tcp", "198.51.100.9", "123.123.123.123:8443", true},
		{"for others", "tcp", "123.123.123.113", "123.123.123.123:8443", false},
		{"at the port that was left", "tcp", "198.51.100.9", "123.123.123.123:443", false},
	})

	// The box itself gets answers to what it asks.
	if question, answer := w.asks(t, "123.123.123.113:53", true); !question || !answer {
		t.Errorf("a name server: question %v, answer %v", question, answer)
	}
}

// door is one thing that a neighbour tries.
type door struct {
	name, network, from, to string
	open                    bool
}

func (w *world) try(t *testing.T, doors []door) {
	t.Helper()
	for _, d := range doors {
		if got := w.reaches(t, d.network, d.from, d.to, d.open); got != d.open {
			t.Errorf("%s: open %v, want %v", d.name, got, d.open)
		}
	}
}

// patience is for what must come: a machine that has other things to do takes its time.
const patience = time.Minute

// soon is how long a test waits for a packet: for one that must not come a short while, which has to be enough.
func soon(come bool, short time.Duration) time.Time {
	if come {
		short = patience
	}
	return time.Now().Add(short)
}

// asks lets the box ask a neighbour over UDP: whether the question arrives there, and the answer here.
func (w *world) asks(t *testing.T, address string, want bool) (question, answer bool) {
	t.Helper()
	var server net.PacketConn
	w.atPeer(func() { server = must(net.ListenPacket("udp", address))(t) })
	defer server.Close()
	client := must(net.Dial("udp", address))(t)
	defer client.Close()
	client.Write([]byte("question")) // a list that denies it lets the write fail, or not
	buf := make([]byte, 100)
	check(t, server.SetDeadline(soon(want, 200*time.Millisecond)))
	_, from, err := server.ReadFrom(buf)
	if err != nil {
		return false, false
	}
	must(server.WriteTo([]byte("answer"), from))(t)
	check(t, client.SetDeadline(soon(want, 200*time.Millisecond)))
	_, err = client.Read(buf)
	return true, err == nil
}

// waitRunning waits until the kernel sends through a device.
func waitRunning(t *testing.T, name string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if l := must(netlink.LinkByName(name))(t); l.Attrs().OperState == netlink.OperUp {
			return
		}
	}
	t.Fatalf("%s does not come up", name)
}

// reaches reports whether a packet (or a connection) of a neighbour arrives at a socket of the box.
func (w *world) reaches(t *testing.T, network, from, to string, want bool) bool {
	t.Helper()
	local := netip.AddrPortFrom(netip.MustParseAddr(from), 0)
	deadline := func() time.Time { return soon(want, 60*time.Millisecond) }
	if network == "udp" {
		box := must(net.ListenPacket("udp", to))(t)
		defer box.Close()
		w.atPeer(func() {
			c := must((&net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(local)}).Dial("udp", to))(t)
			defer c.Close()
			must(c.Write([]byte("hello")))(t)
		})
		check(t, box.SetDeadline(deadline()))
		_, _, err := box.ReadFrom(make([]byte, 100))
		return err == nil
	}
	box := must(net.Listen("tcp", to))(t)
	defer box.Close()
	open := false
	w.atPeer(func() {
		// A refused connection would say that the packet came through, too.
		c, err := (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(local), Deadline: deadline()}).Dial("tcp", to)
		if err == nil {
			c.Close()
			open = true
		}
	})
	return open
}

// TestPortsForAnAuthorityAreOpenForAWhileOnly lets strangers in at port 80 of the WAN between two calls of Admit, and nowhere else.
func TestPortsForAnAuthorityAreOpenForAWhileOnly(t *testing.T) {
	newWorld(t)
	n := firewallNet(t)
	rule := "ip daddr 123.123.123.123 tcp dport 80 accept"
	check(t, n.Admit([]netip.AddrPort{netip.MustParseAddrPort("123.123.123.123:80")}))
	must(n.Apply(sipConfig()))(t)
	if got := strings.Count(n.stands.String(), rule); got != 1 {
		t.Errorf("%d rules, before the first Apply\n%s", got, n.stands)
	}
	check(t, n.Admit(nil))
	if strings.Contains(n.stands.String(), "dport 80") {
		t.Errorf("still open\n%s", n.stands)
	}
	check(t, n.Admit([]netip.AddrPort{netip.MustParseAddrPort("123.123.123.123:80"), netip.MustParseAddrPort("203.0.113.9:443")}))
	if got := n.stands.String(); strings.Count(got, rule) != 1 || strings.Contains(got, "dport 443") {
		t.Errorf("an address that the box does not have\n%s", got)
	}
	if r := must(n.Apply(sipConfig()))(t); len(r.Changes) > 0 {
		t.Errorf("another Apply while it is open: %q", r.Changes)
	}
}

func TestFirewallFollowsTheConfiguration(t *testing.T) {
	newWorld(t)
	n := firewallNet(t)
	must(n.Apply(sipConfig()))(t)
	for _, step := range []struct {
		name   string
		change func(*config.Config)
		want   string // a change
	}{
		{"a gateway is shut", func(c *config.Config) { c.Gateways[0].Enabled = false }, "firewall: "},
		{"strangers get an answer", func(c *config.Config) { c.Gateways[1].AnswerUntrusted = true }, "firewall: "},
		{"no ports at all", func(c *config.Config) { c.Ports, c.IP[0].Tables = nil, nil }, "firewall: 0 rules"},
	} {
		cfg := sipConfig()
		step.change(cfg)
		r := must(n.Apply(cfg))(t)
		if !slices.ContainsFunc(r.Changes, func(s string) bool { return strings.HasPrefix(s, step.want) }) {
			t.Errorf("%s: changes %q", step.name, r.Changes)
		}
		if r := must(n.Apply(cfg))(t); len(r.Changes) > 0 {
			t.Errorf("%s, again: %q", step.name, r.Changes)
		}
	}
	// Another program's table stays.
	conn := must(nftables.New())(t)
	conn.AddTable(&nftables.Table{Name: "other", Family: nftables.TableFamilyINet})
	check(t, conn.Flush())
	must(n.Apply(sipConfig()))(t)
	if tables := must(conn.ListTablesOfFamily(nftables.TableFamilyINet))(t); len(tables) != 2 {
		t.Errorf("%d tables", len(tables))
	}
}

func TestSegmentsAreClampedInBothDirections(t *testing.T) {
	w := newWorld(t)
	n := firewallNet(t)
	cfg := sipConfig()
	cfg.IP[0].Interfaces[0].MTU = 1200
	must(n.Apply(cfg))(t)
	w.address("peth00", "192.168.1.100/24")
	w.atPeer(func() { waitRunning(t, "peth00") })
	listener := must(net.Listen("tcp", "192.168.1.1:5060"))(t)
	defer listener.Close()
	var client net.Conn
	w.atPeer(func() {
		client = must((&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(192, 168, 1, 100)}, Timeout: patience}).Dial("tcp", "192.168.1.1:5060"))(t)
	})
	defer client.Close()
	server := must(listener.Accept())(t)
	defer server.Close()
	// 12 octets of time stamps come off each segment.
	for name, c := range map[string]net.Conn{"what the peer may send": client, "what the box may send": server} {
		if got := segmentSize(t, c); got != 1160-12 {
			t.Errorf("%s: %d octets", name, got)
		}
	}
}

// segmentSize is what the kernel puts into one segment.
func segmentSize(t *testing.T, c net.Conn) (size int) {
	t.Helper()
	raw := must(c.(*net.TCPConn).SyscallConn())(t)
	var err error
	check(t, raw.Control(func(fd uintptr) { size, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG) }))
	check(t, err)
	return size
}

func BenchmarkRules(b *testing.B) {
	n := &Net{o: Options{PortName: PortName, Cached: resolved, Services: []Service{{"ssh", "tcp", 22}}}, owned: map[string]*owned{}}
	cfg := sipConfig()
	b.ReportAllocs()
	for b.Loop() {
		j := &job{Net: n, cfg: cfg}
		for _, c := range cfg.Ports {
			j.ports = append(j.ports, &port{device: PortName(c.Slot, c.Port), conf: cfg.IP[0].Interfaces[c.Port], up: true})
		}
		_ = j.build().set.String()
	}
}
