package system

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/license"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

func TestLicensesFollowTheirIssuers(t *testing.T) {
	dir := t.TempDir()
	s := boxOf(t, named(t, "sim"), dir, "")
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key := func(l license.License) string {
		t.Helper()
		text, err := license.Sign(private, l)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	trust := func(list ...*config.LicenseAuthority) {
		t.Helper()
		err := s.Mutate(status.Author{}, func(old *config.Config) (*config.Config, error) {
			c := *old
			c.LicenseAuthorities = list
			return &c, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	sessions := func(want int) {
		t.Helper()
		if p := s.Licenses().Pools[0]; p.Total != want {
			t.Errorf("%+v, want %d in total", p, want)
		}
	}
	lab := &config.LicenseAuthority{Name: "lab", Key: license.FormatIssuer(public)}
	twenty := key(license.License{Kind: license.SIPSessions, Count: 20, Serial: 7})
	if _, err := s.InstallLicense(twenty); err == nil || !strings.Contains(err.Error(), "issuer of this key") {
		t.Errorf("an unknown issuer: %v", err)
	}
	trust(lab)
	if text, err := s.InstallLicense(twenty); err != nil || text != "license 7: 20 sip-sessions, any system" {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := s.InstallLicense(key(license.License{Kind: license.SIPRegistrar, Serial: 8})); err != nil || text != "license 8: sip-registrar, any system" {
		t.Errorf("a feature has no count: %q, %v", text, err)
	}
	sessions(24)
	trust()
	sessions(4)
	if keys := s.Licenses().Keys; len(keys) != 2 || keys[0].Key != twenty || !strings.HasPrefix(keys[0].About, "not in force: the issuer of this key") {
		t.Errorf("%+v", keys)
	}
	trust(lab)
	sessions(24)
	if keys := s.Licenses().Keys; keys[0] != (status.LicenseKey{Key: twenty, ID: license.ID(twenty), About: "license 7: 20 sip-sessions, any system, of issuer lab", InForce: true, Kind: "sip-sessions", Count: 20, Serial: 7, Issuer: "lab"}) {
		t.Errorf("%+v", keys)
	}
	if _, err := s.EraseLicense(twenty[1:]); err == nil {
		t.Error("a key that is not there was erased")
	}
	if text, err := s.EraseLicense(strings.ToUpper(license.ID(twenty))); err != nil || !strings.HasPrefix(text, "license 7: 20 sip-sessions") {
		t.Errorf("%q, %v", text, err)
	}
	sessions(4)
	if s = boxOf(t, named(t, "sim"), dir, ""); len(s.Licenses().Keys) != 1 {
		t.Errorf("after the next start: %+v", s.Licenses().Keys)
	}
}

// A time server that lies at the start takes licenses out of force. When the clock is right again, so are they.
func TestLicensesAreJudgedAgainWhenTheClockIsRight(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	board := named(t, "sim")
	synctest.Test(t, func(t *testing.T) {
		key, err := license.Sign(private, license.License{Kind: license.SIPSessions, Count: 20, Serial: 7, Expires: time.Now().Add(365 * 24 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		s := &System{store: store, licenses: license.New(), log: slog.New(slog.DiscardHandler), moved: make(chan struct{}, 1)}
		s.ends = s.newExpiry()
		s.o.Board = board
		s.health.Log = s.log
		cfg := config.New()
		cfg.LicenseAuthorities = []*config.LicenseAuthority{{Name: "lab", Key: license.FormatIssuer(public)}}
		s.running.Store(cfg)
		if err := store.AddLicense(key); err != nil {
			t.Fatal(err)
		}
		s.judgeLicenses()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.calendar(ctx) }()
		total := func(want int) {
			t.Helper()
			synctest.Wait()
			if got := s.licenses.Table()[0].Total; got != want {
				t.Errorf("%d sessions, want %d", got, want)
			}
		}
		total(24)
		// The clock is thirty years ahead for a moment: what expires then is dropped, and comes back with the right time.
		s.licenses.Expire(time.Now().Add(30 * 365 * 24 * time.Hour))
		total(4)
		s.clockMoved()
		total(24)
		cancel()
		<-done
	})
}
