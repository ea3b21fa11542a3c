package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/calendar"
	"viaduct/appliance/config"
	"viaduct/appliance/license"
)

func TestAnIssuedKeyInstalls(t *testing.T) {
	file := filepath.Join(t.TempDir(), "issuer.pem")
	var line, paste strings.Builder
	if err := run([]string{"keygen", "-name", "lab", "-out", file}, &line); err != nil {
		t.Fatal(err)
	}
	if i, err := os.Stat(file); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("private key: %v, %v", i.Mode(), err)
	}
	if err := run([]string{"keygen", "-name", "lab", "-out", file}, &strings.Builder{}); err == nil {
		t.Error("an issuer was overwritten")
	}
	if err := run([]string{"key", "-key", file, "-kind", "sip-sessions", "-count", "20", "-serial", "17", "-system", "00A0BA0F2439", "-expires", "2027-01-31"}, &paste); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(paste.String()), "\n")
	if len(lines) != 3 || lines[0] != "# license 17: 20 sip-sessions, system 00A0BA0F2439, until 2027-01-31" || !strings.HasPrefix(lines[1], "# ") {
		t.Fatalf("%q", lines)
	}
	key, ok := strings.CutPrefix(lines[2], "install license ")
	fields := strings.Fields(line.String())
	if !ok || len(fields) != 3 || fields[0] != "license-authority" {
		t.Fatalf("%q, %q", lines, fields)
	}
	l, err := license.New().Install(key, "00A0BA0F2439", time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), []*config.LicenseAuthority{{Name: fields[1], Key: fields[2]}})
	if err != nil || l.Count != 20 || l.Serial != 17 {
		t.Errorf("%v, %v", l, err)
	}
}

func TestASignedCalendarIsOpened(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "issuer.pem")
	var line, block strings.Builder
	if err := run([]string{"keygen", "-name", "lab", "-out", file}, &line); err != nil {
		t.Fatal(err)
	}
	key, err := license.ParseIssuer(strings.Fields(line.String())[2])
	if err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"calendar", "-key", file, "-in", "../../../calendar/calendar.json"}, &block); err != nil {
		t.Fatal(err)
	}
	if c, by, err := calendar.Open([]byte(block.String()), []calendar.Signer{{Name: "lab", Key: key}}); err != nil || by != "lab" || c.Date != calendar.BuiltIn().Date {
		t.Errorf("%v, %q, %v", c, by, err)
	}
	torn := filepath.Join(dir, "torn.json")
	if err := os.WriteFile(torn, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"calendar", "-key", file, "-in", torn}, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), torn) {
		t.Errorf("a torn calendar: %v", err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "issuer.pem")
	if err := run([]string{"keygen", "-name", "lab", "-out", file}, &strings.Builder{}); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"", "sign", "keygen -name x", "key -key " + file, "key -key /nowhere -kind sip-sessions -serial 1", "key -key main.go -kind sip-sessions -serial 1",
		"key -key " + file + " -kind calls -serial 1", "key -key " + file + " -kind sip-sessions -serial 1 -expires tomorrow"} {
		if err := run(strings.Fields(args), &strings.Builder{}); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
