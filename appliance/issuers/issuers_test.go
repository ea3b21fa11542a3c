package issuers

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
	"viaduct/appliance/pki/pkitest"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

// box is a running configuration, a store and a Book.
type box struct {
	*Book
	dir     string
	store   *store.Store
	running *config.Config
	log     bytes.Buffer
	health  health.Tracker
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{dir: t.TempDir()}
	var err error
	if b.store, err = store.Open(b.dir); err != nil {
		t.Fatal(err)
	}
	b.health.Log = slog.New(slog.DiscardHandler)
	b.running, _ = teamsProfile()
	b.Book = New(Options{
		Log: slog.New(slog.NewTextHandler(&b.log, nil)), Store: b.store, Language: lang.New(), Save: b.store.SaveStartup,
		Running: func() *config.Config { return b.running },
		Mutate: func(_ status.Author, change func(*config.Config) (*config.Config, error)) error {
			cfg, err := change(b.running)
			if err == nil {
				b.running = cfg
			}
			return err
		},
	})
	return b
}

// problems lists the alarms as `show config problems` does.
func (b *box) problems() []check.Problem {
	b.health.Replace(health.UnknownIssuer, b.Alarms())
	return check.OfAlarms(b.health.Current())
}

// strange is a box whose gateway "wan" has met an issuer that is not trusted.
func strange(t *testing.T, c *x509.Certificate, self bool) *box {
	t.Helper()
	b := newBox(t)
	b.Note("wan", "sip.example 192.0.2.9:5061", &pki.UnknownIssuer{Subject: "sip.example", Issuer: c.Issuer.CommonName, Chain: []*x509.Certificate{c}, End: c, SHA256: pki.Fingerprint(c), Root: self})
	return b
}

// Who reads the fix sees whom he would trust, and that anybody can make such a chain.
func TestTheOfferToTrustAnIssuer(t *testing.T) {
	c := pkitest.Root(t, "sip.example", 48*time.Hour)
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
		if !strings.Contains(strings.ToLower(list[0].Text), warning) || s.List()[0].Warning == "" {
			t.Errorf("no warning in %s", list[0].Text)
		}
	}
}

// An offer that was followed, by the command or by hand, that nobody needs any more, or whose peer has not come for a day, is gone.
func TestAnOfferToTrustAnIssuerEnds(t *testing.T) {
	c := pkitest.Root(t, "sip.example", 1000*time.Hour)
	change := func(s *box, f func(cfg *config.Config)) {
		cfg := *s.running
		f(&cfg)
		s.running = &cfg
	}
	for name, end := range map[string]func(s *box){
		"the command": func(s *box) {
			if _, err := s.Trust(pki.Fingerprint(c), status.Author{}); err != nil {
				t.Error(err)
			}
		},
		"by hand": func(s *box) {
			keep(t, s.store, c)
			change(s, func(cfg *config.Config) {
				cfg.TLS = []*config.TLSProfile{{Name: "teams", Trusted: []config.PKIName{"pki:certificate/MINE"}}}
			})
		},
		"another profile": func(s *box) { change(s, func(cfg *config.Config) { cfg.TLS = nil }) },
		"no gateway":      func(s *box) { change(s, func(cfg *config.Config) { cfg.Gateways = nil }) },
		"a day later":     func(*box) { time.Sleep(rememberFor + time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := strange(t, c, true)
				time.Sleep(rememberFor - time.Second)
				if len(s.problems()) != 1 || len(s.List()) != 1 {
					t.Error("it is not there")
				}
				end(s)
				if len(s.problems()) > 0 || len(s.List()) > 0 {
					t.Error("it is still there")
				}
			})
		})
	}
}

// What was trusted by its fingerprint is trusted after a restart, unsaved changes stay unsaved, and it can be taken back. The last trusted
// certificate of a profile stays: without any it would trust the built-in roots.
func TestTrustSurvivesARestartAndIsTakenBack(t *testing.T) {
	c := pkitest.Root(t, "New Root", 48*time.Hour)
	s := strange(t, c, true)
	const saved = "context sip-gateway wan\n  use profile tls teams\nprofile tls teams\n  trusted-certificate pki:certificate/MINE\n"
	mine := pkitest.Root(t, "Mine", 48*time.Hour)
	keep(t, s.store, mine)
	cfg, problems := lang.New().Parse([]byte(saved))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if err := s.store.SaveStartup([]byte(saved)); err != nil {
		t.Fatal(err)
	}
	cfg.Hostname = "unsaved"
	s.running = cfg
	startup := func() string {
		text, err := s.store.Startup()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	text, err := s.Trust(pki.Fingerprint(c), status.Author{})
	if err != nil || !strings.Contains(text, "saved in the startup-config") {
		t.Fatalf("%q, %v", text, err)
	}
	if got := startup(); !strings.Contains(got, "trusted-certificate pki:certificate/New_Root\n") || !strings.Contains(got, "pki:certificate/MINE\n") || strings.Contains(got, "unsaved") {
		t.Errorf("startup-config:\n%s", got)
	}
	again, err := store.Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := again.Certificates("New_Root"); err != nil || len(list) != 1 {
		t.Errorf("after a restart: %v", err)
	}
	if _, err := s.Untrust(strings.Repeat("0", 64), status.Author{}); err == nil {
		t.Error("nothing was taken back, and that is no error")
	}
	text, err = s.Untrust(pki.Fingerprint(c), status.Author{})
	if err != nil || !strings.Contains(text, "not trusted any more in profile tls teams") {
		t.Fatalf("%q, %v", text, err)
	}
	if got := startup(); strings.Contains(got, "New_Root") || !strings.Contains(got, "pki:certificate/MINE") {
		t.Errorf("startup-config:\n%s", got)
	}
	if _, err := s.store.Certificates("New_Root"); err == nil {
		t.Error("it is still imported")
	}
	if _, err := s.Untrust(pki.Fingerprint(mine), status.Author{}); err == nil || !strings.Contains(err.Error(), "last certificate that profile tls teams trusts") || len(s.running.TLS[0].Trusted) != 1 {
		t.Errorf("the last one: %v, %v", err, s.running.TLS[0].Trusted)
	}
	if err := s.store.SaveStartup([]byte("no such line\n" + saved)); err != nil {
		t.Fatal(err)
	}
	before := startup()
	s.Note("wan", "sip.example", &pki.UnknownIssuer{Subject: "sip.example", Chain: []*x509.Certificate{c}, End: c, SHA256: pki.Fingerprint(c), Root: true})
	if text, err := s.Trust(pki.Fingerprint(c), status.Author{}); err != nil || !strings.Contains(text, "copy running-config startup-config") || startup() != before {
		t.Errorf("a startup-config with a line that is not understood: %q, %v\n%s", text, err, startup())
	}
}

// An issuer that a peer has shown is trusted with one command, and the built-in roots stay trusted beside it.
func TestIssuerIsTrustedByItsFingerprint(t *testing.T) {
	s := newBox(t)
	before := s.running.TLS[0]
	met := func(c *x509.Certificate) string {
		sum := pki.Fingerprint(c)
		s.Note("wan", "sip.example 192.0.2.9:5061", &pki.UnknownIssuer{Subject: "sip.example", Issuer: c.Subject.CommonName, End: c, SHA256: sum, Root: true})
		return sum
	}
	first, second := pkitest.Root(t, "New Root G9/2", time.Hour), pkitest.Root(t, "New Root G9/2", time.Hour)
	sum := met(first)
	met(first)
	if n := strings.Count(s.log.String(), "pki trust add "+sum); n != 1 || !strings.Contains(s.log.String(), "New Root G9/2") {
		t.Errorf("logged %d times:\n%s", n, s.log.String())
	}
	if p := s.problems(); len(p) != 1 || p[0].Fix != "pki trust add "+sum || !strings.Contains(p[0].Text, "sip.example") {
		t.Errorf("problems: %+v", p)
	}
	if _, err := s.Trust(strings.Repeat("0", 64), status.Author{}); err == nil {
		t.Error("a fingerprint that nobody has shown was trusted")
	}
	text, err := s.Trust(strings.ToLower(sum), status.Author{})
	if err != nil || !strings.Contains(text, "New_Root_G9_2 (root) is trusted in profile tls teams") {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := s.Trust(met(second), status.Author{}); err != nil { // another one of the same name
		t.Error(err)
	}
	got := s.running.TLS[0].Trusted
	if len(got) != 3 || got[0] != "pki:certificate/BUILT-IN" || got[1] != "pki:certificate/New_Root_G9_2" || len(before.Trusted) != 0 {
		t.Errorf("%v, before %v", got, before.Trusted)
	}
	for i, want := range []*x509.Certificate{first, second} {
		if list, err := s.store.Certificates(pki.Name(got[i+1])); err != nil || len(list) != 1 || !list[0].Equal(want) {
			t.Errorf("%s: %v, %v", got[i+1], list, err)
		}
	}
	if list, err := s.store.Certificates(pki.BuiltInName); err != nil || len(list) != len(pki.BuiltIn()) {
		t.Errorf("built in: %d, %v", len(list), err)
	}
	if _, err := s.store.ImportCertificate(pki.BuiltInName, []byte("x")); err == nil || !strings.Contains(err.Error(), "built-in") {
		t.Errorf("import as %s: %v", pki.BuiltInName, err)
	}
	if len(s.List()) != 0 {
		t.Error("still listed as not trusted")
	}
	for range 2 * mostIssuers {
		met(pkitest.Root(t, "X", time.Hour))
	}
	if n := len(s.List()); n != mostIssuers {
		t.Errorf("%d remembered", n)
	}
}

// keep imports a certificate as MINE.
func keep(t *testing.T, s *store.Store, c *x509.Certificate) {
	t.Helper()
	if _, err := s.ImportCertificate("MINE", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})); err != nil {
		t.Fatal(err)
	}
}

func teamsProfile() (*config.Config, *config.TLSProfile) {
	p := &config.TLSProfile{Name: "teams", AuthIncoming: true}
	c := config.New()
	c.TLS = []*config.TLSProfile{p}
	c.Gateways = []*config.SIPGateway{{Name: "wan", TLS: config.Ref[config.Config, config.TLSProfile]{Name: "teams"}}}
	return c, p
}
