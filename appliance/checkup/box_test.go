package checkup

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/names"
	"viaduct/appliance/sipua"
	"viaduct/appliance/status"
)

// fake is a box that answers what a test says.
type fake struct {
	cfg           *config.Config
	interfaces    []status.IPInterface
	gateways      []status.Gateway
	peers         []status.Peer
	registrations []status.Registration
	licenses      status.Licenses
	clock         status.Clock
	measured      []status.TimeServer
	records       []status.Record
	refused       *sipua.Refused
	unclear       error // ends the trial of accounts
	trials        int
	presence      []status.CheckStep
	fleet         status.Fleet
	pair          status.Redundancy
}

func (f *fake) TestPresence(_ context.Context, _ string, report func(status.CheckStep)) (status.Checkup, error) {
	for _, x := range f.presence {
		report(x)
	}
	return status.Checkup{}, nil
}

func (f *fake) Fleet() status.Fleet                              { return f.fleet }
func (f *fake) Redundancy() status.Redundancy                    { return f.pair }
func (f *fake) Effective() *config.Config                        { return f.cfg }
func (f *fake) IPInterfaces() []status.IPInterface               { return f.interfaces }
func (f *fake) Neighbours() ([]status.Neighbour, error)          { return nil, nil }
func (f *fake) AskNeighbour(netip.Addr) error                    { return nil }
func (f *fake) Gateways() []status.Gateway                       { return f.gateways }
func (f *fake) Peers() []status.Peer                             { return f.peers }
func (f *fake) Registrations() []status.Registration             { return f.registrations }
func (f *fake) Licenses() status.Licenses                        { return f.licenses }
func (f *fake) Clock() status.Clock                              { return f.clock }
func (f *fake) CallRecords(int) ([]status.Record, error)         { return slices.Clone(f.records), nil }
func (f *fake) MeasureClock(context.Context) []status.TimeServer { return f.measured }
func (f *fake) Certificates(string) ([]*x509.Certificate, error) { return nil, fs.ErrNotExist }
func (f *fake) PrivateKey(string) (crypto.Signer, error)         { return nil, fs.ErrNotExist }
func (f *fake) TryAccounts(context.Context, string) (int, *sipua.Refused, error) {
	f.trials++
	if f.unclear != nil {
		return 0, nil, f.unclear
	}
	return len(f.registrations), f.refused, nil
}
func (f *fake) Question(context.Context, config.InterfaceID, string) (sipua.Question, error) {
	return sipua.Question{}, errors.New("nobody is asked")
}

// sound is the configuration of a box with a hub of Teams and a PBX, by addresses, so that nothing is looked up.
func sound() *fake {
	cfg := config.New()
	wan := &config.IPInterface{Name: "WAN", Addresses: []config.IPAddress{{Name: "WAN", Prefix: netip.MustParsePrefix("203.0.113.7/28")}}}
	lan := &config.IPInterface{Name: "LAN", Addresses: []config.IPAddress{{Name: "LAN", Prefix: netip.MustParsePrefix("192.168.1.1/24")}}}
	wan.SetDefaults()
	lan.SetDefaults()
	cfg.IP = []*config.IPContext{{Name: "ROUTER", Interfaces: []*config.IPInterface{wan, lan},
		Tables: []*config.RoutingTableIP{{Name: "DEFAULT", Routes: []config.IPRoute{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("203.0.113.1")}}}}}}
	bind := func(name string) config.AddressBind {
		b := config.AddressBind{Address: name}
		b.Context.Name, b.Interface.Name = "ROUTER", name
		return b
	}
	cfg.Gateways = []*config.SIPGateway{
		{Name: "GW_WAN", Enabled: true, Interfaces: []*config.GatewayInterface{{Name: "GW_WAN", TLS: 5062, Bind: bind("WAN"), SpoofedContact: config.Spoofed{Host: "sbc.example.com", Port: 5062}}}},
		{Name: "GW_LAN", Enabled: true, Interfaces: []*config.GatewayInterface{{Name: "GW_LAN", UDPTCP: 5060, Bind: bind("LAN")}}},
	}
	sip := func(name, gateway, host string, port uint16, trust ...config.Source) *config.SIPInterface {
		i := &config.SIPInterface{Context: "SWITCH", Name: name, Remote: config.HostPort{Host: host, Port: port}, Trust: trust}
		i.Gateway.Name = gateway
		return i
	}
	cfg.CS = []*config.Switch{{Name: "SWITCH", Enabled: true, Interfaces: []*config.SIPInterface{
		sip("TEAMS", "GW_WAN", "52.112.0.1", 5061, config.Source{Teams: true}), sip("PBX", "GW_LAN", "192.168.1.100", 5060),
	}}}
	return &fake{cfg: cfg, interfaces: []status.IPInterface{
		{Context: "ROUTER", Name: "WAN", Port: "eth01", State: status.LinkUp, Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.7/28")}},
		{Context: "ROUTER", Name: "LAN", Port: "eth00", State: status.LinkUp, Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.1.1/24")}},
	}}
}

func checker(t *testing.T, f *fake) *Checker {
	t.Helper()
	r := names.New(func() []netip.AddrPort { return nil })
	t.Cleanup(r.Close)
	return Open(Options{Log: slog.New(slog.DiscardHandler), Box: f, Resolver: r, Health: &health.Tracker{}})
}

// outcomeOf runs one step alone, for its first subject.
func outcomeOf(t *testing.T, f *fake, id string) status.CheckStep {
	t.Helper()
	s := checker(t, f).survey()
	n := slices.IndexFunc(steps, func(d step) bool { return d.id == id })
	alone := steps[n]
	alone.after = nil
	tasks := plan(s, []step{alone}, all)
	if len(tasks) == 0 {
		t.Fatalf("%s has no subject", id)
	}
	return tasks[0].outcome(t.Context(), s)
}

func TestAStepThatDependsOnAFailureIsSkipped(t *testing.T) {
	f := sound()
	f.interfaces[0].State = status.LinkNoCarrier
	s := checker(t, f).survey()
	var ran []string
	table := []step{
		{id: "link", title: "Link", of: "of", part: all, subjects: sidesOf(false), run: checkLink},
		{id: "next", title: "Next", of: "of", part: all, after: []string{"link"}, subjects: sidesOf(false), run: func(_ context.Context, _ *survey, x subject) finding {
			ran = append(ran, x.name)
			return ok()
		}},
		{id: "hub", title: "Hub", part: teams, after: []string{"next"}, subjects: peersOf(teams, true), run: func(context.Context, *survey, subject) finding { return ok() }},
		{id: "box", title: "Box", part: all, after: []string{"next"}, run: func(context.Context, *survey, subject) finding { return ok("here") }},
	}
	var reported []string
	list := s.run(t.Context(), plan(s, table, all), func(x status.CheckStep) { reported = append(reported, x.Title) })
	want := []string{
		"link eth01 failed ", "link eth00 ok ", "next eth01 skipped Link of eth01", "next eth00 ok ", "hub 52.112.0.1 skipped Link of eth01",
		"box  ok ", // one of the two networks is enough for it
	}
	for n, x := range list {
		if got := x.ID + " " + x.Subject + " " + x.State.String() + " " + x.Because; got != want[n] {
			t.Errorf("got %q, want %q", got, want[n])
		}
	}
	if len(ran) != 1 || ran[0] != "eth00" || len(reported) != len(want) || reported[0] != "Link of eth01" {
		t.Errorf("ran %v, reported %v", ran, reported)
	}
	if got := plan(s, table, pbx); slices.ContainsFunc(got, func(x *task) bool { return x.subject.name == "eth01" || x.id == "hub" }) {
		t.Errorf("`check pbx` looks at Teams")
	}
}

func TestWhatPeersSayIsPrintable(t *testing.T) {
	f := sound()
	f.registrations = []status.Registration{{Gateway: "GW_LAN", Identity: "u\x1b[31m1", State: status.RegistrationFailed, Code: 403, Reason: "no\r\nFAILED   forged\x1b]0;x\a"}}
	x := outcomeOf(t, f, "registrations")
	text := x.Title + x.Problem + x.Advice + strings.Join(x.Seen, "") + strings.Join(x.Cure, "")
	if x.State != status.CheckFailed || strings.ContainsAny(text, "\r\n\x1b\a") || !strings.Contains(x.Problem, "403") || !strings.Contains(x.Advice, "password") {
		t.Errorf("%+v", x)
	}
	f.registrations[0] = status.Registration{Gateway: "GW_LAN", Identity: "user.01", State: status.Registered}
	f.refused = &sipua.Refused{Identity: "user.01", Answer: "403 Forbidden"}
	if x := outcomeOf(t, f, "registrations"); x.State != status.CheckFailed || !strings.Contains(x.Advice, "username user.01 password") || !slices.Equal(x.Cure, []string{"register now"}) {
		t.Errorf("a password that was changed since: %+v", x)
	}
	s := checker(t, f).survey()
	forged := step{id: "x", title: "X", run: func(context.Context, *survey, subject) finding {
		return ok("a\nb").fails("c\x1bd").by("e\x00f").paste("mtu 1400", "no shutdown\nerase startup-config")
	}}
	tasks := plan(s, []step{forged}, all)
	if got := tasks[0].outcome(t.Context(), s); len(got.Cure) > 0 || strings.ContainsAny(got.Problem+got.Advice+got.Seen[0], "\n\x1b\x00") {
		t.Errorf("%+v", got)
	}
}

func TestTheCureIsThatOfTheProblem(t *testing.T) {
	f := finding{}.warns("a").by("cure a").paste("line a")
	f = f.fails("b").by("cure b").paste("line b")
	f = f.warns("c").by("cure c").paste("line c")
	if f.state != status.CheckFailed || f.problem != "b" || f.advice != "cure b" || !slices.Equal(f.cure, []string{"line b"}) {
		t.Errorf("%+v", f)
	}
	if f = f.fails("d").by("cure d"); f.problem != "b; d" || f.advice != "cure d" {
		t.Errorf("%+v", f)
	}
	if f := (finding{}).fails("e"); f.advice != "" || len(f.cure) > 0 {
		t.Errorf("%+v", f)
	}
}

func TestABoxWithoutANameIsToldSo(t *testing.T) {
	f := sound()
	f.cfg.Gateways[0].Interfaces[0].SpoofedContact.Host = "203.0.113.7"
	if x := outcomeOf(t, f, "own-name"); x.State != status.CheckFailed || !strings.Contains(x.Advice, "spoofed contact-header") {
		t.Errorf("%+v", x)
	}
}

func TestAccessListsThatLeaveOutTeams(t *testing.T) {
	f := sound()
	list := &config.ACL{Name: "WAN_IN", Rules: []config.ACLRule{
		{Index: 20, Action: "permit", Protocol: "tcp", Source: config.ACLHost{Prefix: netip.MustParsePrefix("52.112.0.0/14")}, PortFirst: 5062},
		{Index: 30, Action: "permit", Protocol: "udp", Source: config.ACLHost{Prefix: netip.MustParsePrefix("52.112.0.0/13")}, PortFirst: 16384, PortLast: 32767},
		{Index: 40, Action: "deny", Protocol: "ip"},
	}}
	f.cfg.ACL = []*config.ACL{list}
	f.cfg.IP[0].Interfaces[0].ACLIn.Name = "WAN_IN"
	x := outcomeOf(t, f, "acl")
	want := []string{"configure", "profile acl WAN_IN", "rule 39 permit tcp microsoft-teams any port 5062", "profile acl WAN_IN", "rule 38 permit udp microsoft-teams any port 16384 32767", "end"}
	if x.State != status.CheckFailed || !strings.Contains(x.Problem, "52.122.0.0/16") || !strings.Contains(x.Problem, "rule 40 denies") || !slices.Equal(x.Cure, want) {
		t.Errorf("%+v", x)
	}
	list.Rules = append(list.Rules, config.ACLRule{Index: 38, Action: "permit", Protocol: "udp", Source: config.ACLHost{Teams: true}, PortFirst: 16384, PortLast: 32767},
		config.ACLRule{Index: 39, Action: "permit", Protocol: "tcp", Source: config.ACLHost{Teams: true}, PortFirst: 5062})
	if x := outcomeOf(t, f, "acl"); x.State != status.CheckOK {
		t.Errorf("after the cure: %+v", x)
	}
}

func TestTrustThatLeavesOutTeams(t *testing.T) {
	f := sound()
	f.cfg.CS[0].Interfaces[0].Trust = []config.Source{{Remote: true}, {Prefix: netip.MustParsePrefix("52.112.0.0/14")}}
	x := outcomeOf(t, f, "trust")
	if x.State != status.CheckFailed || !strings.Contains(x.Problem, "52.122.0.0/15") || !slices.Contains(x.Cure, "trust microsoft-teams") {
		t.Errorf("%+v", x)
	}
}

func TestAddressesBehindNAT(t *testing.T) {
	for _, c := range []struct {
		addr, media string
		want        status.CheckState
		says        string
	}{
		{"203.0.113.7/28", "", status.CheckOK, "public"},
		{"10.0.0.2/24", "203.0.113.7", status.CheckOK, "behind NAT"},
		{"10.0.0.2/24", "", status.CheckFailed, "does not know its public address"},
		{"100.100.1.2/24", "203.0.113.7", status.CheckFailed, "100.64.0.0/10"},
		{"203.0.113.7/28", "198.51.100.9", status.CheckWarning, "elsewhere"},
	} {
		f := sound()
		f.cfg.IP[0].Interfaces[0].Addresses[0].Prefix = netip.MustParsePrefix(c.addr)
		if c.media != "" {
			f.cfg.Gateways[0].Interfaces[0].SpoofedMedia = netip.MustParseAddr(c.media)
		}
		x := outcomeOf(t, f, "public")
		if text := x.Problem + strings.Join(x.Seen, " "); x.State != c.want || !strings.Contains(text, c.says) {
			t.Errorf("%+v: %+v", c, x)
		}
	}
}

func TestTheLargestPacketIsFound(t *testing.T) {
	for _, limit := range []int{1280, 1281, 1293, 1400, 1454, 1492, 1499} {
		least, most, rounds := 1280, 1500, 0
		for most-least > 1 {
			least, most = narrowed(least, most, func(size int) bool { return size <= limit })
			rounds++
		}
		if least != limit || rounds > 3 {
			t.Errorf("limit %d: found %d in %d rounds", limit, least, rounds)
		}
	}
}

func TestVoiceThatDoesNotArrive(t *testing.T) {
	f := sound()
	call := func(minutes int, fromTeams, fromPBX uint64) status.Record {
		ended := time.Now().Add(-time.Duration(minutes) * time.Minute)
		return status.Record{ID: "1", From: "TEAMS", To: "PBX", Started: ended.Add(-time.Minute), Connected: ended.Add(-time.Minute), Ended: ended,
			Media: []status.RecordMedia{{Media: status.Media{Received: fromTeams}}, {Media: status.Media{Received: fromPBX}}}}
	}
	for _, c := range []struct {
		records []status.Record
		want    status.CheckState
	}{
		{nil, status.CheckOK},
		{[]status.Record{call(90, 0, 3000), call(5, 3000, 3000)}, status.CheckOK},
		{[]status.Record{call(20, 0, 3000), call(5, 3000, 3000)}, status.CheckWarning},
		{[]status.Record{call(20, 3000, 3000), call(5, 0, 3000)}, status.CheckFailed},
	} {
		f.records = c.records
		if x := outcomeOf(t, f, "voice"); x.State != c.want {
			t.Errorf("%d calls: %+v", len(c.records), x)
		}
	}
	f.records = []status.Record{{From: "TEAMS", To: "PBX", Ended: time.Now(), Attempts: []status.Attempt{{Interface: "PBX", Code: 488, Text: "SIP;cause=488"}}}}
	f.cfg.VoIP = []*config.VoIPProfile{{Name: "V", Codecs: []config.Codec{{Index: 1, Name: "g729"}}}}
	f.cfg.CS[0].Interfaces[1].VoIP.Name = "V"
	s := checker(t, f).survey()
	if got := checkCodecs(t.Context(), s, subject{peer: s.peers[1]}); got.state != status.CheckFailed || !strings.Contains(got.problem, "g729") {
		t.Errorf("%+v", got)
	}
}

func TestClockAndLicenses(t *testing.T) {
	f := sound()
	f.cfg.SNTP = config.SNTP{Enabled: true, Servers: []*config.SNTPServer{{Role: "primary", Host: "ntp.example"}}}
	f.clock = status.Clock{Enabled: true, Synced: true}
	f.measured = []status.TimeServer{{Host: "ntp.example", Offset: time.Hour}}
	if x := outcomeOf(t, f, "clock"); x.State != status.CheckFailed || !strings.Contains(x.Problem, "1h0m0s behind") || !slices.Equal(x.Cure, []string{"clock sync"}) {
		t.Errorf("%+v", x)
	}
	f.measured[0] = status.TimeServer{Host: "ntp.example", Error: "query: i/o timeout"}
	if x := outcomeOf(t, f, "clock"); x.State != status.CheckWarning {
		t.Errorf("%+v", x)
	}
	f.licenses.Peaks = []status.Peak{{Name: "sip-sessions", Most: 4, Refused: 3}}
	f.licenses.Pools = []status.Pool{{Name: "sip-sessions", Total: 4, Alloc: 4}, {Name: "srtp-channels", Total: 2, Alloc: 1, Free: 1}}
	if x := outcomeOf(t, f, "licenses"); x.State != status.CheckFailed || !strings.Contains(x.Problem, "all 4 licenses sip-sessions") || !strings.Contains(x.Advice, "-MaxConcurrentSessions 2") {
		t.Errorf("%+v", x)
	}
	f.licenses.Pools[0] = status.Pool{Name: "sip-sessions", Total: 4, Free: 4}
	f.licenses.Peaks, f.licenses.Features = nil, []status.Feature{{Name: status.PhonesFeature}}
	if x := outcomeOf(t, f, "licenses"); x.State != status.CheckOK {
		t.Errorf("without phones: %+v", x)
	}
	f.cfg.CS[0].Interfaces = append(f.cfg.CS[0].Interfaces, &config.SIPInterface{Name: "PHONES", Phones: config.Ref[config.Config, config.LocationService]{Name: "LS"}})
	if x := outcomeOf(t, f, "licenses"); x.State != status.CheckFailed || !strings.Contains(x.Problem, "sip-registrar is missing: no phone can register") {
		t.Errorf("%+v", x)
	}
	f.licenses.Features[0].Enabled = true
	if x := outcomeOf(t, f, "licenses"); x.State != status.CheckOK {
		t.Errorf("with the license: %+v", x)
	}
}

func TestCAARecords(t *testing.T) {
	f := sound()
	f.cfg.TLS = []*config.TLSProfile{{Name: "T", Own: []config.OwnCertificate{{Index: 1, Name: "pki:certificate/sbc"}}}}
	f.cfg.Gateways[0].TLS.Name = "T"
	f.cfg.ACME = []*config.ACMEProfile{{Name: "sbc", Directory: config.LetsEncrypt}}
	s := checker(t, f).survey()
	x := subject{name: "sbc.example.com", owner: s.peers[0]}
	if got := s.judgeCAA(x, "example.com", []names.Authorization{{Tag: "issue", Value: "digicert.com"}}); got.state != status.CheckWarning || !strings.Contains(got.advice, "letsencrypt.org") {
		t.Errorf("%+v", got)
	}
	if got := s.judgeCAA(x, "example.com", []names.Authorization{{Tag: "issue", Value: " letsencrypt.org; accounturi=x"}}); got.state != status.CheckOK {
		t.Errorf("%+v", got)
	}
}

// A step that has nothing to look at does not say that all is well.
func TestACheckOfWhatIsNotThere(t *testing.T) {
	f := sound()
	f.cfg.CS[0].Interfaces = f.cfg.CS[0].Interfaces[1:]
	for of, want := range map[string]status.CheckState{teams: status.CheckFailed, all: status.CheckOK, pbx: status.CheckOK} {
		s := checker(t, f).survey()
		s.of = of
		if got := checkSwitches(t.Context(), s, subject{}); got.state != want || want == status.CheckFailed && !strings.Contains(got.problem, "Microsoft Teams") {
			t.Errorf("check %s of a box without Teams: %+v", of, got)
		}
	}
}

func TestTheIdentityWhosePasswordIsWrong(t *testing.T) {
	f := sound()
	f.registrations = []status.Registration{
		{Gateway: "GW_LAN", Identity: "user.01", State: status.RegistrationFailed, Error: "timeout"},
		{Gateway: "GW_LAN", Identity: "user.02", State: status.RegistrationFailed, Code: 403, Reason: "Forbidden"},
	}
	if x := outcomeOf(t, f, "registrations"); !strings.Contains(x.Advice, "username user.02 password") {
		t.Errorf("%+v", x)
	}
}

// What registrars say of passwords is asked once for each gateway, and an answer that says nothing of one is no yes.
func TestPasswordsAreTriedOnce(t *testing.T) {
	f := sound()
	other := *f.cfg.CS[0].Interfaces[1]
	other.Name, other.Remote.Host = "PBX2", "192.168.1.101"
	f.cfg.CS[0].Interfaces = append(f.cfg.CS[0].Interfaces, &other)
	f.registrations = []status.Registration{{Gateway: "GW_LAN", Identity: "user.01", Registrar: "192.168.1.100:5060", State: status.Registered}}
	s := checker(t, f).survey()
	for _, x := range registrars(s, all) {
		if got := checkRegistrations(t.Context(), s, x); got.state != status.CheckOK || !slices.Contains(got.seen, "1 password taken by the registrar") {
			t.Errorf("%s: %+v", x.name, got)
		}
	}
	if f.trials != 1 {
		t.Errorf("%d trials: a wrong password would be refused as often", f.trials)
	}
	for err, want := range map[error]status.CheckState{&sipua.Unclear{Answer: "405 Method Not Allowed"}: status.CheckOK, context.DeadlineExceeded: status.CheckWarning} {
		f.unclear = err
		if x := outcomeOf(t, f, "registrations"); x.State != want || strings.Contains(strings.Join(x.Seen, " "), "taken") {
			t.Errorf("%v: %+v", err, x)
		}
	}
}

// Who comes with a wrong password several times is banned by many PBXs.
func TestAWrongPasswordIsNotTriedAgain(t *testing.T) {
	f := sound()
	f.registrations = []status.Registration{{Gateway: "GW_LAN", Identity: "user.01", Registrar: "192.168.1.100", State: status.Registered, Expires: time.Now().Add(time.Hour)}}
	f.refused = &sipua.Refused{Identity: "user.01", Answer: "403 Forbidden"}
	c := checker(t, f)
	look := func(want status.CheckState, trials int) {
		t.Helper()
		s := c.survey()
		if got := checkRegistrations(t.Context(), s, registrars(s, all)[0]); got.state != want || f.trials != trials {
			t.Errorf("%d trials, %+v", f.trials, got)
		}
	}
	for range 5 {
		look(status.CheckFailed, 1)
	}
	other := *f.cfg
	f.cfg = &other // as after a change of the password here
	look(status.CheckFailed, 2)
	look(status.CheckFailed, 2)
	f.registrations[0].Expires = time.Now().Add(2 * time.Hour) // it was taken since: the PBX has the old password again
	f.refused = nil
	look(status.CheckOK, 3)
	look(status.CheckOK, 4)
}

// Some PBXs take calls and do not answer OPTIONS.
func TestAPBXThatDoesNotAnswerOptions(t *testing.T) {
	f := sound()
	if x := outcomeOf(t, f, "sip"); x.State != status.CheckFailed {
		t.Errorf("nothing is heard of it: %+v", x)
	}
	f.peers = []status.Peer{{Interface: "PBX", Responded: time.Now().Add(-time.Minute)}}
	if x := outcomeOf(t, f, "sip"); x.State != status.CheckWarning || !strings.Contains(x.Problem, "has answered a call") {
		t.Errorf("it takes calls: %+v", x)
	}
	f.registrations = []status.Registration{{Gateway: "GW_LAN", Identity: "user.01", Registrar: "192.168.1.100:5060", State: status.Registered}}
	if x := outcomeOf(t, f, "sip"); x.State != status.CheckWarning || !strings.Contains(x.Problem, "answers REGISTER") {
		t.Errorf("it answers REGISTER: %+v", x)
	}
	f.unclear = context.DeadlineExceeded
	if x := outcomeOf(t, f, "sip"); x.State != status.CheckFailed {
		t.Errorf("it answers nothing now, whatever it did a minute ago: %+v", x)
	}
}

// A cure does not put the network of the LAN at the port of the WAN by guessing.
func TestAnInterfaceThatIsBoundToNoPort(t *testing.T) {
	f := sound()
	f.interfaces[0].State, f.interfaces[0].Port = status.LinkNotBound, ""
	lan := &config.EthernetPort{Slot: 0, Port: 0}
	lan.Bind.Context.Name, lan.Bind.Interface.Name = "ROUTER", "LAN"
	f.cfg.Ports = []*config.EthernetPort{lan, {Slot: 0, Port: 1}}
	want := []string{"configure", "port ethernet 0 1", "bind interface ROUTER WAN", "no shutdown", "end"}
	if x := outcomeOf(t, f, "link"); x.State != status.CheckFailed || !slices.Equal(x.Cure, want) {
		t.Errorf("%+v", x)
	}
	f.cfg.Ports[1].Bind = lan.Bind
	if x := outcomeOf(t, f, "link"); x.State != status.CheckFailed || len(x.Cure) > 0 || !strings.Contains(x.Advice, "bind interface ROUTER WAN") {
		t.Errorf("no port is free: %+v", x)
	}
}
