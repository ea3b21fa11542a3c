package lang

import (
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/device"
)

// lived is a running configuration as somebody has it.
const lived = "system hostname old\nsuperuser anna password secret\nsntp-client\ncontext ip ROUTER\ninterface if_eth00\nipaddress 192.0.2.1/24\n"

// A line of a file on its way to the running configuration changes what it says, and nothing else.
func TestACopyIntoTheRunningConfigMerges(t *testing.T) {
	for name, c := range map[string]struct{ text, says, hostname string }{
		"a banner":               {"banner Hallo\n", "console: merged into the running-config: 1 line taken, 0 refused\n", "old"},
		"a name":                 {"system hostname new\n", "1 line taken, 0 refused", "new"},
		"a line taken back":      {"no system hostname\n", "1 line taken, 0 refused", ""},
		"a line that is refused": {"system hostname new\nfrobnicate 7\nbanner x\n", "% line 2: unknown command \"frobnicate\"\nconsole: merged into the running-config: 2 lines taken, 1 refused\n", "new"},
		"nothing of it":          {"<html>\n<body>404</body>\n", "% no line of console: is understood: nothing was changed\n", "old"},
		"many of them":           {"banner x\n" + strings.Repeat("frobnicate\n", 25), "% and 5 more lines\nconsole: merged", "old"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox()
			s := &Session{Mode: []string{"enable"}, Class: config.Superuser}
			run := func(line, body string) string {
				var out strings.Builder
				New().Exec(t.Context(), b, s, line, []byte(body), &out)
				return out.String()
			}
			run("copy console: running-config", lived)
			if out := run("copy console: running-config", c.text); !strings.Contains(out, c.says) {
				t.Errorf("says %q, want %q", out, c.says)
			}
			if b.cfg.Hostname != c.hostname || len(b.cfg.IP) != 1 || len(b.cfg.Accounts) != 1 || !b.cfg.SNTP.Enabled {
				t.Errorf("the configuration: %+v", b.cfg)
			}
		})
	}
}

// Replacing shows what changes, and asks; whoever says no, or is not there, has changed nothing.
func TestReplacingTheRunningConfigAsks(t *testing.T) {
	b := newBox()
	s := &Session{Mode: []string{"enable"}, Class: config.Superuser}
	run := func(line, body string, yes bool) (string, Result) {
		var out strings.Builder
		s.Yes = yes
		r, _ := New().Exec(t.Context(), b, s, line, []byte(body), &out)
		return out.String(), r
	}
	run("copy console: running-config", lived, false)
	const replace = "copy console: running-config replace"
	out, r := run(replace, "system hostname new\n", false)
	if r.Collect == nil || r.Collect.Kind != "confirm" || b.cfg.Hostname != "old" {
		t.Errorf("asks %+v, hostname %s", r.Collect, b.cfg.Hostname)
	}
	for _, want := range []string{"- system hostname old", "- context ip ROUTER", "+ system hostname new", "logins over the network will not be possible"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if out, r := run(replace, "<html>\n", false); r.Collect != nil || !strings.Contains(out, "nothing was changed") {
		t.Errorf("of what is no configuration: %q", out)
	}
	if out, _ := run(replace+" force", "system hostname new\nfrobnicate\n", false); !strings.Contains(out, "1 line not understood: nothing was changed") || b.cfg.Hostname != "old" {
		t.Errorf("by a script, with a line that is refused: %q", out)
	}
	if out, r := run(replace, "system hostname new\nfrobnicate\n", true); r.Collect != nil || b.cfg.Hostname != "new" || len(b.cfg.IP) > 0 || !strings.Contains(out, `line 2: unknown command "frobnicate"`) {
		t.Errorf("after yes: %q, %+v", out, b.cfg)
	}
	if out, r := run(replace+" force", "system hostname third\n", false); r.Collect != nil || b.cfg.Hostname != "third" {
		t.Errorf("by a script: %q, %+v", out, r)
	}
	if out, r := run(replace, "system hostname third\n", false); r.Collect != nil || !strings.Contains(out, "are the same: nothing was changed") {
		t.Errorf("the same: %q, %+v", out, r)
	}
	if out, _ := run("copy console: startup-config replace", "x", false); !strings.Contains(out, "only the running-config is merged or replaced") {
		t.Errorf("%q", out)
	}
}

// What was saved before comes back, into either configuration.
func TestKeptConfigurationsAreRestored(t *testing.T) {
	b := newBox()
	b.files["startup-config"] = []byte("system hostname newest\nsuperuser a password $2a$10$cSNeUkA.4FYpgHIsG7oLiOfVQX2ObDsnM4Kqlf21P.PFpkyiHJZwe encrypted\n")
	b.files["startup-config.1"] = []byte("system hostname one\n")
	b.files["startup-config.2"] = []byte("system hostname two\nfrom the future\n")
	l := New()
	s := &Session{Mode: []string{"enable"}, Class: config.Superuser}
	run := func(line string) string {
		var out strings.Builder
		l.Exec(t.Context(), b, s, line, nil, &out)
		return out.String()
	}
	if out := run("copy startup-config.1 running-config"); b.cfg.Hostname != "one" {
		t.Error(out)
	}
	if out := run("copy startup-config.2 startup-config"); string(b.files["startup-config"]) != string(b.files["startup-config.2"]) || !strings.Contains(out, `line 2: unknown command "from"`) {
		t.Error(out)
	}
	if out := run("copy startup-config.3 startup-config"); !strings.Contains(out, "there is no startup-config.3 yet") {
		t.Error(out)
	}
	if out := run("copy startup-config.11 startup-config"); !strings.Contains(out, `"startup-config.11" is not a place for a configuration`) || strings.Contains(out, "startup-config.7") {
		t.Error(out)
	}
	for line, want := range map[string]string{
		"copy startup-config":              "startup-config startup-config.1 startup-config.2 <from>",
		"copy startup-config.":             "startup-config.1 startup-config.2 <from>",
		"show config diff startup-config.": "startup-config.1 startup-config.2",
		"copy running-config s":            "startup-config <to>",
	} {
		var words []string
		for _, c := range l.Help(b, s, line, len(line)).Choices {
			words = append(words, c.Word)
		}
		if got := strings.Join(words, " "); got != want {
			t.Errorf("%s? %s, want %s", line, got, want)
		}
	}
	delete(b.files, "startup-config.1")
	delete(b.files, "startup-config.2")
	if h := l.Help(b, s, "copy st", 7); h.Insert != "artup-config " {
		t.Errorf("Tab inserts %q", h.Insert)
	}
}

// told is a box that is told to reload.
type told struct {
	*box
	calls  int
	orders []device.Reload
}

func (b *told) CallCount() int { return b.calls }

func (b *told) Reload(r device.Reload) (string, error) {
	b.orders = append(b.orders, r)
	return "", nil
}

func TestAReloadSaysWhatIsLostAndAsks(t *testing.T) {
	for name, c := range map[string]struct {
		line  string
		calls int
		saved bool
		yes   bool
		says  []string
		asks  string // "": nothing, and the box reloads
	}{
		"nothing is lost":         {"reload", 0, true, false, []string{"Restarting\n"}, ""},
		"a change":                {"reload", 0, false, false, []string{"+ system hostname new", "not saved: 2 lines"}, "Reload, and lose what is not saved?"},
		"a call":                  {"reload", 1, true, false, nil, "Reload, and end 1 call?"},
		"calls, and a change":     {"reload", 12, false, false, []string{"not saved: 2 lines"}, "Reload, and end 12 calls?"},
		"yes":                     {"reload", 12, false, true, []string{"Restarting\n"}, ""},
		"by a script":             {"reload force", 12, false, false, []string{"not saved", "Restarting\n"}, ""},
		"when no call is left":    {"reload graceful", 12, true, false, []string{"after the last call"}, ""},
		"the same, with a change": {"reload graceful", 12, false, false, []string{"not saved"}, "Reload, and lose what is not saved?"},
		"in a minute":             {"reload in 1", 12, false, false, []string{"not saved", "in 1 minute; `no reload`"}, ""},
		"in minutes":              {"reload in 10", 0, true, false, []string{"in 10 minutes; `no reload`"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := &told{box: newBox(), calls: c.calls}
			b.files["startup-config"] = []byte("system hostname old\n")
			b.cfg = &config.Config{Hostname: "new"}
			if c.saved {
				b.cfg = &config.Config{Hostname: "old"}
			}
			base := config.New()
			base.Hostname = b.cfg.Hostname
			b.cfg = base
			var out strings.Builder
			s := &Session{Mode: []string{"enable"}, Class: config.Superuser, User: "anna", TTY: "serial", Yes: c.yes}
			r, err := New().Exec(t.Context(), b, s, c.line, nil, &out)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.says {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
			switch {
			case c.asks == "" && (r.Collect != nil || len(b.orders) != 1 || b.orders[0].By != "anna (serial)"):
				t.Errorf("asks %+v, orders %+v", r.Collect, b.orders)
			case c.asks != "" && (r.Collect == nil || !strings.HasPrefix(r.Collect.Prompt, c.asks) || len(b.orders) > 0):
				t.Errorf("asks %+v, orders %+v", r.Collect, b.orders)
			}
		})
	}
}

func TestWhenAReloadComes(t *testing.T) {
	for want, c := range map[string]device.Coming{
		"now": {},
		"after the last call; `no reload` cancels it": {Graceful: true},
		"in 1 second; `no reload` cancels it":         {At: noon.Add(1500 * time.Millisecond)},
		"in 45 seconds; `no reload` cancels it":       {At: noon.Add(45 * time.Second)},
		"in 2 minutes; `no reload` cancels it":        {At: noon.Add(100 * time.Second), Graceful: true},
		"in 10 minutes; `no reload` cancels it":       {At: noon.Add(10 * time.Minute)},
	} {
		if got := c.In(noon); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
