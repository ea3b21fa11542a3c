package lang

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
)

const phonesOfAnOffice = `profile tls INTERNAL
context ip ROUTER
  interface LAN
    ipaddress LAN 10.108.2.1/24
context cs SWITCH
  emergency-number 112
  interface sip IF_PBX
    bind context sip-gateway LAN
    route call dest-service PHONES
    remote 10.108.2.100
    penalty-box sip-option-trigger interval 30 timeout 10
    trust remote
  interface sip IF_PHONES
    bind context sip-gateway LAN
    route call dest-interface IF_PBX
    use location-service LS_PHONES
    trust 10.108.2.0/24
  service hunt-group BOTH
    route call 1 dest-interface IF_PBX
    route call 2 dest-service PHONES
  service sip-location-service PHONES
    bind location-service LS_PHONES
    fork sequential
    timeout 15
  survival PBX
    watch interface IF_PBX
    lost-after 20
    route from IF_PHONES dest-service PHONES
  no shutdown
authentication-service AUTH
  username 21 password zB7-kw2Rt9
  username anna password qP4-mm8Lw3
location-service LS_PHONES
  domain 1 10.108.2.1
  identity-group PHONES
    notify message-waiting
    authentication inbound
      authenticate 1 authentication-service AUTH
      digest sha-256
    registration inbound
      lifetime default 600 min 120
      max-contacts 2 refuse
  identity 21 inherits PHONES
    alias name +4972115104221
    display-name "Anna Meier"
    caller-id +4972115104221
  identity 22 inherits PHONES
    authentication inbound
      authenticate 1 authentication-service AUTH username anna
    registration inbound
provisioning-service PROV
  bind ipaddress ROUTER LAN LAN
  protocol http
  protocol tftp
  protocol sip-pnp
  use location-service LS_PHONES
  backup-server 10.108.2.100
  transport tls
  administrator-password "door key 7"
  language de
  phone 00:15:65:AA:BB:CC model Yealink-T46S identity 21 label "Anna M."
  phone 000413-112233 model snom-d735 identity 22 address 10.108.2.60
  upstream prov.cloudpbx.example
  no shutdown
context sip-gateway LAN
  use profile tls INTERNAL
  interface LAN
    transport-protocol udp+tcp 5060
    transport-protocol tls 5061
    bind ipaddress ROUTER LAN LAN
  no shutdown
port ethernet 0 0
  bind interface ROUTER LAN
  no shutdown
`

func TestPhonesAreConfigured(t *testing.T) {
	l := New()
	cfg, problems := l.Parse([]byte(phonesOfAnOffice))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	cs, ls := cfg.CS[0], cfg.Location[0]
	if i := cs.Interfaces[1]; i.Phones.In(cfg) != ls || i.Remote.Host != "" {
		t.Errorf("%+v", i)
	}
	if _, p := cs.Interfaces[0].Route.Service.In(cs); p == nil || p.Location.In(cfg) != ls || !p.OneByOne() || p.Timeout != 15*time.Second {
		t.Errorf("%+v", p)
	}
	if s := cs.Survivals[0]; s.Watch.In(cs) != cs.Interfaces[0] || s.After != 20*time.Second || s.Back != time.Minute || len(s.Routes) != 1 || s.Routes[0].From.In(cs) != cs.Interfaces[1] || s.Routes[0].Dest.Service.Name != "PHONES" {
		t.Errorf("%+v", s)
	}
	for name, want := range map[string]config.RegistrationInbound{
		"21": {Default: 10 * time.Minute, Min: 2 * time.Minute, Max: time.Hour, MaxContacts: 2, Refuse: true},
		"22": {Default: 5 * time.Minute, Min: time.Minute, Max: time.Hour, MaxContacts: 4},
	} {
		if f, known := ls.Settings(name); !known || f.Inbound == nil || *f.Inbound != want || !f.MessageWaiting || len(f.AuthInbound.Services) != 1 {
			t.Errorf("%s: %+v", name, f.Inbound)
		}
	}
	if i := ls.Identities[0]; i.DisplayName != "Anna Meier" || i.CallerID != "+4972115104221" {
		t.Errorf("%+v", i)
	}
	p := cfg.Provisioning[0]
	if !p.Enabled || p.HTTP.Port != 8080 || !p.TFTP || !p.PnP || p.Location.In(cfg) != ls || p.Backup.Host != "10.108.2.100" || p.Transport != "tls" || p.Language != "de" ||
		p.Administrator != "door key 7" || !slices.Equal(p.Upstreams, []string{"prov.cloudpbx.example"}) || !slices.Equal(p.Phones, []config.ProvisionedPhone{
		{MAC: "001565aabbcc", Model: "yealink-t46s", Identity: "21", Label: "Anna M."},
		{MAC: "000413112233", Model: "snom-d735", Identity: "22", Address: config.ACLHost{Prefix: netip.MustParsePrefix("10.108.2.60/32")}},
	}) {
		t.Errorf("%+v", p)
	}
	readsBack(t, l, cfg)
	if masked := string(l.Print(cfg, true)); strings.Contains(masked, "door key") || strings.Contains(masked, "zB7-") || !strings.Contains(masked, "phone 00:15:65:aa:bb:cc model yealink-t46s identity 21 label \"Anna M.\"\n") {
		t.Errorf("an operator sees\n%s", masked)
	}
	c := configuringConsole(l)
	for line := range strings.Lines(phonesOfAnOffice) {
		if out := c.types(line); strings.Contains(out, "% ") {
			t.Errorf("typed, %s says %s", line, out)
		}
	}
	same(t, cfg, c.box.cfg)
}

// What a line cannot mean is refused where it is typed, and changes nothing.
func TestLinesOfPhonesThatAreRefused(t *testing.T) {
	c := configuringConsole(New())
	for _, line := range strings.Split(phonesOfAnOffice, "\n") {
		c.types(line)
	}
	before := c.box.cfg
	for line, want := range map[string]string{
		"provisioning-service PROV/phone 00:15:65:aa:bb model snom-d735 identity 21":      "is not the hardware address of a phone",
		"provisioning-service PROV/phone 01:15:65:aa:bb:cc model snom-d735 identity 21":   "is not the hardware address of a phone",
		"provisioning-service PROV/phone 00:15:65:aa:bb:cd model yaelink-t46 identity 21": "did you mean yealink?",
		"provisioning-service PROV/phone 00:15:65:aa:bb:cd model yealink identity 21":     "is not a maker and a model",
		"provisioning-service PROV/phone 00:15:65:aa:bb:cd model yealink-../x identity 2": "is not a maker and a model",
		"provisioning-service PROV/language klingon":                                      "expected en or de",
		"provisioning-service PROV/transport tcp":                                         "expected udp or tls",
		"provisioning-service PROV/upstream https://prov.example":                         "is not a host name",
		"location-service LS_PHONES/identity 21/caller-id +49x":                           "is not a number",
		"location-service LS_PHONES/identity 21/display-name " + strings.Repeat("x", 65):  "a display shows 64 characters at most",
		"location-service LS_PHONES/identity 22/registration inbound/lifetime min 10":     "30 to 86400",
		"location-service LS_PHONES/identity 22/registration inbound/max-contacts 17":     "1 to 16",
		"context cs SWITCH/service sip-location-service PHONES/fork both":                 "expected parallel or sequential",
		"context cs SWITCH/survival PBX/lost-after 4":                                     "5 to 600",
		"context cs SWITCH/survival PBX/route from IF_PBX":                                "incomplete",
	} {
		steps := strings.Split(line, "/")
		if strings.Contains(line, "://") || strings.Contains(line, "../") {
			steps = []string{"provisioning-service PROV", strings.TrimPrefix(line, "provisioning-service PROV/")}
		}
		c.types("end", "configure")
		c.types(steps[:len(steps)-1]...)
		if out := c.types(steps[len(steps)-1]); !strings.Contains(out, "% ") || !strings.Contains(out, want) {
			t.Errorf("%s: said %q, want %q", line, out, want)
		}
	}
	same(t, before, c.box.cfg)
}

// phoneSlips has a slip of each kind.
const phoneSlips = `
context cs SLIPS
  interface sip IF_OPEN
    bind context sip-gateway LAN
    route call dest-service LATE
    use location-service LS_SLIPS
  interface sip IF_ODD
    bind context sip-gateway LAN
    route call dest-interface IF_OPEN
    remote 10.108.2.200 5062
    use location-service LS_SLIPS
    trust remote
    trust 192.0.2.0/24
    trust 10.108.2.0/25
  interface sip IF_NOBODY
    bind context sip-gateway LAN
    route call dest-interface IF_OPEN
    use location-service LS_EMPTY
    trust 10.108.2.128/25
  interface sip IF_MUTE
    bind context sip-gateway LAN
    route call dest-service LATE
    remote 10.108.2.201
    trust remote
  service sip-location-service NOWHERE
  service sip-location-service LATE
    bind location-service LS_PHONES
    timeout 5
  survival NOTHING
  survival BLIND
    watch interface IF_MUTE
    route from IF_OPEN dest-interface IF_MUTE
  survival PHONES
    watch interface IF_OPEN
    route from IF_MUTE dest-service LATE
  no shutdown
location-service LS_EMPTY
  identity-group OPEN
    registration inbound
  identity 70
location-service LS_SLIPS
  domain 1 10.108.2.1
  identity-group OPEN
    registration inbound
      lifetime default 30 min 900 max 600
  identity-group BARE
    authentication inbound
    registration inbound
  identity 71 inherits OPEN
    alias name 72
  identity 72
    alias name 100
    authentication inbound
      authenticate 1 authentication-service AUTH username nobody
    registration inbound
  identity 73
    alias name 100
    authentication inbound
      authenticate none
    registration inbound
  identity 74 inherits BARE
  identity 77
  identity 75
    registration inbound
  identity 76
    authentication inbound
      authenticate 1 authentication-service AUTH
authentication-service AUTH
  username 71 password zB7-kw2Rt9
  username 74 password zB7-kw2Rt8
  username 75 password zB7-kw2Rt7
  username 76 password 76
provisioning-service ELSEWHERE
  bind ipaddress ROUTER LANN LAN
  protocol http 8083
  use location-service LS_SLIPS
  administrator-password "a b"
  no shutdown
provisioning-service EMPTY
  no shutdown
provisioning-service SLIPS
  bind ipaddress ROUTER LAN LAN
  protocol tftp
  use location-service LS_SLIPS
  administrator-password "a b"
  phone 00:15:65:00:00:01 model yealink-t46s identity 71
  phone 00:15:65:00:00:01 model yealink-t42s identity 72
  phone 00:15:65:00:00:02 model snom-d735 identity 76
  phone 00:15:65:00:00:03 model snom-d735 identity 7
  upstream prov.cloudpbx.example
  no shutdown
provisioning-service TAKEN
  bind ipaddress ROUTER LAN LAN
  protocol http 5060
  use location-service LS_SLIPS
  administrator-password "a b"
  no shutdown
provisioning-service OFF
  bind ipaddress ROUTER LAN LAN
  protocol http 8081
  use location-service LS_SLIPS
  administrator-password "a b"
  phone 00:15:65:00:00:04 model snom-d735 identity 71
context ip ROUTER
  interface WAN
    ipaddress WAN 198.51.100.2/28
port ethernet 0 1
  bind interface ROUTER WAN
  no shutdown
provisioning-service OUTSIDE
  bind ipaddress ROUTER WAN WAN
  protocol http 8082
  use location-service LS_SLIPS
  phone 00:15:65:00:00:05 model snom-d735 identity 74
  no shutdown
`

func TestProblemsOfPhones(t *testing.T) {
	if said := New().CheckFile("phones.cfg", []byte(phonesOfAnOffice), check.Env{}); len(problemsBut(said, "clock", "profile tls INTERNAL", "connections without verifying")) > 0 {
		t.Errorf("the example has problems:\n%s", problemLines(said))
	}
	text := phonesOfAnOffice + phoneSlips
	var list []check.Problem
	for _, p := range New().CheckFile("phones.cfg", []byte(text), check.Env{}) {
		if p.Line -= strings.Count(phonesOfAnOffice, "\n"); p.Line > 0 {
			for n := range p.Also {
				p.Also[n].Line -= strings.Count(phonesOfAnOffice, "\n")
			}
			list = append(list, p)
		}
	}
	golden(t, "testdata/phones.problems", problemLines(list))
}

func problemsBut(list []check.Problem, without ...string) []check.Problem {
	return slices.DeleteFunc(slices.Clone(list), func(p check.Problem) bool {
		return slices.ContainsFunc(without, func(text string) bool { return strings.Contains(p.Text, text) })
	})
}

func TestThePasswordOfPhonesIsSealed(t *testing.T) {
	l := NewSealing(hexSealer{})
	cfg, problems := l.Parse([]byte("password-encryption\n" + phonesOfAnOffice))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	text := string(l.Print(cfg, false))
	if strings.Contains(text, "door key") || !strings.Contains(text, "administrator-password "+check.SealedPrefix) {
		t.Errorf("stored:\n%s", text)
	}
	again, _ := l.Parse([]byte(text))
	same(t, cfg, again)
}

func TestPhonesAreRestartedAndForgotten(t *testing.T) {
	l, b := New(), busyBox{newBox()}
	s := &Session{Class: config.Administrator, Mode: []string{"enable"}, User: "anna"}
	for line, want := range map[string]string{
		"phone restart 21":                 "21 at 10.108.2.51:5062/udp (Yealink SIP-T46S 66.86.0.15) has taken it (200)\n",
		"phone restart +4972115104221":     "21 at 10.108.2.60:41000/tls has not taken it: no answer\\x0a> reload\n% not every phone starts again\n",
		"phone restart 99":                 "% no phone of 99 has registered\n",
		"clear sip binding 21":             "2 phones forgotten\n",
		"clear sip binding +4972115104221": "2 phones forgotten\n",
		"clear sip binding 22":             "0 phones forgotten\n",
		"clear sip binding 99":             "% no phone may register as 99: `show phones` lists the identities with registration inbound\n",
	} {
		var out strings.Builder
		if l.Exec(t.Context(), b, s, line, nil, &out); !strings.HasSuffix(out.String(), want) {
			t.Errorf("%s says %q, want %q", line, out.String(), want)
		}
	}
	if len(b.box.trail) != 7 {
		t.Errorf("the trail has %v", b.box.trail)
	}
	for _, line := range []string{"show phones ", "phone restart ", "clear sip binding "} {
		if h := l.Help(b, s, line, len(line)); !slices.ContainsFunc(h.Choices, func(c Choice) bool { return c.Word == "22" }) {
			t.Errorf("%s is completed with %+v", line, h.Choices)
		}
	}
	for _, line := range []string{"phone restart 21", "clear sip binding 21"} {
		var out strings.Builder
		if l.Exec(t.Context(), b, &Session{Class: config.Operator}, line, nil, &out); !strings.HasPrefix(out.String(), "%") && !strings.Contains(out.String(), "\n% ") {
			t.Errorf("an operator may %s: %s", line, out.String())
		}
	}
}

// The examples of docs/phones.md can be pasted one after the other: they make phones ring, and show config problems has nothing against them.
func TestTheExampleForTheFirstPhone(t *testing.T) {
	text, err := os.ReadFile("../../docs/phones.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "\n    configure\n")
	example, _, _ = strings.Cut(example, "\n    end\n")
	base := "context ip ROUTER\n  interface if_eth00\n    ipaddress if_eth00 10.108.2.1/24\nport ethernet 0 0\n  bind interface ROUTER if_eth00\n  no shutdown\ncontext sip-gateway PBX\n  interface LAN\n    bind ipaddress ROUTER if_eth00 if_eth00\n    transport-protocol udp+tcp 5060\n  no shutdown\n" +
		"context cs SWITCH\n  interface sip if_sip_pbx\n    bind context sip-gateway PBX\n    remote 10.108.2.100\n    trust remote\n    route call dest-service PHONES\n  no shutdown\n"
	c := configuringConsole(New())
	for line := range strings.Lines(base + example) {
		if out := c.types(line); strings.Contains(out, "% ") {
			t.Errorf("%s says %s", line, out)
		}
	}
	if said := c.lang.Check(c.box.cfg, check.Env{}); len(said) > 0 {
		t.Errorf("the example has problems:\n%s", problemLines(said))
	}
	if cfg := c.box.cfg; len(cfg.Location) != 1 || len(cfg.Location[0].Identities) != 2 || cfg.CS[0].Interfaces[1].Phones.In(cfg) != cfg.Location[0] {
		t.Errorf("the example makes no phones:\n%s", c.lang.Print(cfg, false))
	}
	_, settings, _ := strings.Cut(string(text), "\n```\nprovisioning-service ")
	settings, _, _ = strings.Cut(settings, "\n```\n")
	_, gone, _ := strings.Cut(string(text), "\n## When the PBX or Teams is gone\n")
	_, gone, _ = strings.Cut(gone, "\n    context cs SWITCH\n")
	gone, _, _ = strings.Cut(gone, "\n\n")
	teams := "\n    interface sip if_sip_teams\n      bind context sip-gateway PBX\n      remote 10.108.2.101\n      trust remote\n      route call dest-service PHONES\n"
	for line := range strings.Lines("end\nconfigure\nprovisioning-service " + settings + "\nend\nconfigure\ncontext cs SWITCH" + teams + "exit\n" + gone) {
		if out := c.types(line); strings.Contains(out, "% ") {
			t.Errorf("%s says %s", line, out)
		}
	}
	if said := c.lang.Check(c.box.cfg, check.Env{}); len(said) > 0 {
		t.Errorf("the examples of settings and of survival have problems:\n%s", problemLines(said))
	}
	if cfg := c.box.cfg; len(cfg.Provisioning) != 1 || len(cfg.Provisioning[0].Phones) != 3 || len(cfg.CS[0].Survivals) != 2 {
		t.Errorf("the examples are not all there:\n%s", c.lang.Print(cfg, false))
	}
}
