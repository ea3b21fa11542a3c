package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"
)

// file is a PKCS#12 file of a leaf under two authorities, in the order that its maker chose.
type file struct {
	root, upper, lower *identity
	key                *rsa.PrivateKey
	leaf               *x509.Certificate
}

func newFile(t testing.TB) file {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	f := file{key: key, root: issue(t, nil, "Root", authority)}
	f.upper = issue(t, f.root, "Upper", authority)
	f.lower = issue(t, f.upper, "Lower", authority)
	f.leaf = issueFor(t, f.lower, "sbc.example.com", key, serverOnly("sbc.example.com")).cert
	return f
}

func (f file) encode(t testing.TB, how *pkcs12.Encoder, pass string, list ...*x509.Certificate) []byte {
	t.Helper()
	der, err := how.Encode(f.key, list[0], list[1:], pass)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestPKCS12GivesKeyAndChain(t *testing.T) {
	f := newFile(t)
	chain := []*x509.Certificate{f.leaf, f.lower.cert, f.upper.cert}
	for name, c := range map[string]struct {
		how  *pkcs12.Encoder
		pass string
		list []*x509.Certificate
		left int
	}{
		"of today":             {pkcs12.Modern2026, "open sesame", chain, 0},
		"of 2023":              {pkcs12.Modern2023, "grüße", chain, 0},
		"of old Windows":       {pkcs12.LegacyRC2, "open sesame", chain, 0},
		"of Windows":           {pkcs12.LegacyDES, "open sesame", chain, 0},
		"without a phrase":     {pkcs12.Modern2023, "", chain, 0},
		"in clear":             {pkcs12.Passwordless, "", chain, 0},
		"with the root":        {pkcs12.Modern2023, "x", append(slices.Clone(chain), f.root.cert), 1},
		"in the wrong order":   {pkcs12.LegacyDES, "x", []*x509.Certificate{f.root.cert, f.upper.cert, f.leaf, f.lower.cert}, 1},
		"with another beside":  {pkcs12.Modern2023, "x", append(slices.Clone(chain), issue(t, nil, "Other", authority).cert), 1},
		"with one of it twice": {pkcs12.Modern2023, "x", append(slices.Clone(chain), f.lower.cert), 0},
	} {
		der := f.encode(t, c.how, c.pass, c.list...)
		p, err := ParsePKCS12(der, c.pass)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.EqualFunc(p.Chain, chain, (*x509.Certificate).Equal) || len(p.Leftover) != c.left || Belongs(p.Chain[0], p.Key) != nil {
			t.Errorf("%s: a chain of %d, %d left over", name, len(p.Chain), len(p.Leftover))
		}
		if c.pass == "" {
			continue
		}
		if _, err := ParsePKCS12(der, ""); !errors.Is(err, ErrEncrypted) {
			t.Errorf("%s, no pass phrase: %v", name, err)
		}
		if _, err := ParsePKCS12(der, c.pass+" "); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%s, another pass phrase: %v", name, err)
		}
	}
	stranger := issue(t, nil, "Stranger")
	if _, err := ParsePKCS12(f.encode(t, pkcs12.Modern2023, "x", stranger.cert), "x"); err == nil || !strings.Contains(err.Error(), "does not belong") {
		t.Errorf("a key without its certificate: %v", err)
	}
}

func TestRoundsWithoutMeasureAreRefused(t *testing.T) {
	f := newFile(t)
	for name, how := range map[string]*pkcs12.Encoder{"PBES2": pkcs12.Modern2023, "PBMAC1": pkcs12.Modern2026, "3DES": pkcs12.LegacyDES, "RC2": pkcs12.LegacyRC2} {
		// Making such a file takes as long as opening it would: the number is put into one that was made quickly.
		der := strings.ReplaceAll(string(f.encode(t, how.WithIterations(0x010203), "x", f.leaf)), "\x02\x03\x01\x02\x03", "\x02\x03\x7f\xff\xff")
		if _, err := ParsePKCS12([]byte(der), "x"); err == nil || !strings.Contains(err.Error(), "too many rounds") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPKCS12IsCutFromAPaste(t *testing.T) {
	f := newFile(t)
	der := f.encode(t, pkcs12.Modern2023, "x", f.leaf, f.lower.cert)
	whole := base64.StdEncoding.EncodeToString(der)
	var lines strings.Builder
	for i := 0; i < len(whole); i += 64 {
		lines.WriteString(whole[i:min(i+64, len(whole))] + "\n")
	}
	labelled := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) // as certutil does
	for name, text := range map[string]string{
		"lines": lines.String(), "one line": whole + "\n", "no end of the line": whole, "CRLF": strings.ReplaceAll(lines.String(), "\n", "\r\n"),
		"blanks": strings.ReplaceAll(lines.String(), "\n", " \t\n\t "), "a block": labelled, "attributes before it": "Bag Attributes: x\n" + labelled,
	} {
		for _, phrase := range []string{"", "open sesame", "MIIKQwIBAzCCCe8GCSqGSIb3DQEHAaCCCeAEggncMIIJ2DCC", "a:b", "-----x"} {
			text := text
			if phrase != "" {
				text = strings.TrimRight(text, " \t\r\n") + "\n" + phrase + "\n"
			}
			got, rest, err := CutPKCS12([]byte(text))
			if err != nil || string(got) != string(der) || strings.TrimSpace(rest) != phrase {
				t.Errorf("%s, %q: %d of %d octets, rest %q, %v", name, phrase, len(got), len(der), rest, err)
			}
		}
	}
	for text, want := range map[string]string{
		"":                           "its base64 is wanted",
		"hello world\n":              "its base64 is wanted",
		lines.String()[:500]:         "ends before the end",
		labelled[:500]:               "ends before the end",
		"MIIEvQIBADANBgkqhkiG9w0B\n": "ends before the end",
		string(der):                  "this is the file itself",
		"(byte 0x82 at column 2 is not UTF-8 text)\n":             "this is the file itself",
		base64.StdEncoding.EncodeToString(f.leaf.Raw):             "no PKCS#12 file",
		strings.Repeat("A", 64) + "\n":                            "no PKCS#12 file",
		strings.Replace(lines.String(), "\n", "\nexit now!\n", 1): "its base64 is wanted",
	} {
		if _, _, err := CutPKCS12([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// A request is for the names, and signed with the key.
func TestRequest(t *testing.T) {
	key, err := NewKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Request(key, []string{"sbc.example.com", "192.0.2.1", "sip.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := pem.Decode(text)
	r, err := x509.ParseCertificateRequest(b.Bytes)
	if err != nil || r.CheckSignature() != nil {
		t.Fatal(err)
	}
	if r.Subject.CommonName != "sbc.example.com" || !slices.Equal(r.DNSNames, []string{"sbc.example.com", "sip.example.com"}) || len(r.IPAddresses) != 1 || r.IPAddresses[0].String() != "192.0.2.1" || KeyType(r.PublicKey) != "RSA 2048" {
		t.Errorf("%+v", r)
	}
	long := strings.Repeat("a", 60) + ".example.com"
	der, err := RequestDER(key, []string{long})
	if err != nil {
		t.Fatal(err)
	}
	if r, err = x509.ParseCertificateRequest(der); err != nil || r.Subject.CommonName != "" || !slices.Equal(r.DNSNames, []string{long}) {
		t.Errorf("a name too long for a common name: %+v, %v", r, err)
	}
	if _, err := Request(key, nil); err == nil {
		t.Error("a request without a name")
	}
	stored, err := KeyPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParsePrivateKey(stored, ""); err != nil || !key.Public().(*rsa.PublicKey).Equal(again.Public()) {
		t.Errorf("the stored key: %v", err)
	}
}

func FuzzPKCS12(f *testing.F) {
	leaf := issue(f, nil, "sbc.example.com") // small, or the fuzzer spends its time on making it smaller
	for _, how := range []*pkcs12.Encoder{pkcs12.Modern2023.WithIterations(2), pkcs12.Modern2026.WithIterations(2), pkcs12.LegacyRC2.WithIterations(2), pkcs12.Passwordless} {
		pass := "x"
		if how == pkcs12.Passwordless {
			pass = ""
		}
		der, err := how.Encode(leaf.key, leaf.cert, nil, pass)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der, pass)
	}
	f.Fuzz(func(t *testing.T, der []byte, pass string) {
		if rounds(der, 0) > 1000 {
			return // allowed, and slow
		}
		if p, err := ParsePKCS12(der, pass); (err == nil) != (p != nil) || p != nil && (len(p.Chain) == 0 || p.Key == nil || Belongs(p.Chain[0], p.Key) != nil) {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

func FuzzCutPKCS12(f *testing.F) {
	const head = "MIIBDQIBAzCCCe8GCSqGSIb3DQEHAaCCCeAEggncMIIJ2DCC\n"
	f.Add([]byte(head + strings.Repeat("A", 400) + "\nopen sesame\n"))
	f.Add([]byte("-----BEGIN PKCS12-----\n" + head + "-----END PKCS12-----\nx"))
	f.Fuzz(func(t *testing.T, text []byte) {
		der, rest, err := CutPKCS12(text)
		if (err == nil) != (der != nil) || err != nil && rest != "" || err == nil && derSize(der) != len(der) {
			t.Errorf("%d octets, %q with %v", len(der), rest, err)
		}
	})
}
