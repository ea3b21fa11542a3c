package system

import (
	"crypto/x509"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang"
	"viaduct/appliance/pki"
	"viaduct/appliance/store"
)

// strange is a System without engines whose gateway "wan" has met an issuer that is not trusted.
func strange(t *testing.T, c *x509.Certificate, self bool) *System {
	t.Helper()
	dir := t.TempDir()
	state, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &System{o: Options{StateDir: dir}, store: state, log: slog.New(slog.DiscardHandler), snapshots: snapshots{changed: make(chan struct{}, 1)}}
	cfg, _ := teamsProfile()
	s.running.Store(cfg)
	s.unknown.note(s.log, "wan", "sip.example 192.0.2.9:5061", &pki.UnknownIssuer{Subject: "sip.example", Issuer: c.Issuer.CommonName, Chain: []*x509.Certificate{c}, End: c, SHA256: pki.Fingerprint(c), Root: self})
	return s
}

// Who reads the fix sees whom he would trust, and that anybody can make such a chain.
func TestTheOfferToTrustAnIssuer(t *testing.T) {
	c := root(t, "sip.example", 48*time.Hour)
	for self, warning := range map[bool]string{true: "may be an attack: compare the fingerprint", false: "nobody here knows who made it: compare the fingerprint"} {
		s := strange(t, c, self)
		list := s.problems()
		if len(list) != 1 {
			t.Fatalf("problems %v", list)
		}
		for _, want := range []string{"subject sip.example", "good from " + c.NotBefore.UTC().Format(time.DateOnly) + " to " + c.NotAfter.UTC().Format(time.DateOnly), pki.Fingerprint(c)} {
			if !strings.Contains(list[0].Text, want) {
				t.Errorf("no %q in %s", want, list[0].Text)
			}
		}
		if !strings.Contains(strings.ToLower(list[0].Text), warning) || s.UnknownIssuers()[0].Warning == "" {
			t.Errorf("no warning in %s", list[0].Text)
		}
	}
}

// An offer that was followed, by the command or by hand, that nobody needs any more, or whose peer has not come for a day, is gone.
func TestAnOfferToTrustAnIssuerEnds(t *testing.T) {
	c := root(t, "sip.example", 1000*time.Hour)
	change := func(s *System, f func(cfg *config.Config)) {
		cfg := *s.Running()
		f(&cfg)
		s.running.Store(&cfg)
	}
	for name, end := range map[string]func(s *System){
		"the command": func(s *System) {
			if _, err := s.TrustIssuer(pki.Fingerprint(c)); err != nil {
				t.Error(err)
			}
		},
		"by hand": func(s *System) {
			keep(t, s.store, c)
			change(s, func(cfg *config.Config) {
				cfg.TLS = []*config.TLSProfile{{Name: "teams", Trusted: []config.PKIName{"pki:certificate/MINE"}}}
			})
		},
		"another profile": func(s *System) { change(s, func(cfg *config.Config) { cfg.TLS = nil }) },
		"no gateway":      func(s *System) { change(s, func(cfg *config.Config) { cfg.Gateways = nil }) },
		"a day later":     func(*System) { time.Sleep(rememberFor + time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := strange(t, c, true)
				time.Sleep(rememberFor - time.Second)
				if len(s.problems()) != 1 || len(s.UnknownIssuers()) != 1 {
					t.Error("it is not there")
				}
				end(s)
				if len(s.problems()) > 0 || len(s.UnknownIssuers()) > 0 {
					t.Error("it is still there")
				}
			})
		})
	}
}

// What was trusted by its fingerprint is trusted after a restart, unsaved changes stay unsaved, and it can be taken back. The last trusted
// certificate of a profile stays: without any it would trust the built-in roots.
func TestTrustSurvivesARestartAndIsTakenBack(t *testing.T) {
	c := root(t, "New Root", 48*time.Hour)
	s := strange(t, c, true)
	s.o.Language = lang.New()
	const saved = "context sip-gateway wan\n  use profile tls teams\nprofile tls teams\n  trusted-certificate pki:certificate/MINE\n"
	mine := root(t, "Mine", 48*time.Hour)
	keep(t, s.store, mine)
	cfg, problems := s.o.Language.Parse([]byte(saved))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if err := s.store.SaveStartup([]byte(saved)); err != nil {
		t.Fatal(err)
	}
	cfg.Hostname = "unsaved"
	s.running.Store(cfg)
	startup := func() string {
		text, err := s.store.Startup()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	text, err := s.TrustIssuer(pki.Fingerprint(c))
	if err != nil || !strings.Contains(text, "saved in the startup-config") {
		t.Fatalf("%q, %v", text, err)
	}
	if got := startup(); !strings.Contains(got, "trusted-certificate pki:certificate/New_Root\n") || !strings.Contains(got, "pki:certificate/MINE\n") || strings.Contains(got, "unsaved") {
		t.Errorf("startup-config:\n%s", got)
	}
	again, err := store.Open(s.o.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := again.Certificates("New_Root"); err != nil || len(list) != 1 {
		t.Errorf("after a restart: %v", err)
	}
	if _, err := s.UntrustIssuer(strings.Repeat("0", 64)); err == nil {
		t.Error("nothing was taken back, and that is no error")
	}
	text, err = s.UntrustIssuer(pki.Fingerprint(c))
	if err != nil || !strings.Contains(text, "not trusted any more in profile tls teams") {
		t.Fatalf("%q, %v", text, err)
	}
	if got := startup(); strings.Contains(got, "New_Root") || !strings.Contains(got, "pki:certificate/MINE") {
		t.Errorf("startup-config:\n%s", got)
	}
	if _, err := s.store.Certificates("New_Root"); err == nil {
		t.Error("it is still imported")
	}
	if _, err := s.UntrustIssuer(pki.Fingerprint(mine)); err == nil || !strings.Contains(err.Error(), "last certificate that profile tls teams trusts") || len(s.Running().TLS[0].Trusted) != 1 {
		t.Errorf("the last one: %v, %v", err, s.Running().TLS[0].Trusted)
	}
	if err := s.store.SaveStartup([]byte("no such line\n" + saved)); err != nil {
		t.Fatal(err)
	}
	before := startup()
	s.unknown.note(s.log, "wan", "sip.example", &pki.UnknownIssuer{Subject: "sip.example", Chain: []*x509.Certificate{c}, End: c, SHA256: pki.Fingerprint(c), Root: true})
	if text, err := s.TrustIssuer(pki.Fingerprint(c)); err != nil || !strings.Contains(text, "copy running-config startup-config") || startup() != before {
		t.Errorf("a startup-config with a line that is not understood: %q, %v\n%s", text, err, startup())
	}
}
