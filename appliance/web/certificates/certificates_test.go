package certificates

import (
	"strings"
	"testing"
	"time"

	"viaduct/appliance/status"
)

func TestAPasteIsTakenApart(t *testing.T) {
	const (
		leaf   = "-----BEGIN CERTIFICATE-----\nTEVBRg==\n-----END CERTIFICATE-----\n"
		middle = "-----BEGIN CERTIFICATE-----\nTUlE\n-----END CERTIFICATE-----\n"
		key    = "-----BEGIN PRIVATE KEY-----\nS0VZ\n-----END PRIVATE KEY-----\n"
		sealed = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nS0VZ\n-----END RSA PRIVATE KEY-----\n"
	)
	for _, c := range []struct{ text, certificates, key string }{
		{leaf, leaf, ""},
		{key, "", key},
		{leaf + middle, leaf + middle, ""},
		{"Bag Attributes\n" + key + "subject=x\n" + leaf + "\n\nissuer=y\n" + middle, leaf + middle, key},
		{sealed + leaf, leaf, sealed}, // the empty line belongs to the key
		{strings.ReplaceAll(leaf+key, "\n", "\r\n"), leaf, key},
		{leaf + "\n" + middle[:20], leaf + middle[:20], ""}, // the box says that it ends too soon
		{"no PEM at all", "", ""},
	} {
		if certificates, key := split(c.text); certificates != c.certificates || key != c.key {
			t.Errorf("%q: %q and %q", c.text, certificates, key)
		}
	}
}

func TestALongLineOfBase64IsBroken(t *testing.T) {
	text := strings.Repeat("A", 200)
	got := wrapped(text + "\r\nBB\n\n")
	if strings.ReplaceAll(got, "\n", "") != text+"BB" {
		t.Errorf("%q", got)
	}
	for line := range strings.Lines(got) {
		if len(line) > 77 || line == "\n" {
			t.Errorf("%q", line)
		}
	}
}

func TestHowLongACertificateIsGood(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	item := func(from, announced, until int) status.Key {
		left := until
		return status.Key{Subject: "x", NotAfter: now.Add(time.Duration(until) * day), Announced: now.Add(time.Duration(announced) * day), DaysLeft: &left,
			Links: []status.ChainLink{{NotBefore: now.Add(time.Duration(from) * day)}}}
	}
	for _, c := range []struct {
		k          status.Key
		state      string
		left, life int
	}{
		{item(-10, 50, 80), "ok", 80, 90},
		{item(-80, -20, 10), "ending", 10, 90},
		{item(-100, -30, -10), "ended", 0, 90},
		{item(5, 70, 95), "early", 95, 95},
		{status.Key{}, "unusable", 0, 1},
	} {
		if got := lasting(c.k, now); got.State != c.state || got.Left != c.left || got.Life != c.life {
			t.Errorf("%+v, want %s, %d of %d", got, c.state, c.left, c.life)
		}
	}
}

func TestAWordCannotBecomeALine(t *testing.T) {
	for text, want := range map[string]string{
		"pki:certificate/a":             "erase pki:certificate/a",
		"pki:certificate/a force":       `erase "pki:certificate/a force"`,
		"pki:certificate/a\nreload now": `erase "pki:certificate/a?reload now"`,
		`"`:                             `erase "\""`,
	} {
		if got := line("erase", text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
