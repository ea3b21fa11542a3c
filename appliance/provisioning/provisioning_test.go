package provisioning

import (
	"crypto/x509"
	"encoding/xml"
	"flag"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// Phones of the tests, each with its hardware address and the address that it has.
const (
	anna    = config.MAC("001565aabbcc") // Yealink
	bernd   = config.MAC("0004139922ff") // Snom
	clara   = config.MAC("7c2f80000001") // Gigaset, two handsets
	routed  = config.MAC("805ec0000005") // Yealink behind a router: only its line knows its address
	unknown = config.MAC("001565000001")
)

var local = netip.MustParseAddrPort("10.108.2.1:8080")

func addr(last byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 108, 2, last}) }

// testConfig is a box with phones of three makers.
func testConfig() *config.Config {
	c := config.New()
	c.Clock.Zone = "Europe/Berlin"
	c.SNTP = config.SNTP{Enabled: true, Servers: []*config.SNTPServer{{Role: "primary", Host: "ntp.example.test"}}}
	lan := config.AddressBind{Context: config.Ref[config.Config, config.IPContext]{Name: "ROUTER"}, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: "LAN"}, Address: "LAN"}
	c.IP = []*config.IPContext{{Name: "ROUTER", Interfaces: []*config.IPInterface{{Name: "LAN", Addresses: []config.IPAddress{{Name: "LAN", Prefix: netip.MustParsePrefix("10.108.2.1/24")}}}}}}
	c.Ports = []*config.EthernetPort{{Enabled: true, Bind: config.IPBind{Context: lan.Context, Interface: lan.Interface}}}
	c.Auth = []*config.AuthService{{Name: "AUTH", Users: []config.Credential{{Username: "21", Password: "correct horse"}, {Username: "phone22", Password: "b<at&t>ery \"staple\""}, {Username: "23", Password: "third-secret"}, {Username: "24", Password: "fourth-secret"}}}}
	auth := func(user string) *config.AuthInbound {
		return &config.AuthInbound{Services: []config.Authenticate{{Index: 1, Service: config.Ref[config.Config, config.AuthService]{Name: "AUTH"}, Username: user}}}
	}
	inbound := new(config.RegistrationInbound)
	inbound.SetDefaults()
	phones := config.IdentitySettings{AuthInbound: auth(""), Inbound: inbound, MessageWaiting: true}
	c.Location = []*config.LocationService{{Name: "LS", Domains: []config.Domain{{Index: 1, Host: "10.108.2.1"}}, Groups: []*config.IdentityGroup{{Name: "PHONES", IdentitySettings: phones}}, Identities: []*config.Identity{
		{Name: "21", Inherits: config.Ref[config.LocationService, config.IdentityGroup]{Name: "PHONES"}, DisplayName: "Anna", CallerID: "+4972115104221"},
		{Name: "22", Inherits: config.Ref[config.LocationService, config.IdentityGroup]{Name: "PHONES"}, DisplayName: `Bernd <&"> Böse`, IdentitySettings: config.IdentitySettings{AuthInbound: auth("phone22")}},
		{Name: "23", Inherits: config.Ref[config.LocationService, config.IdentityGroup]{Name: "PHONES"}},
		{Name: "24", Inherits: config.Ref[config.LocationService, config.IdentityGroup]{Name: "PHONES"}},
	}}}
	here := config.Ref[config.Config, config.LocationService]{Name: "LS"}
	voip := new(config.VoIPProfile)
	voip.SetDefaults()
	voip.Name, voip.SRTP, voip.Codecs = "PHONES", "preferred", []config.Codec{{Index: 2, Name: "g711alaw64k"}, {Index: 1, Name: "g722"}}
	c.VoIP = []*config.VoIPProfile{voip}
	c.CS = []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{{Context: "SWITCH", Name: "IF_PHONES", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "GW"}, Phones: here,
		VoIP: config.Ref[config.Config, config.VoIPProfile]{Name: "PHONES"}}}}}
	c.Gateways = []*config.SIPGateway{{Name: "GW", Enabled: true, Interfaces: []*config.GatewayInterface{{Name: "LAN", UDPTCP: 5070, TLS: 5071, Bind: lan}}}}
	p := &config.ProvisioningService{Name: "PROV"}
	p.SetDefaults()
	p.Enabled, p.Bind, p.HTTP.Port, p.Location, p.Administrator = true, lan, 8080, here, "admin & secret"
	p.Phones = []config.ProvisionedPhone{
		{MAC: anna, Model: "yealink-t46s", Identity: "21", Label: "Anna Meier"}, {MAC: bernd, Model: "snom-d735", Identity: "22"},
		{MAC: clara, Model: "gigaset-n670", Identity: "23", Label: "Hall"}, {MAC: clara, Model: "gigaset-n670", Identity: "24", Label: "Shop"},
		{MAC: routed, Model: "yealink-t31p", Identity: "21", Address: config.ACLHost{Prefix: netip.MustParsePrefix("192.0.2.5/32")}},
	}
	c.Provisioning = []*config.ProvisioningService{p}
	return c
}

// bench is a Server without sockets.
type bench struct {
	*testing.T
	*Server
	cfg       *config.Config
	alarms    health.Tracker
	log       *strings.Builder
	templates map[string][]byte
	saved     []byte

	mu     sync.Mutex
	arp    map[netip.Addr]string
	states map[netip.Addr]status.NeighbourState // reachable, if none is here
	ask    func(netip.Addr)                     // what comes of a question; nil: nothing
	root   *x509.Certificate
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, cfg: testConfig(), log: new(strings.Builder), templates: map[string][]byte{}}
	b.arp = map[netip.Addr]string{addr(21): anna.String(), addr(22): bernd.String(), addr(23): clara.String(), addr(66): "02:00:00:00:00:66"}
	b.begin()
	return b
}

// begin is what each start of the box does.
func (b *bench) begin() {
	b.Server = New(Options{
		Log: slog.New(slog.NewTextHandler(lockedWriter{b}, nil)), Health: &b.alarms, Config: func() *config.Config { return b.cfg },
		Sealed: func(s config.Secret) bool { return strings.HasPrefix(string(s), "sealed:") },
		Neighbours: func() (list []status.Neighbour, err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			for a, m := range b.arp {
				state, other := b.states[a]
				if !other {
					state = status.NeighbourReachable
				}
				list = append(list, status.Neighbour{Address: a, MAC: m, State: state})
			}
			return list, nil
		},
		Root: func() (*x509.Certificate, error) {
			if b.root == nil {
				return nil, fs.ErrNotExist
			}
			return b.root, nil
		},
		Load: func(parse func([]byte) error) error {
			if b.saved == nil {
				return nil
			}
			return parse(b.saved)
		},
		Save:          func(text []byte) error { b.saved = text; return nil },
		LoadTemplate:  func(name string) ([]byte, error) { return b.templates[name], nil },
		SaveTemplate:  func(name string, text []byte) error { b.templates[name] = text; return nil },
		EraseTemplate: func(name string) error { delete(b.templates, name); return nil },
		Ask: func(a netip.Addr) error {
			if b.ask != nil {
				b.ask(a)
			}
			return nil
		},
		Knock:     func(netip.Addr) {},
		Transport: func() http.RoundTripper { return http.DefaultTransport },
	})
}

type lockedWriter struct{ b *bench }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	return w.b.log.Write(p)
}

// get fetches a file as a phone does, and says how long that took.
func (b *bench) get(from netip.Addr, path string) (code int, text string, took time.Duration) {
	b.Helper()
	r := httptest.NewRequest("GET", path, nil)
	r.RemoteAddr = netip.AddrPortFrom(from, 40000).String()
	r.Header.Set("User-Agent", "Yealink SIP-T46S 66.86.0.15 00:15:65:aa:bb:cc")
	w := httptest.NewRecorder()
	began := time.Now()
	b.Server.server(socket{"PROV", "http", local, local}).Handler.ServeHTTP(w, r)
	return w.Code, w.Body.String(), time.Since(began)
}

func (b *bench) want(code int, from netip.Addr, path string) (text string) {
	b.Helper()
	got, text, _ := b.get(from, path)
	if got != code {
		b.Errorf("%s for %s: %d, want %d\n%s", path, from, got, code, b.log)
	}
	return text
}

// The files of each maker, compared as a whole. With -update: read the difference as a phone would.
func TestFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.root = testRoot(t)
		b.Open(time.Minute, "admin")
		files := map[string]struct {
			from netip.Addr
			path string
		}{
			"yealink.cfg": {addr(21), "/001565aabbcc.cfg"}, "yealink.boot": {addr(21), "/001565aabbcc.boot"}, "yealink-common.cfg": {addr(66), "/y000000000065.cfg"},
			"yealink-common.boot": {addr(66), "/y000000000000.boot"}, "snom.xml": {addr(22), "/0004139922FF.xml"}, "snom-common.xml": {addr(66), "/snomD735.htm"},
			"gigaset.xml": {addr(23), "/7c2f80000001.xml"},
		}
		compare := func(name, text string) {
			t.Helper()
			file := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if d := cmp.Diff(string(want), text); err != nil || d != "" {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
			}
			if strings.HasSuffix(name, ".xml") {
				wellFormed(t, text)
			}
		}
		for name, f := range files {
			compare(name, b.want(200, f.from, f.path))
		}
		for _, again := range []string{"/001565AABBCC.cfg", "/001565AABBCC.CFG"} {
			if b.want(200, addr(21), again) != b.want(200, addr(21), "/001565aabbcc.cfg") {
				t.Errorf("%s is another file", again)
			}
		}
		if b.want(200, addr(22), "/snomD735-0004139922FF.htm") != b.want(200, addr(22), "/0004139922ff.xml") {
			t.Error("the two names of a Snom's file are two files")
		}

		// TLS with SRTP, a server elsewhere, this box as the second one.
		p := b.cfg.Provisioning[0]
		p.Transport, p.Server, p.Backup, p.Language = "tls", config.HostPort{Host: "pbx.example.test"}, config.HostPort{Host: "10.108.2.1", Port: 5071}, "de"
		compare("yealink-tls.cfg", b.want(200, addr(21), "/001565aabbcc.cfg"))
		compare("snom-tls.xml", b.want(200, addr(22), "/0004139922FF.xml"))
		compare("gigaset-tls.xml", b.want(200, addr(23), "/7c2f80000001.xml"))
		b.cfg.VoIP[0].SRTP = "forced"
		p.Transport, p.Server, p.Backup = "udp", config.HostPort{}, config.HostPort{}
		b.cfg.Location[0].Domains[0].Host = "phones.example.test" // the address of the box is a proxy then
		compare("yealink-domain.cfg", b.want(200, addr(21), "/001565aabbcc.cfg"))
	})
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); err != nil {
			if err.Error() != "EOF" {
				t.Errorf("not well-formed: %v\n%s", err, text)
			}
			return
		}
	}
}

func testRoot(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := pki.NewKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	root, err := pki.NewInternalRoot("Test", key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// Who gets what: the configured address and hardware address, or the first one in an opened window. Each line goes on where the one before it ended.
func TestWhoGetsAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		steps := []struct {
			why  string
			do   func()
			from netip.Addr
			path string
			want int
		}{
			{"nothing is open", nil, addr(21), "/001565aabbcc.cfg", 404},
			{"an unknown phone, likewise", nil, addr(66), "/020000000066.cfg", 404},
			{"what is for all is for all", nil, addr(66), "/y000000000065.cfg", 200},
			{"in a window the first fetch", func() { b.Open(time.Minute, "admin") }, addr(21), "/001565aabbcc.cfg", 200},
			{"fixes the address", func() { b.arp[addr(99)] = anna.String() }, addr(99), "/001565aabbcc.cfg", 404},
			{"another device never", nil, addr(66), "/0004139922ff.xml", 404},
			{"not even from the fixed address", func() { b.arp[addr(21)] = "02:00:00:00:00:66" }, addr(21), "/001565aabbcc.cfg", 404},
			{"but the same phone again", func() { b.arp[addr(21)] = anna.String() }, addr(21), "/001565aabbcc.boot", 200},
			{"when the window is over: the same phone", func() { time.Sleep(2 * time.Minute) }, addr(21), "/001565aabbcc.cfg", 200},
			{"and no other", nil, addr(22), "/0004139922ff.xml", 404},
			{"a restart changes nothing", func() { b.begin() }, addr(21), "/001565aabbcc.cfg", 200},
			{"not for others either", nil, addr(99), "/001565aabbcc.cfg", 404},
			{"a new window fixes anew", func() { b.Open(time.Minute, "admin") }, addr(99), "/001565aabbcc.cfg", 200},
			{"so the old address is over", nil, addr(21), "/001565aabbcc.cfg", 404},
			{"a closed window", func() {
				if !b.Close("admin") || b.Close("admin") {
					t.Error("the window was not open, or still is")
				}
			}, addr(22), "/0004139922ff.xml", 404},
			{"behind a router the configured address does", nil, netip.MustParseAddr("192.0.2.5"), "/805ec0000005.cfg", 200},
			{"and no other one", nil, netip.MustParseAddr("192.0.2.6"), "/805ec0000005.cfg", 404},
			{"nor does a window help there", func() { b.Open(time.Minute, "admin") }, netip.MustParseAddr("192.0.2.5"), "/001565aabbcc.cfg", 404},
			{"a configured address wants the hardware address too", func() {
				b.cfg.Provisioning[0].Phones[1].Address = config.ACLHost{Prefix: netip.MustParsePrefix("10.108.2.22/32")}
				b.arp[addr(22)] = "02:00:00:00:00:22"
			}, addr(22), "/0004139922ff.xml", 404},
			{"which may be there", func() { b.arp[addr(22)] = bernd.String() }, addr(22), "/0004139922ff.xml", 200},
			{"without a window, too", func() { b.Close("admin") }, addr(22), "/snomD735-0004139922FF.htm", 200},
			{"files of another maker", nil, addr(22), "/0004139922ff.cfg", 404},
			{"other names", nil, addr(22), "/../startup-config", 404},
			{"nothing at all", nil, addr(22), "/", 404},
			{"a root that there is not", nil, addr(22), "/ca.pem", 404},
			{"a service that is shut down", func() { b.cfg.Provisioning[0].Enabled = false }, addr(22), "/0004139922ff.xml", 404},
		}
		for _, s := range steps {
			b.mu.Lock()
			do := s.do
			b.mu.Unlock()
			if do != nil {
				do()
			}
			code, text, _ := b.get(s.from, s.path)
			if code != s.want {
				t.Errorf("%s: %s gets %d for %s, want %d", s.why, s.from, code, s.path, s.want)
			}
			if code != 200 && strings.Contains(text, "secret") {
				t.Errorf("%s: a refusal says %q", s.why, text)
			}
		}
		if strings.Contains(b.log.String(), "secret") || strings.Contains(b.log.String(), "correct horse") {
			t.Errorf("a password is in the log:\n%s", b.log)
		}
		if n := strings.Count(b.log.String(), `msg="phone fetched its settings"`); n != 8 {
			t.Errorf("the log has %d fetches:\n%s", n, b.log)
		}
	})
}

// A guess at a phone that exists and one at a phone that does not are answered alike, after the same time; after a dozen guesses a source gets nothing.
func TestGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Open(time.Hour, "admin")
		code, text, took := b.get(addr(66), "/0004139922ff.xml")
		other, otherText, otherTook := b.get(addr(66), "/000413000099.xml")
		if code != 404 || code != other || text != otherText || took != otherTook || took < time.Second {
			t.Errorf("a configured phone: %d %q after %v; an unknown one: %d %q after %v", code, text, took, other, otherText, otherTook)
		}
		for range 12 {
			b.want(404, addr(66), "/0004139922ff.xml")
		}
		if list := b.Bans(); len(list) != 1 || list[0].Source != addr(66) || list[0].Left == 0 {
			t.Errorf("bans: %+v", list)
		}
		b.arp[addr(66)] = bernd.String() // even the right device gets nothing from a banned address
		code, _, took = b.get(addr(66), "/0004139922ff.xml")
		if code != 404 || took < time.Second {
			t.Errorf("a banned source gets %d after %v", code, took)
		}
		b.want(200, addr(66), "/y000000000065.cfg") // nothing secret
		if n := strings.Count(b.log.String(), `msg="settings of a phone refused"`); n > 13 {
			t.Errorf("the log has %d lines about refusals", n)
		}
		if b.LiftBans(netip.Addr{}) != 1 {
			t.Error("the ban is not lifted")
		}
		b.want(200, addr(66), "/0004139922ff.xml")
		for range 20 { // a phone that nobody has configured asks for its own file again and again: that is no guess
			b.arp[addr(77)] = unknown.String()
			b.want(404, addr(77), "/"+string(unknown)+".cfg")
		}
		if list := b.Bans(); len(list) != 0 {
			t.Errorf("bans: %+v", list)
		}
	})
}

// Somebody has the address of a phone that is off, and not its hardware address. By UDP he can ask without answering the box's question for it, until
// the file is on its way.
func TestTheAddressOfAPhoneThatIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.cfg.Provisioning[0].Phones[1].Address = config.ACLHost{Prefix: netip.MustParsePrefix("10.108.2.22/32")}
		b.states = map[netip.Addr]status.NeighbourState{}
		tftp := func(why string, want bool) {
			t.Helper()
			if text, ok := b.byTFTP(t.Context(), socket{service: "PROV", at: local, local: local}, "0004139922ff.xml", addr(22)); ok != want {
				t.Errorf("%s: %t\n%s", why, ok, text)
			}
		}
		becomes := func(s status.NeighbourState, m string) func(netip.Addr) {
			return func(a netip.Addr) { b.states[a], b.arp[a] = s, m }
		}
		b.states[addr(22)], b.ask = status.NeighbourStale, becomes(status.NeighbourReachable, "02:00:00:00:00:66")
		tftp("another device answers", false)
		b.states[addr(22)], b.arp[addr(22)], b.ask = status.NeighbourStale, bernd.String(), becomes(status.NeighbourSilent, "")
		tftp("nobody answers", false)
		tftp("nobody has answered", false)
		b.want(404, addr(22), "/0004139922ff.xml")
		if x := b.Status().Services[0].Phones[1]; x.Why != errUnseen.Error() {
			t.Errorf("%+v", x)
		}
		b.states[addr(22)], b.arp[addr(22)], b.ask = status.NeighbourStale, bernd.String(), nil
		tftp("nothing is new", false)
		b.want(200, addr(22), "/0004139922ff.xml") // over TCP it has answered
		b.ask = becomes(status.NeighbourReachable, bernd.String())
		tftp("the phone answers", true)
	})
}

// What is kept and shown.
func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Open(time.Hour, "admin")
		b.want(200, addr(21), "/001565aabbcc.cfg")
		b.want(404, addr(66), "/001565aabbcc.cfg")
		for i := range maxStrangers + 5 {
			b.arp[addr(77)] = config.MAC("0015650000" + string("0123456789abcdef"[i>>4]) + string("0123456789abcdef"[i&15])).String()
			b.want(404, addr(77), "/0015650000"+string("0123456789abcdef"[i>>4])+string("0123456789abcdef"[i&15])+".cfg")
		}
		s := b.Status()
		if s.Open.IsZero() || s.OpenedBy != "admin" || len(s.Services) != 1 || len(s.Services[0].Phones) != 4 || len(s.Templates) != len(TemplateNames) {
			t.Fatalf("open until %v by %q, %d services, templates %+v", s.Open, s.OpenedBy, len(s.Services), s.Templates)
		}
		p := s.Services[0].Phones[0]
		if p.MAC != "00:15:65:aa:bb:cc" || p.Address != addr(21) || p.File != "001565aabbcc.cfg" || p.Fetches != 1 || p.Device != "Yealink T46S" || p.Firmware != "66.86.0.15" ||
			p.Refusals != 1 || p.From != addr(66) || !strings.Contains(p.Why, "another device") || !slices.Equal(p.Identities, []string{"21"}) {
			t.Errorf("the phone: %+v", p)
		}
		if two := s.Services[0].Phones[2]; !slices.Equal(two.Identities, []string{"23", "24"}) {
			t.Errorf("the base: %+v", two)
		}
		if len(s.Strangers) != maxStrangers || s.Strangers[0].MAC != "00:15:65:00:00:44" {
			t.Errorf("%d strangers, the latest %+v", len(s.Strangers), s.Strangers[0])
		}
		if s.Services[0].URL != "http://10.108.2.1:8080/" {
			t.Errorf("phones are told %s", s.Services[0].URL)
		}
	})
}

// A file without what protects the account is not made, and the reason stands where an administrator looks.
func TestFilesThatAreNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			change func(*config.Config)
			why    string
		}{
			{func(c *config.Config) { c.Auth[0].Users[0].Password = "21" }, "is the name of the account"},
			{func(c *config.Config) { c.Auth[0].Users[0].Password = "00:15:65:AA:BB:CC" }, "is the hardware address"},
			{func(c *config.Config) { c.Auth[0].Users[0].Password = "" }, "no password"},
			{func(c *config.Config) { c.Auth[0].Users[0].Password = "sealed:x" }, "sealed by another box"},
			{func(c *config.Config) { c.Auth[0].Users[0].Password = "two\nlines" }, "cannot carry"},
			{func(c *config.Config) { c.Auth[0].Users[0].Password = " outer blanks " }, "cannot carry"},
			{func(c *config.Config) { c.Provisioning[0].Administrator = "two\nlines" }, "cannot carry"},
			{func(c *config.Config) { c.Auth = nil }, "has no account"},
			{func(c *config.Config) { c.Location[0].Identities = c.Location[0].Identities[1:] }, "has no account"},
			{func(c *config.Config) { c.Location[0].Groups[0].AuthInbound.None = true }, "has no account"},
			{func(c *config.Config) { c.Gateways[0].Enabled = false }, "no context sip-gateway"},
			{func(c *config.Config) { c.Location = nil }, "no location-service"},
		} {
			b := newBench(t)
			c.change(b.cfg)
			b.Open(time.Minute, "admin")
			b.want(404, addr(21), "/001565aabbcc.cfg")
			if why := b.Status().Services[0].Phones[0].Why; !strings.Contains(why, c.why) {
				t.Errorf("the reason is %q, want %q", why, c.why)
			}
			b.Close("")
		}
	})
}

func TestTheRoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.root = testRoot(t)
		if got := b.want(200, addr(66), "/ca.der"); got != string(b.root.Raw) {
			t.Error("ca.der is not the root")
		}
		chain, err := pki.ParseCertificates([]byte(b.want(200, addr(66), "/ca.pem")))
		if err != nil || !chain[0].Equal(b.root) {
			t.Errorf("ca.pem: %v", err)
		}
	})
}

func TestMethods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
			r := httptest.NewRequest(method, "/y000000000065.cfg", strings.NewReader("x"))
			w := httptest.NewRecorder()
			b.Server.server(socket{"PROV", "http", local, local}).Handler.ServeHTTP(w, r)
			if w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s: %d", method, w.Code)
			}
		}
	})
}
