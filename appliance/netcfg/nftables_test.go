package netcfg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"

	"github.com/mdlayher/netlink"
	vishvananda "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// holdTable makes a table of our name that belongs to another program: the kernel lets nobody else write it until the function that
// is returned lets go.
func holdTable(t *testing.T) (release func()) {
	t.Helper()
	const owner = 2 // NFT_TABLE_F_OWNER of linux/netfilter/nf_tables.h
	conn := must(netlink.Dial(unix.NETLINK_NETFILTER, nil))(t)
	attributes := must(netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: append([]byte(tableName), 0)},
		{Type: unix.NFTA_TABLE_FLAGS, Data: binary.BigEndian.AppendUint32(nil, owner)},
	}))(t)
	message := func(kind, flags netlink.HeaderFlags, body ...byte) netlink.Message {
		return netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | flags}, Data: body}
	}
	batch := []byte{0, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}
	table := append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, attributes...)
	must(conn.SendMessages([]netlink.Message{
		message(unix.NFNL_MSG_BATCH_BEGIN, 0, batch...),
		message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE, netlink.Create|netlink.Acknowledge, table...),
		message(unix.NFNL_MSG_BATCH_END, 0, batch...),
	}))(t)
	must(conn.Receive())(t)
	return func() { check(t, conn.Close()) }
}

// alarmedNet is a Net, and the alarms that it raises: their texts by id and subject.
func alarmedNet(t *testing.T) (*Net, func() map[string]string) {
	t.Helper()
	tracker := &health.Tracker{}
	n := must(New(Options{Log: slog.New(slog.DiscardHandler), Cached: resolved, Health: tracker}))(t)
	t.Cleanup(func() { n.Close() })
	return n, func() map[string]string {
		raised := map[string]string{}
		for _, a := range tracker.Current() {
			raised[strings.TrimSpace(a.ID+" "+a.Subject)] = a.Text
		}
		return raised
	}
}

func isUp(t *testing.T, device string) bool {
	t.Helper()
	return must(vishvananda.LinkByName(device))(t).Attrs().Flags&net.FlagUp != 0
}

func TestPortsStayDownUntilTheRulesStand(t *testing.T) {
	newWorld(t)
	release := holdTable(t)
	n, raised := alarmedNet(t)
	for range 2 {
		if _, err := n.Apply(sipConfig()); !errors.Is(err, ErrOpen) {
			t.Fatalf("error %v", err)
		}
		for _, device := range []string{"eth00", "eth01"} {
			addresses := must(vishvananda.AddrList(must(vishvananda.LinkByName(device))(t), vishvananda.FAMILY_V4))(t)
			if isUp(t, device) || len(addresses) > 0 {
				t.Errorf("%s is up: %v, has addresses %v, and nothing guards it", device, isUp(t, device), addresses)
			}
		}
		if text := raised()["firewall-not-written"]; !strings.Contains(text, "ports stay down: eth00, eth01") {
			t.Errorf("alarm %q", text)
		}
	}
	release()
	n.refresh(n.followNames) // too soon
	if isUp(t, "eth00") {
		t.Error("tried again at once")
	}
	n.retry = time.Now()
	n.refresh(n.followNames)
	if !isUp(t, "eth00") || !isUp(t, "eth01") || len(raised()) > 0 {
		t.Errorf("after the table can be written: eth00 %v, eth01 %v, alarms %v", isUp(t, "eth00"), isUp(t, "eth01"), raised())
	}
}

// A change that cannot be written leaves the rules before it in force, for the ports that they guard.
func TestRulesStayWhenNewOnesCannotBeWritten(t *testing.T) {
	w := newWorld(t)
	n, raised := alarmedNet(t)
	before := sipConfig()
	before.Ports, before.IP[0].Tables = before.Ports[:1], nil
	must(n.Apply(before))(t)
	w.address("peth00", "192.168.1.100/24", "192.168.1.7/24")
	w.atPeer(func() { waitRunning(t, "peth00") })
	after := sipConfig()
	n.write = func(r ruleset, fingerprint string) (bool, error) {
		r[0].add(jump("nowhere"))
		return writeTable(r, fingerprint)
	}
	if _, err := n.Apply(after); !errors.Is(err, ErrOpen) {
		t.Errorf("error %v", err)
	}
	if !isUp(t, "eth00") || isUp(t, "eth01") || !strings.Contains(raised()["firewall-not-written"], "ports stay down: eth01") {
		t.Errorf("eth00 %v, eth01 %v, alarms %v", isUp(t, "eth00"), isUp(t, "eth01"), raised())
	}
	w.try(t, []door{
		{"SIP from the PBX", "udp", "192.168.1.100", "192.168.1.1:5060", true},
		{"SIP from a stranger", "udp", "192.168.1.7", "192.168.1.1:5060", false},
	})
}

// large is a configuration with many rules, networks and long names.
func large(rules, networks int) *config.Config {
	cfg := sipConfig()
	cfg.ACL = []*config.ACL{{Name: strings.Repeat("list", 100)}}
	for i := range rules {
		r := config.ACLRule{Index: i + 1, Action: []string{"permit", "deny"}[i%2], Protocol: []string{"tcp", "udp", "ip"}[i%3], PortFirst: uint16(1 + i)}
		r.Source.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}), 32)
		cfg.ACL[0].Rules = append(cfg.ACL[0].Rules, r)
	}
	cfg.ACL[0].Rules = append(cfg.ACL[0].Rules, config.ACLRule{Index: rules + 1, Action: "permit", Protocol: "ip"})
	cfg.IP[0].Interfaces[0].ACLIn.Name = cfg.ACL[0].Name
	cfg.Gateways[0].Name = strings.Repeat("gateway", 50)
	cfg.CS[0].Interfaces[2].Gateway.Name = cfg.Gateways[0].Name
	for i := range networks {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 25+i%8)
		cfg.CS[0].Interfaces[2].Trust = append(cfg.CS[0].Interfaces[2].Trust, config.Source{Prefix: p}, config.Source{Prefix: p})
		cfg.Console.Access = append(cfg.Console.Access, p)
	}
	return cfg
}

func TestManyRulesAndNetworks(t *testing.T) {
	for _, c := range []struct{ rules, networks int }{{80, 100}, {400, 0}, {2000, 5000}} {
		t.Run(fmt.Sprint(c.rules, " rules ", c.networks, " networks"), func(t *testing.T) {
			w := newWorld(t)
			n, raised := alarmedNet(t)
			must(n.Apply(large(c.rules, c.networks)))(t)
			if r := must(n.Apply(large(c.rules, c.networks)))(t); len(r.Changes)+len(raised()) > 0 {
				t.Errorf("again: changed %q, alarms %v", r.Changes, raised())
			}
			w.address("peth00", "192.168.1.100/24", "192.168.1.7/24", "10.0.8.1/8", "10.0.8.129/8")
			w.atPeer(func() { waitRunning(t, "peth00") })
			w.try(t, []door{
				{"SIP from the PBX", "udp", "192.168.1.100", "192.168.1.1:5060", true},
				{"SIP from a stranger", "udp", "192.168.1.7", "192.168.1.1:5060", false},
				{"SIP from a trusted network", "udp", "10.0.8.1", "192.168.1.1:5060", c.networks > 0},
				{"SIP from beside a trusted network", "udp", "10.0.8.129", "192.168.1.1:5060", false},
				{"SSH from the LAN", "tcp", "192.168.1.7", "192.168.1.1:22", c.networks == 0},
				{"Telnet", "tcp", "192.168.1.7", "192.168.1.1:23", false},
			})
		})
	}
}

// What a set holds is what its networks hold: at their edges, with overlaps, neighbours, duplicates, and all there is.
func TestSetsHoldWhatTheirNetworksHold(t *testing.T) {
	w := newWorld(t)
	n := firewallNet(t)
	random := rand.New(rand.NewPCG(1, 2))
	must(n.Apply(sipConfig()))(t)
	w.address("peth00", "192.168.1.100/24")
	w.atPeer(func() { waitRunning(t, "peth00") })
	in, g := w.inbox(unix.IPPROTO_UDP), w.gun("peth00")
	to := netip.MustParseAddrPort("192.168.1.1:5060")
	for round := range 30 {
		cfg := sipConfig()
		lan := cfg.CS[0].Interfaces[2]
		lan.Trust = nil
		var trusted []netip.Prefix
		var probes []netip.Addr
		for range 1 + random.IntN(40) {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, 1, byte(random.IntN(256))}), 24+random.IntN(9)).Masked()
			if p.Bits() == 24 && random.IntN(4) > 0 {
				continue
			}
			trusted = append(trusted, p)
			lan.Trust = append(lan.Trust, config.Source{Prefix: p})
		}
		if round == 29 {
			trusted = append(trusted, netip.MustParsePrefix("128.0.0.0/1"), netip.MustParsePrefix("0.0.0.0/1"))
			lan.Trust = append(lan.Trust, config.Source{Prefix: trusted[len(trusted)-1]}, config.Source{Prefix: trusted[len(trusted)-2]})
		}
		for b := 2; b < 255; b++ {
			probes = append(probes, netip.AddrFrom4([4]byte{192, 168, 1, byte(b)}))
		}
		must(n.Apply(cfg))(t)
		in.packets(t)
		arrived := map[netip.Addr]bool{}
		for i, from := range probes {
			_, b := datagram(netip.AddrPortFrom(from, uint16(1024+round)), to)
			g.send(t, from, to.Addr(), unix.IPPROTO_UDP, b)
			if i%100 == 99 || i == len(probes)-1 {
				for _, p := range in.packets(t) {
					arrived[netip.AddrFrom4([4]byte(p[12:16]))] = true
				}
			}
		}
		for _, from := range probes {
			want := slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(from) })
			if arrived[from] != want {
				t.Fatalf("round %d: %s comes in: %v, trusted %v", round, from, arrived[from], trusted)
			}
		}
	}
}

// An access list decides as its lines do one after the other, however they were joined.
func TestAccessListsDecideByTheirFirstLine(t *testing.T) {
	w := newWorld(t)
	n := firewallNet(t)
	random := rand.New(rand.NewPCG(3, 4))
	must(n.Apply(sipConfig()))(t)
	w.address("peth01", "123.123.123.113/28")
	w.atPeer(func() { waitRunning(t, "peth01") })
	in, g := w.inbox(unix.IPPROTO_UDP), w.gun("peth01")
	box := netip.MustParseAddr("123.123.123.123")
	sources := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{123, 123, 123, byte(112 + n)}) }
	for round := range 40 {
		cfg := sipConfig()
		acl := &config.ACL{Name: "A"}
		for i := range 1 + random.IntN(30) {
			r := config.ACLRule{Index: i + 1, Action: []string{"permit", "permit", "deny"}[random.IntN(3)], Protocol: []string{"udp", "udp", "ip", "tcp", "icmp"}[random.IntN(5)]}
			if random.IntN(6) > 0 {
				r.Source.Prefix = netip.PrefixFrom(sources(1+random.IntN(10)), 28+random.IntN(5))
			}
			if random.IntN(3) == 0 {
				r.Destination.Prefix = netip.PrefixFrom(box, 24+random.IntN(9))
			}
			if random.IntN(2) == 0 {
				r.PortFirst = 16400 + uint16(random.IntN(6))
				if random.IntN(2) == 0 {
					r.PortLast = r.PortFirst + uint16(random.IntN(4))
				}
			}
			acl.Rules = append(acl.Rules, r)
		}
		cfg.ACL = []*config.ACL{acl}
		cfg.IP[0].Interfaces[1].ACLIn.Name = "A"
		must(n.Apply(cfg))(t)
		in.packets(t)
		for host := 2; host < 11; host++ {
			for port := uint16(16398); port < 16410; port++ {
				from := netip.AddrPortFrom(sources(host), uint16(2000+round))
				_, b := datagram(from, netip.AddrPortFrom(box, port))
				g.send(t, from.Addr(), box, unix.IPPROTO_UDP, b)
				if got, want := len(in.packets(t)) > 0, permits(acl, from.Addr(), box, port); got != want {
					t.Fatalf("round %d: %s to port %d comes in: %v, want %v\n%+v", round, from.Addr(), port, got, want, acl.Rules)
				}
			}
		}
	}
}

// permits reads an access list line by line, for a datagram.
func permits(a *config.ACL, from, to netip.Addr, port uint16) bool {
	for _, r := range a.Rules {
		last := max(r.PortFirst, r.PortLast)
		switch {
		case r.Protocol != "udp" && r.Protocol != "ip":
		case r.Source.Prefix.IsValid() && !r.Source.Prefix.Contains(from):
		case r.Destination.Prefix.IsValid() && !r.Destination.Prefix.Contains(to):
		case r.PortFirst != 0 && (port < r.PortFirst || port > last):
		default:
			return r.Action == "permit"
		}
	}
	return false
}

func TestADroppedPeerIsAnAlarm(t *testing.T) {
	w := newWorld(t)
	n, raised := alarmedNet(t)
	cfg := sipConfig()
	pbx := cfg.CS[0].Interfaces[2]
	pbx.Trust = []config.Source{{Prefix: netip.MustParsePrefix("192.168.1.200/32")}}
	must(n.Apply(cfg))(t)
	w.address("peth00", "192.168.1.100/24", "192.168.1.7/24")
	w.atPeer(func() { waitRunning(t, "peth00") })
	now := time.Now()
	knock := func(from string) {
		w.reaches(t, "udp", from, "192.168.1.1:5060", false)
		now = now.Add(countInterval)
		check(t, n.counts.read(now, n.o.Health))
	}
	alarmed := func(from string) { // the kernel may still be busy with the first one
		for end := time.Now().Add(patience); len(raised()) == 0 && time.Now().Before(end); {
			knock(from)
		}
	}
	knock("192.168.1.7")
	if len(raised()) > 0 {
		t.Errorf("a stranger is an alarm: %v", raised())
	}
	alarmed("192.168.1.100")
	if text := raised()["peer-shut-out "+pbx.Name]; !strings.Contains(text, "in no trust line of context sip-gateway gw_sip_lan_5060") {
		t.Errorf("alarms %v", raised())
	}
	lan := cfg.IP[0].Interfaces[0]
	lan.MTU = 1400
	must(n.Apply(cfg))(t)
	if len(raised()) != 1 {
		t.Errorf("after rules that have changed elsewhere: %v", raised())
	}
	now = now.Add(quietPeer)
	check(t, n.counts.read(now, n.o.Health))
	if len(raised()) > 0 {
		t.Errorf("after a while without packets: %v", raised())
	}
	alarmed("192.168.1.100")
	pbx.Trust = append(pbx.Trust, config.Source{Remote: true})
	must(n.Apply(cfg))(t)
	if len(raised()) > 0 {
		t.Errorf("with a trust line: %v", raised())
	}
	knock("192.168.1.100")
	if len(raised()) > 0 {
		t.Errorf("what comes in is an alarm: %v", raised())
	}
	cfg.ACL = []*config.ACL{{Name: "LAN", Rules: []config.ACLRule{{Index: 1, Action: "permit", Protocol: "tcp"}}}}
	cfg.IP[0].Interfaces[0].ACLIn.Name = "LAN"
	must(n.Apply(cfg))(t)
	alarmed("192.168.1.100")
	if text := raised()["peer-shut-out "+pbx.Name]; !strings.Contains(text, "a profile acl does not permit them") {
		t.Errorf("alarms %v", raised())
	}
}

// Teams calls from whichever of its hubs: with its remote alone trusted, most calls would stay away without a word.
func TestAHubOfTeamsThatIsNotTrustedIsAnAlarm(t *testing.T) {
	w := newWorld(t)
	n, raised := alarmedNet(t)
	cfg := sipConfig()
	for _, i := range cfg.CS[0].Interfaces[:2] {
		i.Trust = []config.Source{{Remote: true}}
	}
	must(n.Apply(cfg))(t)
	w.address("peth01", "123.123.123.113/28", "52.114.75.24/32", "52.112.7.7/32")
	w.atPeer(func() { waitRunning(t, "peth01") })
	for from, alarm := range map[string]bool{"52.114.75.24": false, "52.112.7.7": true} {
		for end := time.Now().Add(patience); len(raised()) == 0 && time.Now().Before(end); {
			w.reaches(t, "tcp", from, "123.123.123.123:5062", !alarm)
			if check(t, n.counts.read(time.Now(), n.o.Health)); !alarm {
				break
			}
		}
		if (len(raised()) == 1) != alarm {
			t.Errorf("from %s: alarms %v", from, raised())
		}
		n.o.Health.Replace(health.PeerShutOut, nil)
	}
}

// BenchmarkApplyLarge writes 2,000 rules of an access list, 5,000 trusted networks and as many of the console.
func BenchmarkApplyLarge(b *testing.B) {
	newWorld(b)
	n := must(New(Options{Log: slog.New(slog.DiscardHandler), Cached: resolved}))(b)
	defer n.Close()
	cfg, other := large(2000, 5000), sipConfig()
	for b.Loop() {
		if _, err := n.Apply(cfg); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if _, err := n.Apply(other); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkRulesLarge makes the same rules without writing them, as once a second for names that have moved.
func BenchmarkRulesLarge(b *testing.B) {
	n := &Net{o: Options{PortName: PortName, Cached: resolved, Services: []Service{{"ssh", "tcp", 22}}}, owned: map[string]*owned{}}
	cfg := large(2000, 5000)
	for b.Loop() {
		j := &job{Net: n, cfg: cfg}
		for _, c := range cfg.Ports {
			j.ports = append(j.ports, &port{device: PortName(c.Slot, c.Port), conf: cfg.IP[0].Interfaces[c.Port], up: true, lan: c.Port == 0})
		}
		_ = j.build().set.String()
	}
}
