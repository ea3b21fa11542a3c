package system

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/license"
	"viaduct/appliance/pki"
	"viaduct/appliance/pki/pkitest"
	"viaduct/appliance/store"
)

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

func TestCertificatesAreAnnouncedOnceAtEachThreshold(t *testing.T) {
	const day = 24 * time.Hour
	state, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := pkitest.Root(t, "sbc.example", 40*day)
	keep(t, state, c)
	cfg, p := teamsProfile()
	p.Own = []config.OwnCertificate{{Index: 1, Name: "pki:certificate/MINE"}}
	s, out := announcing(state, cfg)
	for _, step := range []struct {
		left time.Duration
		want string
	}{
		{31 * day, ""}, {30 * day, "in 30 days or less"}, {29 * day, ""}, {14 * day, "in 14 days or less"}, {13 * day, ""},
		{6 * day, "in 7 days or less"}, {6 * time.Hour, "in 1 day or less"}, {time.Hour, ""}, {-time.Second, "has expired"}, {-day, ""},
	} {
		out.Reset()
		s.ends.Look(c.NotAfter.Add(-step.left))
		if got := out.String(); strings.Contains(got, "alarm raised") != (step.want != "") || !strings.Contains(got, step.want) {
			t.Errorf("%v before its end: %q, want %q", step.left, got, step.want)
		}
	}
}

// TestTheAlarmOfAnEndNamesItsCure: nobody is told to import what the box obtains by itself.
func TestTheAlarmOfAnEndNamesItsCure(t *testing.T) {
	state, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg, p := teamsProfile()
	p.Own = []config.OwnCertificate{{Index: 1, Name: "pki:certificate/MINE"}}
	s, _ := announcing(state, cfg)
	advice := func(c *x509.Certificate) string {
		keep(t, state, c)
		s.ends.Look(c.NotAfter.Add(-time.Hour))
		for _, a := range s.health.Current() {
			if a.ID == health.CertificateExpires.ID {
				return a.Advice
			}
		}
		return "no alarm"
	}
	pasted := pkitest.Root(t, "sbc.example", 40*24*time.Hour)
	if got := advice(pasted); !strings.Contains(got, "import it") {
		t.Errorf("pasted: %q", got)
	}
	key, err := pki.NewKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pki.NewInternalRoot("lan", key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	lan, err := pki.IssueInternal(ca, key, key.Public(), []string{"sbc.lan"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got := advice(lan); !strings.Contains(got, "show pki internal-ca") || strings.Contains(got, "import it") {
		t.Errorf("of the internal CA: %q", got)
	}
	cfg.ACME = []*config.ACMEProfile{{Name: "mine", Certificate: "pki:certificate/MINE"}}
	if got := advice(pasted); !strings.Contains(got, "profile acme mine") || strings.Contains(got, "import it") {
		t.Errorf("of profile acme: %q", got)
	}
}

// announcing is a System of nothing but certificates, and its log.
func announcing(state *store.Store, cfg *config.Config) (*System, *bytes.Buffer) {
	out := &bytes.Buffer{}
	s := &System{store: state}
	s.ends = s.newExpiry()
	s.health.Log = slog.New(slog.NewTextHandler(out, nil))
	s.running.Store(cfg)
	return s, out
}

// Of the built-in roots only their end is told.
func TestBuiltInRootsAreAnnouncedAtTheirEndOnly(t *testing.T) {
	state, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg, _ := teamsProfile()
	first := slices.MinFunc(pki.BuiltIn(), func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	s, out := announcing(state, cfg)
	if s.ends.Look(first.NotAfter.Add(-time.Hour)); out.Len() > 0 {
		t.Errorf("an hour before: %s", out)
	}
	if s.ends.Look(first.NotAfter.Add(time.Hour)); !strings.Contains(out.String(), "has expired") {
		t.Errorf("an hour after: %s", out)
	}
}

// lines are what a log says.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// A box that runs for months tells of certificates that come to their end meanwhile, within the minute.
func TestTheCalendarGoesOn(t *testing.T) {
	const day = 24 * time.Hour
	state, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg, p := teamsProfile()
	p.Own = []config.OwnCertificate{{Index: 1, Name: "pki:certificate/MINE"}}
	synctest.Test(t, func(t *testing.T) {
		keep(t, state, pkitest.Root(t, "sbc.example", 31*day+day/2))
		out := make(lines, 100)
		s := &System{store: state, licenses: license.New(), log: slog.New(slog.NewTextHandler(out, nil))}
		s.ends = s.newExpiry()
		s.health.Log = s.log
		s.running.Store(cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.calendar(ctx) }()
		for _, want := range []string{"", "in 30 days or less", "", ""} {
			time.Sleep(day + time.Minute)
			synctest.Wait()
			got := ""
			for len(out) > 0 {
				got += <-out
			}
			if strings.Contains(got, "sbc.example") != (want != "") || !strings.Contains(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Who signs in with a certificate, or a secret whose last day is told, is warned two months, one and a week before its end.
func TestTheEndOfASignInIsAnnounced(t *testing.T) {
	const day = 24 * time.Hour
	state, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := pkitest.Root(t, "sbc.example", 100*day)
	keep(t, state, c)
	p := &config.PresenceService{Name: "TEAMS", Enabled: true, Certificate: "pki:certificate/MINE"}
	s, out := announcing(state, &config.Config{Presence: []*config.PresenceService{p}})
	look := func(what string, end time.Time) {
		t.Helper()
		for _, step := range []struct {
			left time.Duration
			want string
		}{
			{61 * day, ""}, {60 * day, "which ends on " + end.UTC().Format(time.DateOnly) + ", in 60 days or less"}, {59 * day, ""}, {30 * day, "in 30 days or less"}, {8 * day, ""},
			{7 * day, "in 7 days or less"}, {time.Hour, ""}, {-time.Hour, "alarm cleared"},
		} {
			out.Reset()
			s.ends.Look(end.Add(-step.left))
			if got := out.String(); (step.want == "") != (got == "") || !strings.Contains(got, step.want) || step.want != "" && !strings.Contains(got, what) {
				t.Errorf("%v before the end of %s: %q, want %q", step.left, what, got, step.want)
			}
		}
	}
	look("pki:certificate/MINE", c.NotAfter)
	p.Certificate, p.Secret = "", config.ApplicationSecret{Value: "x", Ends: time.Date(2030, 6, 30, 0, 0, 0, 0, time.UTC)}
	look("a secret", time.Date(2030, 7, 1, 0, 0, 0, 0, time.UTC))
	p.Secret.Ends = time.Time{}
	out.Reset()
	if s.ends.Look(time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)); strings.Contains(out.String(), "presence") {
		t.Errorf("nobody knows when it ends: %s", out)
	}
}
