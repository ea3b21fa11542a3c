package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"strings"
	"testing"
	"time"
)

// Whoever imports a certificate that nothing uses yet learns at once what speaks against it.
func TestDoubtsAboutAnImport(t *testing.T) {
	now := time.Now()
	const day = 24 * time.Hour
	middle := issue(t, issue(t, nil, "Root", authority), "Middle", authority)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	leaf := func(public crypto.Signer, from, to time.Duration, usage ...x509.ExtKeyUsage) *x509.Certificate {
		return issueFor(t, middle, "sbc.example", public, since(now.Add(from)), until(now.Add(to)), func(c *x509.Certificate) {
			c.DNSNames, c.ExtKeyUsage = []string{"sbc.example"}, usage
		}).cert
	}
	const server, client = x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	t.Setenv("GODEBUG", "rsa1024min=0")
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ec := issue(t, nil, "EC").key
	for want, chain := range map[string][]*x509.Certificate{
		"":                    {leaf(key, -day, 365*day, server), middle.cert},
		"has expired on":      {leaf(key, -9*day, -day, server), middle.cert},
		"in 1 day":            {leaf(key, -80*day, day+time.Hour, server), middle.cert},
		"is not good before":  {leaf(key, day, 9*day, server), middle.cert},
		"EC P-256: Microsoft": {leaf(ec, -day, 365*day, server), middle.cert},
		"RSA 1024: peers":     {leaf(short, -day, 365*day, server), middle.cert},
		"server usage":        {leaf(key, -day, 365*day, client), middle.cert},
		"chain is incomplete": {leaf(key, -day, 365*day, server)},
		"do not form a chain": {leaf(key, -day, 365*day, server), issue(t, nil, "Other", authority).cert},
	} {
		var said []string
		for _, f := range Judge(chain, now) {
			if f.Severity == "warning" {
				said = append(said, f.Text)
			}
		}
		if got := strings.Join(said, "; "); want == "" && got != "" || want != "" && (len(said) != 1 || !strings.Contains(got, want)) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for name, c := range map[string]struct {
		chain []*x509.Certificate
		want  int
	}{
		"an authority with an EC key":   {[]*x509.Certificate{middle.cert}, 0},
		"an authority that has expired": {[]*x509.Certificate{issue(t, nil, "Old", authority, since(now.Add(-9*day)), until(now.Add(-day))).cert}, 1},
		"roots side by side":            {[]*x509.Certificate{issue(t, nil, "A", authority).cert, issue(t, nil, "B", authority).cert}, 0},
	} {
		if got := Judge(c.chain, now); len(got) != c.want {
			t.Errorf("%s: %v", name, got)
		}
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
			if err == nil || strings.Contains(err.Error(), "`import pki:pkcs12/NAME` takes its base64") != c.named {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
