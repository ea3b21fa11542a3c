package system

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/calendar"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/license"
	"viaduct/appliance/pki"
	"viaduct/appliance/pki/pkitest"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

// announced is a System with a gateway towards Teams, and the issuer of its calendars.
func announced(t *testing.T) (*System, ed25519.PrivateKey) {
	t.Helper()
	dir := t.TempDir()
	state, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &System{o: Options{StateDir: dir, Language: lang.New()}, store: state, log: slog.New(slog.DiscardHandler), snapshots: snapshots{changed: make(chan struct{}, 1)}, licenses: license.New()}
	s.commits, s.ends = s.newCommits(), s.newExpiry()
	s.running.Store(teamsConfig(t, s, "license-authority lab "+license.FormatIssuer(public)))
	return s, private
}

func teamsConfig(t *testing.T, s *System, more ...string) *config.Config {
	t.Helper()
	cfg, problems := s.o.Language.Parse([]byte(strings.Join(append(more, "profile tls teams", "own-certificate 1 pki:certificate/MINE", "private-key pki:private-key/MINE", "context sip-gateway wan",
		"use profile tls teams", "context cs S", "interface sip T", "bind context sip-gateway wan", "remote sip.pstnhub.microsoft.com"), "\n")))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return cfg
}

// edited is the built-in calendar of another day, with one more announcement, signed.
func edited(t *testing.T, private ed25519.PrivateKey, date, text string) []byte {
	t.Helper()
	block, err := calendar.Sign(private, fmt.Appendf(nil, `{"format": 1, "date": %q, "sources": {"S": "a source"}, "authorities": [],
		"entries": [{"date": "2027-06-01", "kind": "notice", "text": %q, "sources": ["S"]}]}`, date, text))
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// Nothing but a newer calendar of a trusted signer replaces the one in force, and nothing keeps it in force when its signer is trusted no more.
func TestACalendarIsReplacedByANewerSignedOne(t *testing.T) {
	s, private := announced(t)
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		c := s.Calendar()
		return c.Date.Format(time.DateOnly) + " " + c.Signer
	}
	builtIn := shown()
	good := edited(t, private, "2027-01-31", "new")
	p, _ := pem.Decode(good)
	p.Bytes[len(p.Bytes)-3] ^= 1
	for why, block := range map[string][]byte{
		"of somebody else": edited(t, stranger, "2027-01-31", "evil"),
		"older":            edited(t, private, "2020-01-01", "old"),
		"of the same day":  edited(t, private, calendar.BuiltIn().Date.String(), "same"),
		"damaged":          pem.EncodeToMemory(p),
		"unsigned":         []byte(`{"format": 1}`),
		"torn":             good[:len(good)-40],
	} {
		if text, err := s.ImportCalendar(block); err == nil || err.Error() == "" {
			t.Errorf("%s: %s", why, text)
		}
		if kept, err := s.store.Calendar(); kept != nil || err != nil || shown() != builtIn {
			t.Errorf("%s: kept %q, %v; in force %s", why, kept, err, shown())
		}
	}
	if s.EraseCalendar() == nil {
		t.Error("nothing was erased, and that is no error")
	}
	if text, err := s.ImportCalendar(good); err != nil || !strings.Contains(text, "2027-01-31, signed by lab") || shown() != "2027-01-31 lab" {
		t.Fatalf("%q, %v, %s", text, err, shown())
	}
	if _, err := s.ImportCalendar(edited(t, private, "2027-01-30", "older")); err == nil {
		t.Error("an older one took its place")
	}

	restarted := func() *System {
		state, err := store.Open(s.o.StateDir)
		if err != nil {
			t.Fatal(err)
		}
		r := &System{o: s.o, store: state, log: s.log, licenses: license.New()}
		r.running.Store(s.Running())
		r.ends = r.newExpiry()
		r.ends.Judge()
		return r
	}
	if r := restarted(); r.Calendar().Signer != "lab" || r.health.Active(health.CalendarRefused) {
		t.Errorf("after a restart: %+v", r.Calendar())
	}
	if err := s.Mutate(status.Author{}, func(*config.Config) (*config.Config, error) { return teamsConfig(t, s), nil }); err != nil {
		t.Fatal(err)
	}
	if !s.health.Active(health.CalendarRefused) || shown() != builtIn || !strings.Contains(s.Calendar().Refused, "no issuer that is trusted here") {
		t.Errorf("without its signer: %s, %q", shown(), s.Calendar().Refused)
	}
	if err := s.store.SaveCalendar([]byte("torn")); err != nil {
		t.Fatal(err)
	}
	if r := restarted(); r.Calendar().Signer != "" || !r.health.Active(health.CalendarRefused) {
		t.Error("a damaged file is no alarm")
	}
	if err := s.EraseCalendar(); err != nil || s.health.Active(health.CalendarRefused) || s.Calendar().Refused != "" {
		t.Errorf("erased: %v, %q", err, s.Calendar().Refused)
	}
}

// certified makes a certificate that lives so many days until a date, of an organisation.
func certified(t *testing.T, organisation, end string, days int) *x509.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	until, err := time.Parse(time.DateOnly, end)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sbc.example\x1b[2J", Organization: []string{organisation}}, DNSNames: []string{"sbc.example"},
		NotBefore: until.AddDate(0, 0, -days), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

// What concerns the box comes first, is an alarm, and is said at the line of the certificate.
func TestAnnouncementsThatConcernTheBox(t *testing.T) {
	s, _ := announced(t)
	s.ends.Announce()
	if list := s.health.Current(); len(list) > 0 {
		t.Errorf("without a certificate: %+v", list)
	}
	keep(t, s.store, certified(t, "DigiCert Inc", "2027-04-01", 199))
	s.ends.Announce()
	list := s.health.Current()
	if len(list) != 1 || list[0].ID != "certificate-successor" || list[0].Severity != health.Info || list[0].Subject != "pki:certificate/MINE" ||
		!strings.Contains(list[0].Text, "will live at most 100 days (2027-03-15: Public certificates live at most 100 days)") || strings.Contains(list[0].Text, "\x1b") {
		t.Errorf("%+v", list)
	}
	mine := ""
	for _, e := range s.Calendar().Mine {
		mine += e.Date.Format(time.DateOnly) + " " + e.About + ": " + e.Text + "\n"
	}
	for _, want := range []string{
		`2027-04-01 pki:certificate/MINE: sbc.example\x1b[2J ends`, "2027-03-15 pki:certificate/MINE: its successor will live at most 100 days",
		"2038-01-15 pki:certificate/BUILT-IN: DigiCert Global Root G2 ends", "2026-03-01 profile tls teams: Deadline of Microsoft to trust the seven roots of its SIP certificates: all are trusted",
	} {
		if !strings.Contains(mine, want) {
			t.Errorf("no %q in\n%s", want, mine)
		}
	}
	if n := strings.Count(mine, "\n"); n != len(s.Calendar().Mine) || strings.Contains(mine, "GlobalSign") {
		t.Errorf("%d lines:\n%s", n, mine)
	}
	for _, e := range s.Calendar().Others {
		if strings.Contains(mine, e.Text+"\n") {
			t.Errorf("twice: %s", e.Text)
		}
	}
	said := false
	for _, p := range s.o.Language.Check(s.Running(), check.Env{PKI: s, Now: time.Now(), Calendar: s.ends.InForce()}) {
		said = said || p.Source == "own-certificate 1 pki:certificate/MINE" && strings.Contains(p.Text, "the successor of this certificate will live at most 100 days")
	}
	if !said {
		t.Error("it is not said at the line of the certificate")
	}
	keep(t, s.store, certified(t, "Let's Encrypt", "2027-02-01", 90))
	if s.ends.Announce(); len(s.health.Current()) > 0 {
		t.Errorf("a certificate that renews as it is: %+v", s.health.Current())
	}
}

// A box that trusts some of the roots of Teams is told which ones it will need; one that trusts others only is for something else.
func TestRootsOfTeamsThatAreMissing(t *testing.T) {
	s, _ := announced(t)
	one := pki.BuiltIn()[1]
	if _, err := s.store.ImportCertificate("ONE", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: one.Raw})); err != nil {
		t.Fatal(err)
	}
	keep(t, s.store, pkitest.Root(t, "Lab", time.Hour))
	for trusted, want := range map[string]int{"BUILT-IN": 0, "ONE": len(pki.BuiltIn()) - 1, "MINE": -1} {
		cfg := teamsConfig(t, s, "profile tls teams", "trusted-certificate pki:certificate/"+trusted)
		cfg.TLS[0].Own = nil
		s.running.Store(cfg)
		s.ends.Announce()
		list := s.health.Current()
		if want <= 0 && len(list) > 0 {
			t.Errorf("%s: %+v", trusted, list)
		}
		if want > 0 && (len(list) != 1 || list[0].ID != "roots-missing" || strings.Count(list[0].Text, ",") != want-1 || strings.Contains(list[0].Text, one.Subject.CommonName) ||
			strings.Join(list[0].Cure, "; ") != "configure; profile tls teams; trusted-certificate pki:certificate/BUILT-IN; end") {
			t.Errorf("%s: %+v", trusted, list)
		}
	}
}

// A calendar need not speak of the roots of Teams.
func TestACalendarWithoutRootsSaysNothingOfThem(t *testing.T) {
	s, private := announced(t)
	if _, err := s.ImportCalendar(edited(t, private, "2027-01-31", "new")); err != nil {
		t.Fatal(err)
	}
	for _, e := range s.Calendar().Mine {
		if e.Date.IsZero() || strings.HasPrefix(e.Text, ":") {
			t.Errorf("%+v", e)
		}
	}
}
