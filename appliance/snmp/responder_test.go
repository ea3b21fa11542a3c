package snmp

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// hostile is a name that a peer might like to have.
const hostile = "evil\x1b[2J\nroot\u202e\xff"

// busy is a box at work.
func busy() View {
	warm := 51.5
	return View{
		System: status.System{
			Product: "Viaduct SBC", Release: "9.9.9", Board: "sim", Serial: "0123456789", Uptime: 90 * time.Hour, Memory: 90 << 20, Temperature: &warm,
			RAM: status.Space{Free: 1 << 30, Total: 4 << 30}, Flash: status.Space{Free: 5 << 30, Total: 8 << 30}, Overload: status.Overload{Refused: 5_000_000_000},
			Processors: []status.Processor{{Busy: 10 * time.Second, Idle: 30 * time.Second}, {Busy: time.Second, Idle: 39 * time.Second}},
		},
		Clock: status.Clock{Now: time.Date(2026, 11, 29, 21, 45, 0, 0, time.UTC), Synced: true},
		Ports: []status.Port{
			{Name: "eth00", Context: "ROUTER", Interface: "if_lan", Enabled: true, State: status.LinkUp, MAC: "02:00:00:00:00:01", MTU: 1500, Speed: 10000,
				Rx: status.Counters{Packets: 7, Octets: 1 << 40, Errors: 1, Dropped: 2}, Tx: status.Counters{Packets: 8, Octets: 3 << 33}},
			{Port: 1, Name: "eth01", Interface: hostile, State: status.LinkDown},
			{Port: 1, VLAN: 40, Name: "eth01.40", Enabled: true, State: status.LinkNoCarrier},
		},
		Calls: []status.Call{
			{ID: "1", State: status.CallConnected, Legs: []status.Leg{{Interface: "if_pbx", Media: status.Media{Received: 100, Sent: 90, Lost: 3, JitterMS: 1.5, RoundTripMS: 20, MOS: 4.2}}, {Interface: "if_gone"}}},
			{ID: "2", State: status.CallRinging},
		},
		Licenses:      status.Licenses{Pools: []status.Pool{{Name: "sip-sessions", Total: 4, Alloc: 1, Free: 3}}, Peaks: []status.Peak{{Name: "sip-sessions", Most: 4, Refused: 2}}},
		Registrations: []status.Registration{{Gateway: "gw", Identity: "user.01", AOR: "sip:user.01@pbx", State: status.Registered, Code: 200, Reason: "OK"}, {Identity: hostile, State: status.RegistrationFailed, Code: 403, Reason: hostile}},
		Peers: []status.Peer{{Interface: "if_pbx", Peer: "192.0.2.10:5060", State: status.PeerUp, Code: 200, Answer: "200 OK", RTT: 12 * time.Millisecond, Heard: time.Date(2026, 11, 29, 21, 0, 0, 0, time.UTC), Messages: status.SIPTraffic{
			Received: status.SIPMessages{Requests: []status.SIPCount{{Of: "INVITE", N: 5_000_000_000}, {Of: "other", N: 2}}, Responses: []status.SIPCount{{Of: "200", N: 3}}, Repeated: 4},
			Sent:     status.SIPMessages{Requests: []status.SIPCount{{Of: "BYE", N: 6}}, Responses: []status.SIPCount{{Of: "4xx", N: 7}, {Of: "486", N: 1}}, Repeated: 9}}}, {Interface: "if_teams", State: status.PeerDown, Answer: hostile}},
		Gateways:   []status.Gateway{{Name: "gw", Connections: 2, Requests: 6_000_000_000, Untrusted: 12}},
		Alarms:     []health.Alarm{{ID: "link-down", Severity: health.Error, Subject: "eth01", Text: "port eth01 has no link", Advice: "Plug it in", Since: time.Date(2026, 11, 29, 20, 0, 0, 0, time.UTC)}},
		Redundancy: status.Redundancy{State: status.PairActive, Box: 1, Reign: 4, Other: status.PairOther{Serial: hostile, Eligible: true}, Differences: []status.PairDifference{{What: "firmware"}}},
		Consoles:   1,
	}
}

const (
	community = "n0c-reads"
	password  = "correct-horse"
	secret    = "battery-staple"
)

func usual() Settings {
	return Settings{Hostname: "sbc", SNMP: config.SNMP{
		Community: community, Port: 161, Contact: "noc@example.com", Location: "Berlin",
		Users: []config.SNMPUser{{Name: "noc", Authentication: password, Privacy: secret}, {Name: "plain", Authentication: password}},
	}}
}

// rig is a responder on the loopback.
type rig struct {
	*Responder
	alarms *health.Tracker
	at     netip.AddrPort
	log    *safe
	saved  []byte
	views  int
}

// safe is a buffer that one goroutine writes and another one reads.
type safe struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// still makes a responder that does not run; its engine has started.
func still(t testing.TB, s Settings) *rig {
	g := &rig{alarms: &health.Tracker{}, log: &safe{}}
	g.Responder = New(Options{
		Log: slog.New(slog.NewTextHandler(g.log, nil)), Health: g.alarms, View: func() View { g.views++; return busy() }, Processors: func() []status.Processor { return busy().System.Processors },
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr(host)}, nil
		},
		Load: func() ([]byte, error) { return g.saved, nil },
		Save: func(b []byte) error { g.saved = b; return nil },
	})
	g.seen = newSeen()
	g.shown.Store(&shown{})
	s.Local = nil
	g.wanted.Store(&s)
	d := newDoor(t.Context(), g.alarms)
	if err := g.follow(d); err != nil {
		t.Fatal(err)
	}
	return g
}

// serving runs a responder at a port of the loopback.
func serving(t *testing.T, s Settings) *rig {
	t.Helper()
	g := still(t, Settings{})
	g.now = &Settings{}
	s.Local, s.Port = []netip.Addr{netip.MustParseAddr("127.0.0.1")}, free(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	g.Apply(s)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for len(g.Status().Listeners) == 0 {
		time.Sleep(5 * time.Millisecond)
		if t.Failed() || t.Context().Err() != nil {
			t.Fatal("it does not listen")
		}
	}
	g.at = g.Status().Listeners[0]
	return g
}

// tool runs a program of net-snmp without files of the machine it runs on.
func tool(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	dir := t.TempDir()
	docs, _ := filepath.Abs("../../docs")
	base, _ := filepath.Abs("testdata/mibs")
	if err := os.Mkdir(filepath.Join(dir, "cert_indexes"), 0o700); err != nil {
		t.Fatal(err) // net-snmp makes it, too, and says so
	}
	cmd.Env = append(os.Environ(), "SNMPCONFPATH="+dir, "SNMP_PERSISTENT_DIR="+dir, "MIBDIRS="+base+":"+docs, "MIBS=VIADUCT-SBC-MIB")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (g *rig) v2c(community string) []string { return []string{"-v2c", "-c", community, "-t20", "-r1"} }

func v3(user, level string, password, secret string) []string {
	args := []string{"-v3", "-u", user, "-l", level, "-a", "SHA-256", "-A", password, "-t20", "-r1"}
	if level == "authPriv" {
		args = append(args, "-x", "AES", "-X", secret)
	}
	return args
}

// A walk with each tool and each version says the same, and all of it.
func TestStationsWalk(t *testing.T) {
	g := serving(t, usual())
	want := len(shower().build(busy()))
	began := time.Now()
	for _, how := range [][]string{g.v2c(community), v3("noc", "authPriv", password, secret), v3("plain", "authNoPriv", password, "")} {
		for _, name := range []string{"snmpwalk", "snmpbulkwalk"} {
			args := append(how, "-On", g.at.String(), ".1")
			out, err := tool(t, name, args...)
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if err != nil || len(lines) < want {
				t.Fatalf("%s %q: %v, %d lines, want %d\n%s", name, args, err, len(lines), want, out)
			}
			for _, part := range []string{
				".1.3.6.1.2.1.1.5.0 = STRING: \"sbc\"", ".1.3.6.1.2.1.31.1.1.1.6.1 = Counter64: 1099511627776", ".1.3.6.1.2.1.2.2.1.10.1 = Counter32: 0",
				".1.3.6.1.2.1.2.2.1.8.20040 = INTEGER: 7", ".1.3.6.1.2.1.2.2.1.6.1 = Hex-STRING: 02 00 00 00 00 01", ".1.3.6.1.2.1.2.2.1.5.1 = Gauge32: 4294967295",
				".1.3.6.1.2.1.25.2.3.1.6.1 = INTEGER: 3145728", ".1.3.6.1.2.1.25.3.3.1.2.1 = INTEGER: 25", ".1.3.6.1.3.9999.1.2.6.0 = Counter64: 5000000000",
			} {
				if !strings.Contains(out, part) {
					t.Errorf("%s does not say %s", name, part)
				}
			}
		}
	}
	if took := time.Since(began); g.views > 6+int(took/viewEvery) {
		t.Errorf("six walks asked the engines %d times in %v", g.views, took)
	}
}

func TestStationsGet(t *testing.T) {
	g := serving(t, usual())
	for oid, want := range map[string]string{
		"VIADUCT-SBC-MIB::viaductRelease.0":               `VIADUCT-SBC-MIB::viaductRelease.0 = STRING: 9.9.9`,
		"VIADUCT-SBC-MIB::viaductTemperature.0":           `VIADUCT-SBC-MIB::viaductTemperature.0 = INTEGER: 515`,
		"VIADUCT-SBC-MIB::viaductClockSynchronised.0":     `VIADUCT-SBC-MIB::viaductClockSynchronised.0 = INTEGER: true(1)`,
		"VIADUCT-SBC-MIB::viaductRegistrationState.2":     `VIADUCT-SBC-MIB::viaductRegistrationState.2 = INTEGER: failed(3)`,
		"VIADUCT-SBC-MIB::viaductRegistrationReason.2":    `VIADUCT-SBC-MIB::viaductRegistrationReason.2 = STRING: evil\x1b[2J\x0aroot\u202e\xff`,
		"VIADUCT-SBC-MIB::viaductPeerRequestsReceived.1":  `VIADUCT-SBC-MIB::viaductPeerRequestsReceived.1 = Counter64: 5000000002`,
		"VIADUCT-SBC-MIB::viaductPeerRequestsSent.1":      `VIADUCT-SBC-MIB::viaductPeerRequestsSent.1 = Counter64: 6`,
		"VIADUCT-SBC-MIB::viaductPeerResponsesReceived.1": `VIADUCT-SBC-MIB::viaductPeerResponsesReceived.1 = Counter64: 3`,
		"VIADUCT-SBC-MIB::viaductPeerResponsesSent.1":     `VIADUCT-SBC-MIB::viaductPeerResponsesSent.1 = Counter64: 8`,
		"VIADUCT-SBC-MIB::viaductPeerRepeatedReceived.1":  `VIADUCT-SBC-MIB::viaductPeerRepeatedReceived.1 = Counter64: 4`,
		"VIADUCT-SBC-MIB::viaductPeerRepeatedSent.1":      `VIADUCT-SBC-MIB::viaductPeerRepeatedSent.1 = Counter64: 9`,
		"VIADUCT-SBC-MIB::viaductPeerHeard.1":             `VIADUCT-SBC-MIB::viaductPeerHeard.1 = STRING: 2026-11-29,21:0:0.0,+0:0`,
		"VIADUCT-SBC-MIB::viaductSoundMos.1":              `VIADUCT-SBC-MIB::viaductSoundMos.1 = Gauge32: 420`,
		"VIADUCT-SBC-MIB::viaductAlarmSeverity.1":         `VIADUCT-SBC-MIB::viaductAlarmSeverity.1 = INTEGER: error(3)`,
		"VIADUCT-SBC-MIB::viaductRelease.1":               `VIADUCT-SBC-MIB::viaductRelease.1 = No Such Instance currently exists at this OID`,
		"VIADUCT-SBC-MIB::viaductPeerIndex.1":             `VIADUCT-SBC-MIB::viaductPeerIndex.1 = No Such Object available on this agent at this OID`,
	} {
		out, err := tool(t, "snmpget", append(g.v2c(community), g.at.String(), oid)...)
		if err != nil || strings.TrimSpace(out) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", oid, err, out, want)
		}
	}
	out, err := tool(t, "snmpset", append(g.v2c(community), g.at.String(), ".1.3.6.1.2.1.1.4.0", "s", "me")...)
	if err == nil || !strings.Contains(out, "noAccess") {
		t.Errorf("a write: %v\n%s", err, out)
	}
}

// What the MIB file says and what the box has are the same, with the same types.
func TestTheMIBIsRight(t *testing.T) {
	g := serving(t, usual())
	out, err := tool(t, "snmptranslate", "-Pew", "-On", "VIADUCT-SBC-MIB::viaductSbcMIB")
	if err != nil || strings.TrimSpace(out) != viaduct.String() {
		t.Fatalf("the root: %v\n%s", err, out)
	}
	out, err = tool(t, "snmpbulkwalk", append(g.v2c(community), g.at.String(), "VIADUCT-SBC-MIB::viaductSbcMIB")...)
	if err != nil || strings.Contains(out, "Wrong Type") {
		t.Fatalf("%v\n%s", err, out)
	}
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^VIADUCT-SBC-MIB::(\w+)(\.\d+) = `).FindAllStringSubmatch(out, -1) {
		seen[m[1]] = true
	}
	if n := strings.Count(out, "\n"); n != len(regexp.MustCompile(`(?m)^VIADUCT-SBC-MIB::(\w+)(\.\d+) = `).FindAllString(out, -1)) {
		t.Errorf("the MIB does not name all of\n%s", out)
	}
	for _, line := range regexp.MustCompile(`(\w+) OBJECT-TYPE\n    SYNTAX [^\n]*\n(?:    UNITS [^\n]*\n)?    MAX-ACCESS read-only`).FindAllStringSubmatch(readMIB(t), -1) {
		if !seen[line[1]] {
			t.Errorf("the box does not have %s", line[1])
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d objects", len(seen))
	}
}

func readMIB(t *testing.T) string {
	text, err := os.ReadFile("../../docs/VIADUCT-SBC-MIB.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Whoever has no right gets nothing, or a report that says why.
func TestStrangersAreRefused(t *testing.T) {
	g := serving(t, usual())
	short := func(args []string) []string { return append(args, "-t0.2", "-r0") }
	for _, x := range []struct {
		how  []string
		want string
		not  func(status.SNMP) uint64
	}{
		{short(g.v2c("public")), "Timeout", func(s status.SNMP) uint64 { return s.Communities }},
		{short([]string{"-v1", "-c", community}), "Timeout", func(s status.SNMP) uint64 { return s.Malformed }},
		{v3("nobody", "authPriv", password, secret), "Unknown user name", func(s status.SNMP) uint64 { return s.Users }},
		{v3("noc", "authPriv", "wrong-wrong", secret), "Authentication failure", func(s status.SNMP) uint64 { return s.Passwords }},
		{v3("noc", "authPriv", password, "wrong-wrong"), "Decryption error", func(s status.SNMP) uint64 { return s.Passwords }},
		{v3("noc", "authNoPriv", password, ""), "Unsupported security level", func(s status.SNMP) uint64 { return s.Levels }},
		{v3("plain", "authPriv", password, secret), "Unsupported security level", func(s status.SNMP) uint64 { return s.Levels }},
		{[]string{"-v3", "-u", "noc", "-l", "noAuthNoPriv"}, "Unsupported security level", func(s status.SNMP) uint64 { return s.Levels }},
	} {
		before := x.not(g.Status())
		out, err := tool(t, "snmpget", append(x.how, g.at.String(), ".1.3.6.1.2.1.1.5.0")...)
		if err == nil || !strings.Contains(out, x.want) || strings.Contains(out, "sbc") {
			t.Errorf("%q: %v\n%s", x.how, err, out)
		}
		if x.not(g.Status()) <= before {
			t.Errorf("%q was not counted: %+v", x.how, g.Status())
		}
	}
	if log := g.log.String(); !strings.Contains(log, "snmp request refused") || strings.Contains(log, password) || strings.Count(log, "refused") != 1 {
		t.Errorf("the log says %s", log)
	}

	s := usual()
	s.Access = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	g.Apply(s2(s, g.at))
	for g.Status().Strangers == 0 {
		if out, err := tool(t, "snmpget", append(short(g.v2c(community)), g.at.String(), ".1.3.6.1.2.1.1.5.0")...); err == nil && g.Status().Strangers > 0 {
			t.Fatalf("somebody without access: %s", out)
		}
	}
}

// s2 keeps the socket of a responder that runs.
func s2(s Settings, at netip.AddrPort) Settings {
	s.Local, s.Port = []netip.Addr{at.Addr()}, at.Port()
	return s
}

// trapd is Debian's snmptrapd.
func trapd(t *testing.T, conf string) (port uint16, said func() string) {
	t.Helper()
	dir := t.TempDir()
	out := &safe{}
	port = free(t)
	file := filepath.Join(dir, "snmptrapd.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	docs, _ := filepath.Abs("../../docs")
	base, _ := filepath.Abs("testdata/mibs")
	cmd := exec.CommandContext(t.Context(), "snmptrapd", "-f", "-Lo", "-C", "-c", file, "-x", filepath.Join(dir, "agentx"), "-p", filepath.Join(dir, "pid"), fmt.Sprintf("udp:127.0.0.1:%d", port))
	cmd.Env = append(os.Environ(), "SNMPCONFPATH="+dir, "SNMP_PERSISTENT_DIR="+dir, "MIBDIRS="+base+":"+docs, "MIBS=VIADUCT-SBC-MIB")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return port, out.String
}

func free(t *testing.T) uint16 {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// until waits for a text.
func until(t *testing.T, said func() string, want ...string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		all := true
		for _, w := range want {
			all = all && strings.Contains(said(), w)
		}
		if all {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s\nwant %q", said(), want)
		}
	}
}

func TestTrapsArrive(t *testing.T) {
	g := serving(t, usual())
	conf := fmt.Sprintf("createUser -e 0x%s noc SHA-256 %s AES %s\nauthUser log noc authPriv\nauthCommunity log %s\n", g.Status().Engine, password, secret, community)
	port, said := trapd(t, conf)
	until(t, said, "NET-SNMP version")
	s := s2(usual(), g.at)
	s.Targets = []config.SNMPTarget{{Host: "127.0.0.1", Port: port}, {Host: "127.0.0.1", Port: port, User: "noc"}}
	g.Apply(s)
	for g.Status().Traps < 2 { // until the targets are in force, nothing is sent
		g.Link("eth00", true)
		time.Sleep(10 * time.Millisecond)
	}
	until(t, said, "snmpModules.1.1.5.4", ".2.2.1.8.1 = INTEGER: 1")
	g.Link("eth00", false)
	until(t, said, "snmpModules.1.1.5.3", ".2.2.1.7.1 = INTEGER: 1", ".2.2.1.8.1 = INTEGER: 2")
	g.alarms.Set(health.NameServersSilent, health.Args{"why": "192.0.2.53 is silent\x1b[2J"})
	until(t, said, "VIADUCT-SBC-MIB::viaductAlarmRaised", "viaductNotifiedId.0 = STRING: "+health.NameServersSilent.ID, `is silent\x1b[2J`)
	g.alarms.Clear(health.NameServersSilent, "")
	until(t, said, "VIADUCT-SBC-MIB::viaductAlarmCleared")
	tool(t, "snmpget", append(append(g.v2c("public"), "-t0.2", "-r0"), g.at.String(), ".1.3.6.1.2.1.1.5.0")...)
	until(t, said, "snmpModules.1.1.5.5")
	if g.Status().TrapsLost > 0 {
		t.Errorf("%+v", g.Status())
	}
	if n := strings.Count(said(), "viaductAlarmCleared"); n != 2 {
		t.Errorf("%d notifications of v2c and v3\n%s", n, said())
	}
}

// What was wrong before the first configuration was read is told to its targets.
func TestTrapsTellOfTheStart(t *testing.T) {
	g := still(t, Settings{})
	g.alarms.Set(health.RelayDown, health.Args{"why": "no descriptors"})
	g.alarms.Clear(health.RelayDown, "")
	g.now = &Settings{}
	g.wanted.Store(nil)
	conf := "authCommunity log " + community + "\n"
	port, said := trapd(t, conf)
	until(t, said, "NET-SNMP version")
	s := usual()
	s.Local, s.Port, s.Targets = []netip.Addr{netip.MustParseAddr("127.0.0.1")}, free(t), []config.SNMPTarget{{Host: "127.0.0.1", Port: port}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- g.Run(ctx) }()
	time.Sleep(50 * time.Millisecond) // whatever Run does before it knows the targets, it must not lose the events
	g.Apply(s)
	until(t, said, "snmpModules.1.1.5.1", "viaductAlarmRaised", "viaductAlarmCleared")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
