package lang

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/status"
)

const fleetOfAll = `fleet
  name berlin
  hub hub1.example.com
  hub hub2.example.com 8443
  hub 192.0.2.7
  ca pki:certificate/HUBCA
  pin 58:91:B5:B5:22:D5:DF:08:6D:0F:F0:B1:10:FB:D9:D2:1B:B4:FC:71:63:AF:34:D0:82:86:A2:E8:46:F6:BE:03
  http-proxy 10.108.2.9 3128 username box password "pass word"
  lease licenses
  call-records masked
  remote-management ssh
  remote-management https
  remote-management idle-timeout 600
  shutdown
`

func TestFleet(t *testing.T) {
	l := New()
	cfg, problems := l.Parse([]byte(fleetOfAll))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := config.Fleet{Name: "berlin", Hubs: []*config.HubNode{{Host: "hub1.example.com", Port: 443}, {Host: "hub2.example.com", Port: 8443}, {Host: "192.0.2.7", Port: 443}},
		CA: "pki:certificate/HUBCA", Pin: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
		Proxy: config.HTTPProxy{Host: "10.108.2.9", Port: 3128, User: "box", Password: "pass word"}, Leases: true,
		Records: config.FleetRecord{Sent: true, Masked: true}, SSH: true, HTTPS: true, IdleTimeout: 600 * time.Second}
	same(t, &config.Config{Fleet: &want}, &config.Config{Fleet: cfg.Fleet})
	readsBack(t, l, cfg)
	if masked := string(l.Print(cfg, true)); strings.Contains(masked, "pass word") {
		t.Errorf("an operator sees the password:\n%s", masked)
	}
	c := configuringConsole(l)
	c.types(strings.Split(fleetOfAll, "\n")...)
	c.types("no shutdown", "no call-records", "no lease licenses", "no pin", "no hub hub1.example.com", "no remote-management idle-timeout")
	if f := c.box.cfg.Fleet; !f.Enabled || f.Records.Sent || f.Records.Masked || f.Leases || f.Pin != "" || len(f.Hubs) != 2 || f.IdleTimeout != 900*time.Second {
		t.Errorf("after `no`: %+v", f)
	}
	if c.types("call-records"); c.box.cfg.Fleet.Records != (config.FleetRecord{Sent: true}) {
		t.Errorf("call-records: %+v", c.box.cfg.Fleet.Records)
	}
	if c.types("exit", "no fleet"); c.box.cfg.Fleet != nil {
		t.Errorf("no fleet: %+v", c.box.cfg.Fleet)
	}
}

func TestLinesOfAFleetThatAreRefused(t *testing.T) {
	c := configuringConsole(New())
	c.types("fleet", "hub a.example.com", "hub b.example.com", "hub c.example.com")
	for line, want := range map[string]string{
		"name Berlin":                       "hyphens between them, such as berlin",
		"name Sbc_Berlin.":                  "hyphens between them, such as sbc-berlin",
		"name box.1":                        "is not a name",
		"name -a":                           "is not a name",
		"hub d.example.com":                 "3 nodes at most",
		"hub wss://a.example.com":           "is not a host name or address: write the host alone, a.example.com\n",
		"hub https://a.example.com:8443/x":  "write the host alone, a.example.com; a port, 8443, is a word of its own where the line takes one\n",
		"hub a.example.com:8443":            "write the host alone, a.example.com; a port, 8443, is a word of its own",
		"hub a_b c:d":                       "must be a number",
		"hub a/b/":                          "write the host alone, a\n",
		"hub ://":                           "is not a host name or address\n",
		"pin 1234":                          "SHA-256 of a public key",
		"ca HUBCA":                          "must be pki:certificate/NAME",
		"lease":                             "incomplete",
		"remote-management telnet":          "",
		"remote-management idle-timeout 59": "60 to 86400",
		"call-records all":                  "",
		"http-proxy 10.1.1.1 80 username someone": "incomplete",
	} {
		if out := c.types(line); !strings.Contains(out, "% ") || !strings.Contains(out, want) {
			t.Errorf("%s: said %q, want %q", line, out, want)
		}
	}
	if out := c.types("hub b.example.com 8443"); out != "" || c.box.cfg.Fleet.Hubs[1].Port != 8443 {
		t.Errorf("a known node is changed: %q", out)
	}
	f := *c.box.cfg.Fleet
	if f.Hubs = nil; f.Name+f.Pin != "" || f.CA != "" || f.Leases || f.Records.Sent || f.Proxy != (config.HTTPProxy{}) {
		t.Errorf("taken: %+v", f)
	}
}

// fleetSlips has a slip of each kind that the configuration alone shows.
const fleetSlips = `
system hostname SBC-Berlin
fleet
  lease licenses
  remote-management https
`

func TestProblemsOfAFleet(t *testing.T) {
	const works = "dns-client server 192.0.2.53\nsntp-client\nsntp-client server primary 192.0.2.123\nwebserver https\nfleet\n  name berlin\n  hub hub.example.com\n" +
		"  ca pki:certificate/HUBCA\n  remote-management https\n"
	for what, x := range map[string]struct{ text, want, fix string }{
		"no name":                   {fleetSlips, "it has no name there", "name sbc-berlin"},
		"no name, and dots to take": {strings.Replace(fleetSlips, "SBC-Berlin", "sbc.example.com", 1), "it has no name there", "name sbc-example-com"},
		"no name, and none to take": {strings.Replace(fleetSlips, "SBC-Berlin", "_", 1), "it has no name there", "name NAME"},
		"a node twice":              {works + "  hub HUB.example.com\n", "this is the node hub.example.com again", "no hub HUB.example.com"},
		"no hub":                    {fleetSlips, "no line says where it is", "hub HOST"},
		"no trust":                  {fleetSlips, "could not tell it from another", "pin SHA256"},
		"no web page":               {fleetSlips, "find no web page", "webserver https"},
		"no clock":                  {fleetSlips, "the clock is not synchronised, TLS will fail", "sntp-client server primary HOST"},
		"no name server":            {strings.Replace(works, "dns-client", "# dns-client", 1), "the hub cannot be found", "dns-client server ADDRESS"},
		"a name of a proxy":         {strings.Replace(works, "dns-client", "# dns-client", 1) + "  http-proxy proxy.example.com 80\n", "the hub cannot be found", "dns-client server ADDRESS"},
		"the proxy looks it up":     {strings.Replace(works, "dns-client", "# dns-client", 1) + "  http-proxy 10.1.1.1 80\n", "", ""},
		"an address":                {strings.Replace(strings.Replace(works, "dns-client", "# dns-client", 1), "hub.example.com", "192.0.2.7", 1), "", ""},
		"a sealed password":         {works + "  http-proxy 10.1.1.1 80 username a password $sealed$zz\n", "sealed by another box", ""},
		"nothing wrong":             {works, "", ""},
		"shut down":                 {fleetSlips + "  shutdown\n", "", ""},
	} {
		list := problemsOf(New(), x.text)
		list = slices.DeleteFunc(list, func(p check.Problem) bool {
			return !slices.Contains(append(p.Path, p.Source), "fleet")
		})
		if x.want == "" {
			if len(list) > 0 {
				t.Errorf("%s: %v", what, list)
			}
			continue
		}
		if !slices.ContainsFunc(list, func(p check.Problem) bool { return strings.Contains(p.Text, x.want) && p.Fix == x.fix }) {
			t.Errorf("%s: %q is not said, or without its fix: %v", what, x.want, list)
		}
	}
	cfg, _ := New().Parse([]byte(works))
	for missing, s := range map[bool]store{true: {}, false: {chain: []*x509.Certificate{{}}}} {
		name := map[bool]config.PKIName{true: "pki:certificate/HUBCA", false: "pki:certificate/GRAPH"}[missing] // the store of the tests has GRAPH
		f := *cfg.Fleet
		f.CA = name
		with := *cfg
		with.Fleet = &f
		said := problemLines(New().Check(&with, check.Env{PKI: s}))
		if strings.Contains(said, "pki:certificate/HUBCA is not in the key store yet; fix: import pki:certificate/HUBCA") != missing {
			t.Errorf("missing: %v, said\n%s", missing, said)
		}
	}
	if who := check.KeyUsers(cfg)["pki:certificate/HUBCA"]; !slices.Equal(who, []string{"fleet"}) {
		t.Errorf("the certificate is used by %v", who)
	}
}

// away is a box whose hub is connected, or not, or whose flash is full.
type away struct {
	busyBox
	state status.FleetState
	err   error
}

func (b away) Fleet() status.Fleet {
	return status.Fleet{Name: "berlin", State: b.state, Why: "its certificate is not that of\n> reload", Cure: "Compare `pin`.", Next: noon.Add(12 * time.Second)}
}

func (b away) GenerateFleetKey(context.Context) (bool, error) {
	return b.state == status.FleetConnected, b.err
}

func TestCommandsOfAFleet(t *testing.T) {
	l := New()
	cfg, _ := l.Parse([]byte("fleet\n  name berlin\n"))
	for _, x := range []struct {
		line string
		box  away
		want string
	}{
		{"show fleet", away{}, "State: off: not complete, as `show config problems` says\n"},
		{"show fleet", away{state: status.FleetRefused}, "State: refused\nError: its certificate is not that of\\x0a> reload\nCure: Compare `pin`.\nNext attempt: in 00:00:12\nKey: none yet\n"},
		{"show fleet key", away{}, "-----BEGIN VIADUCT BOX KEY-----\n{\"box\":\"berlin\""},
		{"fleet key generate force", away{state: status.FleetConnected}, "the hub has ended the key before. Give it this file, with `hub box key`:\n-----BEGIN"},
		{"fleet key generate force", away{state: status.FleetWaiting}, "% the hub has not been told, and takes the key before until it has this file"},
		{"fleet key generate force", away{err: errors.New("the flash is full")}, "% fleet key generate: the flash is full\n"},
		{"fl key gen force", away{state: status.FleetConnected}, "BEGIN VIADUCT BOX KEY"},
	} {
		x.box.busyBox = busyBox{newBox()}
		x.box.cfg = cfg
		s := &Session{Class: config.Administrator, Mode: []string{"enable"}}
		var out strings.Builder
		if l.Exec(t.Context(), x.box, s, x.line, nil, &out); !strings.Contains(out.String(), x.want) {
			t.Errorf("%s at a hub that is %v says\n%s\nwant %s", x.line, x.box.state, out.String(), x.want)
		}
	}
	b := away{busyBox: busyBox{newBox()}, state: status.FleetConnected}
	for line, want := range map[string]string{"show fleet": "docs/fleet.md", "show fleet key": "docs/fleet.md", "fleet key generate force": "docs/fleet.md"} {
		var out strings.Builder
		if l.Exec(t.Context(), b, &Session{Class: config.Administrator, Mode: []string{"enable"}}, line, nil, &out); !strings.Contains(out.String(), "belongs to no fleet: "+want) {
			t.Errorf("%s without a fleet says %s", line, out.String())
		}
	}
	b.cfg = cfg
	var out strings.Builder
	r, _ := l.Exec(t.Context(), b, &Session{Class: config.Administrator, Mode: []string{"enable"}}, "fleet key generate", nil, &out)
	if r.Collect == nil || r.Collect.Kind != "confirm" || !strings.Contains(r.Collect.Prompt, "ends the present one at once") {
		t.Errorf("it asks %+v", r.Collect)
	}
	if _, err := l.Exec(t.Context(), b, &Session{Class: config.Operator}, "fleet key generate force", nil, &out); err == nil {
		t.Error("an operator makes a key")
	}
}
