package lang

import (
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
)

const webToken = "4uH7-tQx2_bNf9Rk0sWz"

func TestWebServer(t *testing.T) {
	l := New()
	cfg, problems := l.Parse([]byte(metricsProfile + "webserver https\nwebserver use profile tls M\noperator watcher password pass-word\nwebserver token nms account watcher read " + webToken + "\n"))
	if len(problems) > 0 || cfg.Web.HTTPS.Port != 443 || cfg.Web.TLS.Name != "M" || len(cfg.Web.Tokens) != 1 {
		t.Fatal(problems, cfg.Web)
	}
	if got := cfg.Token(webToken); got == nil || got.Name != "nms" || got.Account != "watcher" || got.Scope != config.TokenReads {
		t.Errorf("%+v", got)
	}
	for _, other := range []string{"", webToken[1:], webToken + "x", string(cfg.Web.Tokens[0].Token)} {
		if cfg.Token(other) != nil {
			t.Errorf("%q opens it", other)
		}
	}
	clear, masked := string(l.Print(cfg, false)), string(l.Print(cfg, true))
	again, problems := l.Parse([]byte(clear))
	if len(problems) > 0 || string(l.Print(again, false)) != clear || again.Token(webToken) == nil {
		t.Errorf("%v\n%s", problems, clear)
	}
	if strings.Contains(clear, webToken) || strings.Contains(masked, "sha256:") {
		t.Errorf("it is shown:\n%s\nan operator sees\n%s", clear, masked)
	}
	if !strings.Contains(clear, "webserver https\n") {
		t.Errorf("%s", clear)
	}
	off, _ := l.Parse([]byte("webserver https port 8443\nno webserver https\n"))
	if off.Web.HTTPS.Port != 0 || strings.Contains(string(l.Print(off, false)), "https") {
		t.Errorf("it is on:\n%s", l.Print(off, false))
	}
	if other, _ := l.Parse([]byte("webserver https port 8443\n")); other.Web.HTTPS.Port != 8443 {
		t.Error("another port is not taken")
	}
	if old, problems := l.Parse([]byte("webserver port 80 language en\n")); len(problems) != 1 || old.Web.HTTPS.Port != 0 || !strings.Contains(problems[0].Text, "`webserver https` switches") {
		t.Errorf("the original's line: %v", problems)
	}
	without, _ := l.Parse([]byte(clear + "no operator watcher\n"))
	if without.Token(webToken) != nil {
		t.Error("the token outlives its account")
	}
}

// A token that could be guessed is not taken.
func TestTokensThatAreTooWeak(t *testing.T) {
	l := New()
	for _, token := range []string{"short", "aaaaaaaaaaaaaaaaaaaaaaaa", "aäaäaäaäaäaäaäaäaäaäaäaä", "\"4uH7 tQx2 bNf9 Rk0s Wz11\""} {
		cfg, problems := l.Parse([]byte("operator w password pass-word\nwebserver token n account w read " + token + "\n"))
		if len(problems) == 0 || len(cfg.Web.Tokens) > 0 {
			t.Errorf("%s is taken", token)
		}
		for _, p := range problems {
			if strings.Contains(p.Text, token) {
				t.Errorf("%s repeats it", p.Text)
			}
		}
	}
}

// Who can write tokens can act as anybody, so that is for those who manage accounts.
func TestTokensAreForSuperusers(t *testing.T) {
	c := newConsole(New())
	c.types("enable", "configure", "superuser root password pass-word", "administrator anna password pass-word", "operator w password pass-word")
	c.s.Class = config.Administrator
	if c.types("webserver token n account root configure " + webToken); len(c.box.Running().Web.Tokens) > 0 {
		t.Error("an administrator has made a token of a superuser")
	}
	c.s.Class = config.Superuser
	if c.types("webserver token n account w configure " + webToken); len(c.box.Running().Web.Tokens) != 1 {
		t.Error("a superuser could not")
	}
}

const webLAN = `context ip ROUTER
 interface if_eth00
  ipaddress if_eth00 192.168.1.1/24
 interface if_eth01
  ipaddress if_eth01 203.0.113.5/24
port ethernet 0 0
 bind interface ROUTER if_eth00
 no shutdown
port ethernet 0 1
 bind interface ROUTER if_eth01
 no shutdown
`

func TestChecksOfTheWebServer(t *testing.T) {
	l := New()
	for text, want := range map[string]string{
		"webserver https port 22\n":                    "port 22 at 192.168.1.1 belongs to SSH",
		"webserver https port 23\nconsole telnet 23\n": "belongs to console telnet",
		"webserver https port 9443\n" + metricsProfile + "metrics-server\n use profile tls M\n token 0123456789abcdef\n":                                           "belongs to metrics-server",
		"webserver https\nconsole access 0.0.0.0/0\nprofile acme A\n name a.example.com\n challenge tls-alpn\n":                                                    "port 443 at 203.0.113.5 belongs to profile acme A",
		"webserver https\nconsole access 0.0.0.0/0\n":                                                                                                              "open to 0.0.0.0/0, a public network",
		"webserver https port 5061\ncontext sip-gateway G\n interface I\n  transport-protocol tls 5061\n  bind ipaddress ROUTER if_eth00 if_eth00\n no shutdown\n": "belongs to context sip-gateway G",
		"webserver use profile tls M\n" + metricsProfile:                                                                                                           "there is no web page to show the certificate",
		"webserver https\nwebserver use profile tls X\n":                                                                                                           "no such profile tls: X",
		"webserver https\nwebserver use profile tls N\nprofile tls N\n":                                                                                            "shows the box's own",
		"webserver https\nwebserver use profile tls M\n" + metricsProfile + " authentication incoming\n":                                                           "browsers are asked for no certificate",
		"webserver token n account gone read " + webToken + "\n":                                                                                                   "there is no account gone",
		"operator w password pass-word\nwebserver token n account w configure " + webToken + "\n":                                                                  "account w is an operator",
	} {
		cfg, problems := l.Parse([]byte(webLAN + text))
		for _, p := range problems {
			if p.Severity == check.Error {
				t.Error(p)
			}
		}
		if said := problemLines(l.Check(cfg, check.Env{})); !strings.Contains(said, want) {
			t.Errorf("%q is not said of %s:\n%s", want, text, said)
		}
	}
	for text, want := range map[string]struct {
		addresses int
		redirect  bool
	}{
		"webserver https\n":                            {1, true},
		"webserver https port 80\n":                    {1, false},
		"webserver https\nconsole access 10.0.0.0/8\n": {2, true},
		"webserver https\nprofile acme A\n name a.example.com\n challenge http\n":                                {1, true},
		"webserver https\nconsole access 10.0.0.0/8\nprofile acme A\n name a.example.com\n challenge http\n":     {2, false},
		"webserver https\nconsole access 10.0.0.0/8\nprofile acme A\n name a.example.com\n challenge tls-alpn\n": {1, true},
		"": {0, false},
	} {
		cfg, _ := l.Parse([]byte(webLAN + text))
		if list, redirect := cfg.WebAddresses(); len(list) != want.addresses || redirect != want.redirect {
			t.Errorf("%s: %v, %v", text, list, redirect)
		}
	}
}

// Who reads the set-up code must stand at the box.
func TestTheSetUpCodeIsShownAtTheBoxAlone(t *testing.T) {
	l := New()
	for tty, shown := range map[string]bool{
		"serial": true, "stdio 4711": true, "": true, "ssh 192.0.2.7:50122": false, "telnet 192.0.2.7:50122": false, "web 192.0.2.7:50122": false, "api 192.0.2.7": false, "serialised": false, "tech-support": false,
	} {
		var out strings.Builder
		if _, err := l.Exec(t.Context(), busyBox{newBox()}, &Session{Class: config.Superuser, TTY: tty, Mode: []string{"enable"}}, "show webserver", nil, &out); err != nil {
			t.Error(err)
		}
		if got := strings.Contains(out.String(), "01234567"); got != shown {
			t.Errorf("at %q: %v", tty, got)
		}
	}
}
