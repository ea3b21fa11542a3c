package lang

import (
	"strings"
	"testing"

	"viaduct/appliance/lang/check"
)

// filled fills in what only the administrator knows.
var filled = strings.NewReplacer("ADDRESS", "192.168.1.254", "HOST", "ntp.example.com", "COUNTRY", "49", "PASSWORD", "long-secret", "NAME", "berlin", "SHA256", strings.Repeat("5a", 32))

// The fix of every problem can be pasted as it is, and puts it right at all places that are named, and nothing else wrong.
func TestFixesPutTheirProblemsRight(t *testing.T) {
	guide, printed := string(reference(t, "starface-teams.cfg")), string(reference(t, "starface-teams-as-printed.cfg"))
	l := New()
	for name, text := range map[string]string{
		"the corrected guide":      guide,
		"the guide as printed":     printed,
		"two names":                strings.ReplaceAll(guide, "spoofed contact-header manual sbc.meinefirma.de", "spoofed contact-header manual sbc2.meinefirma.de"),
		"an old name in Via":       strings.Replace(guide, "    spoofed contact-header manual sbc.meinefirma.de port 5062\n", "    spoofed contact-header manual sbc.meinefirma.de port 5062\n    spoofed via-header manual sbc01.fluxpunkt.de port 5062\n", 1),
		"no name in Contact":       strings.Replace(guide, "    spoofed contact-header manual sbc.meinefirma.de port 5062\n", "", 1),
		"half of Microsoft":        strings.ReplaceAll(guide, "    trust 52.120.0.0/14\n", ""),
		"clear voice":              strings.Replace(guide, "  srtp transmission forced\n", "  srtp transmission preferred\n", 1),
		"no clock":                 strings.ReplaceAll(guide, "sntp-client", "# sntp-client"),
		"a clock without a server": strings.ReplaceAll(guide, "sntp-client server", "# sntp-client server"),
		"no name server":           strings.ReplaceAll(guide, "dns-client", "# dns-client"),
		"no look at peers":         strings.ReplaceAll(strings.ReplaceAll(guide, "  authentication incoming\n", ""), "  authentication outgoing\n", ""),
		"shut down":                strings.ReplaceAll(guide, "  no shutdown\n", ""),
		"no trust":                 strings.ReplaceAll(guide, "    trust remote\n", ""),
		"a log for anyone":         guide + "\nprofile tls LOG\n  trusted-certificate pki:certificate/LOG-CA\nsyslog-client\n  remote log.example.com tls\n  use profile tls LOG\n",
		"no accounts":              strings.ReplaceAll(guide, "  username user", "  # username user"),
		"fleet":                    guide + fleetSlips,
		"pair":                     guide + pairSlips,
		"pair of one":              strings.Replace(pairOfAll, "  box 2 key", "  # box 2 key", 1),
		"presence":                 guide + presenceSlips,
		"phones":                   strings.Replace(phonesOfAnOffice, "protocol http\n", "protocol http 8090\n", 1) + strings.Replace(phoneSlips, "username 76 password 76\n", "username 76 password zB7-kw2Rt6\n", 1),
		"habits": "context cs SWITCH\n no shutdown\n interface sip IF_A\n routing-table called-e164 RT\n  route 0XXX dest-interface IF_A\n  route any dest-interface IF_A\n" +
			"  route * dest-interface IF_A\n  route 030-12 dest-interface IF_A\n routing-table called-e164 R2\n  route all dest-interface IF_A\n  route default dest-interface IF_A\n" +
			" mapping-table called-uri to called-e164 M\n  map user.01@host.example to 1\n mapping-table called-e164 to called-e164 N\n  map 4971231111 to 1\n  map 4971231111$ to 2\n  map else to 3\n",
	} {
		before := problemsOf(l, text)
		fixes := 0
		for _, p := range before {
			blocks := p.Fixes()
			if len(blocks) == 0 || strings.Contains(p.Fix, "import ") {
				continue
			}
			fixes++
			c := configuringConsole(l)
			for line := range strings.Lines(text) {
				c.types(line)
			}
			c.types("end", "configure")
			for _, block := range blocks {
				for _, line := range block {
					if out := c.types(filled.Replace(line)); strings.Contains(out, "^\n") || strings.Contains(out, "% ") && !strings.Contains(out, "note: ") {
						t.Errorf("%s: %v\nthe line %q says:\n%s", name, p, line, out)
					}
				}
			}
			after := problemsOf(l, string(l.Print(c.box.cfg, false)))
			for _, q := range after {
				if q.Text == p.Text && q.Source == p.Source {
					t.Errorf("%s: still there after its fix: %v", name, q)
				}
				if !said(before, q) && (q.Severity != check.Note || q.Fix != "") {
					t.Errorf("%s: the fix of %v\nbrings %v", name, p, q)
				}
			}
		}
		t.Logf("%s: %d fixes", name, fixes)
		if fixes == 0 {
			t.Errorf("%s: nothing to fix", name)
		}
	}
}

func problemsOf(l *Language, text string) []check.Problem {
	cfg, _ := l.Parse([]byte(text))
	return l.Check(cfg, check.Env{})
}

// said reports whether a problem was there before, maybe of another line: a fix changes what lines and keys are called.
func said(list []check.Problem, q check.Problem) bool {
	for _, p := range list {
		if p.Text == q.Text {
			return true
		}
	}
	return false
}

func TestFixesOfEqualLinesStandTogether(t *testing.T) {
	c := configuringConsole(New())
	for line := range strings.Lines(string(reference(t, "starface-teams.cfg"))) {
		c.types(line)
	}
	const want = `  fix:
    context cs SWITCH
    mapping-table calling-e164 to calling-uri mt_teams2starface-a-uri
    no map \+497123222
    map \+497123222$ to sip:user.01@192.168.1.100
    no map \+497123223
    map \+497123223$ to sip:user.02@192.168.1.100
    no map \+497123224
    map \+497123224$ to sip:user.03@192.168.1.100
`
	if out := c.types("show config problems"); !strings.Contains(out, want) {
		t.Error(out)
	}
}

func TestTheLogOverTLSNeedsTrust(t *testing.T) {
	const servers = "syslog-client\n  remote 192.0.2.1\n  remote log.example.com 10514 tls\n"
	for text, want := range map[string]string{
		servers:                              "nothing says which servers to trust",
		servers + "  use profile tls NONE\n": "NONE",
		"profile tls LOG\n" + servers + "  use profile tls LOG\n":                          "without verifying the server's certificate",
		"profile tls LOG\n  authentication outgoing\n" + servers + "  use profile tls LOG": "",
	} {
		var found []string
		for _, p := range problemsOf(New(), text) {
			if p.Severity != check.Note {
				found = append(found, p.Text)
			}
		}
		all := strings.Join(found, "\n")
		if want == "" && strings.Contains(all, "LOG") || !strings.Contains(all, want) {
			t.Errorf("%s\n%q", text, found)
		}
	}
}
