package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"
)

// Whoever imports a certificate learns at once what speaks against it.
func TestDoubtsAboutAnImport(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	good, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate := func(public any, from, to time.Duration, authority bool) *x509.Certificate {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sbc.example"}, NotBefore: now.Add(from), NotAfter: now.Add(to),
			IsCA: authority, BasicConstraintsValid: true}
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, good)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const day = 24 * time.Hour
	fine := certificate(good.Public(), -day, 365*day, false)
	for want, chain := range map[string][]*x509.Certificate{
		"":                          {fine},
		"HAS EXPIRED on 2026-11-28": {certificate(good.Public(), -9*day, -day, false)},
		"expires in 1 day":          {certificate(good.Public(), -9*day, day+time.Hour, false)},
		"is not good before":        {certificate(good.Public(), day, 9*day, false)},
		"the key is of type EC P-256, and Microsoft Teams takes RSA only": {certificate(ec.Public(), -day, 365*day, false)},
	} {
		if got := strings.Join(Doubts(chain, now), "; "); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := Doubts([]*x509.Certificate{fine, certificate(ec.Public(), -9*day, -day, true)}, now); len(got) != 1 || !strings.Contains(got[0], "HAS EXPIRED") {
		t.Errorf("an authority that has expired: %q", got)
	}
	if got := Doubts([]*x509.Certificate{certificate(ec.Public(), -day, 365*day, true)}, now); len(got) > 0 {
		t.Errorf("a root with an EC key: %q", got)
	}
}

// The file that a Windows server gives is named, with the way to PEM.
func TestPKCS12IsNamed(t *testing.T) {
	// The beginning of a PFX: version 3, and data.
	const base64 = "MIIKQwIBAzCCCe8GCSqGSIb3DQEHAaCCCeAEggncMIIJ2DCCBI8GCSqGSIb3DQEH"
	for name, c := range map[string]struct {
		text  string
		named bool
	}{
		"its base64":      {base64 + "\n", true},
		"in a block":      {"-----BEGIN PKCS12-----\n" + base64 + "\n-----END PKCS12-----\n", true},
		"the file itself": {"(byte 0x82 at column 2 is not UTF-8 text)\nxyz\n", true},
		"nothing":         {"", false},
		"another base64":  {"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n", false},
		"some text":       {"hello world\n", false},
	} {
		_, key := ParsePrivateKey([]byte(c.text), "")
		_, cert := ParseCertificates([]byte(c.text))
		for _, err := range []error{key, cert} {
			if err == nil || strings.Contains(err.Error(), "openssl pkcs12 -in FILE.pfx -nocerts -nodes") != c.named {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
