package system

import (
	"crypto/x509"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
	"viaduct/appliance/store"
)

// strange is a System without engines whose gateway "wan" has met an issuer that is not trusted.
func strange(t *testing.T, c *x509.Certificate, self bool) *System {
	t.Helper()
	state, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &System{store: state, log: slog.New(slog.DiscardHandler), snapshots: snapshots{changed: make(chan struct{}, 1)}}
	cfg, _ := teamsProfile()
	s.running.Store(cfg)
	s.unknown.note(s.log, "wan", "sip.example 192.0.2.9:5061", &pki.UnknownIssuer{Subject: "sip.example", Issuer: c.Issuer.CommonName, Leaf: c, End: c, SHA256: pki.Fingerprint(c), Root: self})
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
