package expiry

import (
	"crypto/x509"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pki/pkitest"
)

const day = 24 * time.Hour

// shelf is a store without an imported calendar.
type shelf struct{ pkitest.Shelf }

func (*shelf) Calendar() ([]byte, error) { return nil, nil }
func (*shelf) SaveCalendar([]byte) error { return nil }
func (*shelf) EraseCalendar() error      { return nil }
func trusts(names ...string) []config.PKIName {
	var list []config.PKIName
	for _, n := range names {
		list = append(list, config.PKIName("pki:certificate/"+n))
	}
	return list
}

// Each certificate is announced once, by its last threshold, however many profiles use it, and under how many names. One that has ended is another alarm.
func TestCertificatesThatEnd(t *testing.T) {
	s, tracker := &shelf{}, &health.Tracker{Log: slog.New(slog.DiscardHandler)}
	for name, left := range map[string]time.Duration{"far": 300 * day, "soon": 20 * day, "close": 5*day + time.Hour, "over": -day} {
		s.Put(name, []*x509.Certificate{pkitest.Root(t, "CA "+name, left)}, nil)
	}
	same, _ := s.Certificates("soon")
	s.Put("again", same, nil)
	cfg := &config.Config{TLS: []*config.TLSProfile{
		{Name: "ONE", Trusted: trusts("far", "soon", "again", "over", "missing")},
		{Name: "TWO", Trusted: trusts("soon", "close")},
	}}
	b := New(Options{Log: tracker.Log, Health: tracker, Store: s, Config: func() *config.Config { return cfg }})
	alarms := func() (list []string) {
		for _, a := range tracker.Current() {
			if a.ID == health.CertificateExpires.ID || a.ID == health.CertificateExpired.ID {
				list = append(list, a.ID+": "+a.Text)
			}
		}
		slices.Sort(list)
		return list
	}
	want := func(when string, want ...[2]string) {
		t.Helper()
		got := alarms()
		if len(got) != len(want) {
			t.Fatalf("%s: %q", when, got)
		}
		for i, w := range want {
			if !strings.HasPrefix(got[i], w[0]+": ") || !strings.Contains(got[i], w[1]) {
				t.Errorf("%s: %q, want %q", when, got[i], w)
			}
		}
	}
	b.Look(time.Now())
	soon, over := health.CertificateExpires.ID, health.CertificateExpired.ID
	list := alarms()
	if len(list) != 3 {
		t.Fatalf("%q", list)
	}
	for name, days := range map[string]string{"soon": "30 days", "close": "7 days"} {
		if !slices.ContainsFunc(list, func(a string) bool {
			return strings.HasPrefix(a, soon) && strings.Contains(a, "certificate/"+name) && strings.Contains(a, days)
		}) {
			t.Errorf("%s in %s is not in %q", name, days, list)
		}
	}
	if !slices.ContainsFunc(list, func(a string) bool { return strings.HasPrefix(a, over) && strings.Contains(a, "certificate/over") }) {
		t.Errorf("the one that is over is not in %q", list)
	}
	s.Put("soon", []*x509.Certificate{pkitest.Root(t, "CA soon", 300*day)}, nil) // a successor has come
	cfg.TLS[0].Trusted = trusts("far")
	b.Look(time.Now())
	want("later", [2]string{soon, "certificate/close"})
}

// Secrets and certificates of presence-services are announced earlier, and no more once they have ended, which Microsoft says.
func TestWhatAPresenceServiceSignsInWithEnds(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &shelf{}
	s.Put("GRAPH", []*x509.Certificate{{NotAfter: now.Add(20 * day)}}, nil)
	b := New(Options{Store: s})
	secret := func(ends time.Time) config.PresenceService {
		return config.PresenceService{Enabled: true, Secret: config.ApplicationSecret{Ends: ends}}
	}
	for name, c := range map[string]struct {
		p    config.PresenceService
		left string // "": no alarm
	}{
		"a certificate":             {config.PresenceService{Enabled: true, Certificate: "pki:certificate/GRAPH"}, "30 days"},
		"a certificate, not in use": {config.PresenceService{Certificate: "pki:certificate/GRAPH"}, ""},
		"a certificate, missing":    {config.PresenceService{Enabled: true, Certificate: "pki:certificate/GONE"}, ""},
		"a secret, far":             {secret(now.Add(90 * day)), ""},
		"a secret, soon":            {secret(now.Add(50 * day)), "60 days"},
		"a secret, its last week":   {secret(now.Add(3 * day)), "7 days"},
		"a secret, its last day":    {secret(time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)), "7 days"},
		"a secret, over":            {secret(time.Date(2027, 2, 28, 0, 0, 0, 0, time.UTC)), ""},
		"a secret without an end":   {secret(time.Time{}), ""},
	} {
		list := b.presenceEnds(&config.Config{Presence: []*config.PresenceService{&c.p}}, now)
		left := ""
		for _, a := range list {
			left = a["left"]
		}
		if left != c.left || len(list) > 1 {
			t.Errorf("%s: %v, want %q", name, list, c.left)
		}
	}
}

// Whoever reads the alarm learns where the next one comes from.
func TestWhereASuccessorComesFrom(t *testing.T) {
	c := &x509.Certificate{}
	for name, want := range map[config.PKIName]string{"pki:certificate/OWN": "import it", "pki:certificate/BUILT-IN": "new firmware brings it"} {
		if got := successorOf(&config.Config{}, name, c); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
