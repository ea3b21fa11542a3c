package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/pki/pkitest"
)

func TestABackupIsOpenedByItsPassPhraseOnly(t *testing.T) {
	a, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const text = "system hostname sbc01\n"
	if err := a.SaveStartup([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := a.AddLicense("KEY"); err != nil {
		t.Fatal(err)
	}
	cert, key := pkitest.SelfSigned(t, "sbc01.example.com")
	if _, err := a.ImportCertificate("own", cert); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ImportPrivateKey("own.key", key, ""); err != nil {
		t.Fatal(err)
	}
	b, err := a.Backup()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := b.Seal("open sesame")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), "sbc01") {
		t.Error("the backup is not encrypted")
	}
	if _, err := OpenBackup(sealed, "open sesam"); err != errBackup {
		t.Errorf("a wrong pass phrase: %v", err)
	}
	torn := strings.Replace(string(sealed), "A", "B", 1)
	if _, err := OpenBackup([]byte(torn), "open sesame"); err == nil {
		t.Error("a damaged backup is taken")
	}
	for _, bad := range []string{"", "hello", "-----BEGIN VIADUCT BACKUP-----\n\nAAAA\n-----END VIADUCT BACKUP-----\n"} {
		if _, err := OpenBackup([]byte(bad), "x"); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	again, err := OpenBackup(sealed, "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Restore(again); err != nil {
		t.Fatal(err)
	}
	if got, _ := c.Startup(); string(got) != text {
		t.Errorf("startup-config %q", got)
	}
	if _, err := c.PrivateKey("own.key"); err != nil {
		t.Error(err)
	}
	if _, err := c.Certificates("own"); err != nil {
		t.Error(err)
	}
	if got, _ := c.Licenses(); !slices.Equal(got, []string{"KEY"}) {
		t.Errorf("licenses %q", got)
	}
}

func TestSummaryOfABackup(t *testing.T) {
	made := time.Date(2026, 11, 29, 13, 0, 0, 0, time.UTC)
	one := map[string][]byte{"A": nil}
	for want, b := range map[string]Backup{
		"backup of box 00A0BA0F2439, made 2026-11-29 13:00:00 UTC: startup-config, 1 certificate, 1 private key, licenses": {
			Made: made, Serial: "00A0BA0F2439", Licenses: []byte("x"), Certificates: one, Keys: one},
		"backup of a box without a serial number, made 2026-11-29 13:00:00 UTC: startup-config, 0 certificates, 0 private keys": {Made: made},
	} {
		if got := b.Summary(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// The key by which a box is known to its hub leaves the box with nothing, so a copy of the box cannot be the box.
func TestTheKeyForTheHubIsInNoBackup(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const seed = "SUSEEDOFTHEBOX"
	if err := errors.Join(os.MkdirAll(s.FleetDir(), 0o700), os.WriteFile(filepath.Join(s.FleetDir(), "key"), []byte(seed), 0o600), s.SaveStartup([]byte("fleet\n"))); err != nil {
		t.Fatal(err)
	}
	b, err := s.Backup()
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%s", *b); strings.Contains(text, seed) || !strings.Contains(text, "fleet\n") {
		t.Errorf("a backup has %s", text)
	}
}
