package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"hash"
	"strings"
	"testing"
)

func TestCertificatesArePastedInManyWays(t *testing.T) {
	root := issue(t, nil, "Root", authority)
	leaf := issue(t, root, "sbc.example.com")
	text := leaf.pem()
	indented := "  " + strings.ReplaceAll(text, "\n", "  \n\t")
	for why, c := range map[string]struct {
		text string
		want int
	}{
		"as it is":                         {text, 1},
		"a chain":                          {text + root.pem(), 2},
		"blank lines around and between":   {"\n\n" + text + "\n\n" + root.pem() + "\n", 2},
		"CRLF":                             {strings.ReplaceAll(text, "\n", "\r\n"), 1},
		"CR":                               {strings.ReplaceAll(text, "\n", "\r"), 1},
		"indented, with trailing blanks":   {indented, 1},
		"no line end at the end":           {strings.TrimSpace(text), 1},
		"text of openssl s_client between": {"Certificate chain\n 0 s:CN = sbc\n" + text + "---\n" + root.pem(), 2},
		"in one line":                      {strings.ReplaceAll(strings.NewReplacer("-----BEGIN CERTIFICATE-----\n", "", "\n-----END CERTIFICATE-----", "").Replace(text), "\n", ""), 0},
		"body in one line": {"-----BEGIN CERTIFICATE-----\n" + strings.ReplaceAll(strings.NewReplacer("-----BEGIN CERTIFICATE-----\n", "",
			"\n-----END CERTIFICATE-----\n", "").Replace(text), "\n", "") + "\n-----END CERTIFICATE-----\n", 1},
		"blanks inside a line": {strings.Replace(text, text[40:44], text[40:42]+"  "+text[42:44], 1), 1},
	} {
		list, err := ParseCertificates([]byte(c.text))
		if len(list) != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("%s: %d certificates, %v", why, len(list), err)
		} else if c.want > 0 && !list[0].Equal(leaf.cert) || c.want > 1 && !list[1].Equal(root.cert) {
			t.Errorf("%s: not the certificates that were pasted", why)
		}
	}
}

func TestBrokenPastesNameTheLine(t *testing.T) {
	leaf := issue(t, nil, "sbc.example.com")
	lines := strings.SplitAfter(leaf.pem(), "\n")
	with := func(i int, line string) string {
		return strings.Join(lines[:i], "") + line + strings.Join(lines[i+1:], "")
	}
	last := len(lines) - 2
	for why, c := range map[string]struct {
		text string
		line int
		want string
	}{
		"nothing":                 {"", 0, "no certificate"},
		"something else":          {"show version\n", 0, "no line -----BEGIN CERTIFICATE-----"},
		"the guide's dots":        {with(3, ".....\n"), 4, `"....." is no part of a PEM block`},
		"dots, CRLF":              {strings.ReplaceAll(with(3, ".....\n"), "\n", "\r\n"), 4, `"....."`},
		"a command inside":        {with(3, "profile tls pf_tls_default\n"), 4, `"profile tls pf_tls_d"... is no part`},
		"END is missing":          {with(last, ""), last, "ends before the line -----END CERTIFICATE-----"},
		"END missing, then more":  {with(last, "") + leaf.pem(), last + 1, "a block begins here, but the one of line 1"},
		"BEGIN is missing":        {with(0, ""), last, "the line -----BEGIN CERTIFICATE----- is missing"},
		"another END":             {with(last, "-----END RSA PRIVATE KEY-----\n"), last + 1, "END RSA PRIVATE KEY closes BEGIN CERTIFICATE of line 1"},
		"a line is missing":       {with(2, ""), 1, "cannot be read"},
		"half a line is missing":  {with(2, lines[2][:31]+"\n"), 1, "incomplete"},
		"no lines at all":         {lines[0] + lines[last], 1, "incomplete"},
		"a key among them":        {leaf.pem() + encode("PRIVATE KEY", []byte{1}), last + 2, "this is a private key"},
		"a request":               {encode("CERTIFICATE REQUEST", []byte{1}), 1, "this is a request"},
		"PKCS#7":                  {encode("PKCS7", []byte{1}), 1, "openssl pkcs7"},
		"OpenSSL's trusted":       {encode("TRUSTED CERTIFICATE", []byte{1}), 1, "openssl x509"},
		"a paste without measure": {strings.Repeat("A", maxPaste+1), 0, "longer than 1 MB"},
	} {
		_, err := ParseCertificates([]byte(c.text))
		var e *ParseError
		if !errors.As(err, &e) || e.Line != c.line || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want line %d, %q", why, err, c.line, c.want)
		}
	}
}

func TestPrivateKeys(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rk, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, _ := ed25519.GenerateKey(nil)
	pkcs8 := func(k any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	ecDER, _ := x509.MarshalECPrivateKey(ec)
	old := func(kind string, der []byte, c x509.PEMCipher) string {
		//lint:ignore SA1019 the form is out of date, and still pasted
		b, err := x509.EncryptPEMBlock(rand.Reader, kind, der, []byte("secret"), c)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(b))
	}
	cert := issueFor(t, nil, "x", rk)
	for _, c := range []struct {
		why, text, pass, kind string
		encrypted             bool
	}{
		{"PKCS#1", encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rk)), "", "RSA 2048", false},
		{"PKCS#8", encode("PRIVATE KEY", pkcs8(rk)), "", "RSA 2048", false},
		{"PKCS#8 under the label of PKCS#1", encode("RSA PRIVATE KEY", pkcs8(rk)), "", "RSA 2048", false},
		{"EC after its parameters", encode("EC PARAMETERS", []byte{6, 1, 1}) + encode("EC PRIVATE KEY", ecDER), "", "EC P-384", false},
		{"Ed25519", encode("PRIVATE KEY", pkcs8(ed)), "", "Ed25519", false},
		{"beside its certificate", cert.pem() + encode("PRIVATE KEY", pkcs8(rk)), "", "RSA 2048", false},
		{"CRLF and blanks", " " + strings.ReplaceAll(encode("PRIVATE KEY", pkcs8(ec)), "\n", " \r\n "), "", "EC P-384", false},
		{"a pass phrase that is not needed", encode("PRIVATE KEY", pkcs8(ec)), "secret", "EC P-384", false},
		{"older form, AES-128", old("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rk), x509.PEMCipherAES128), "secret", "RSA 2048", true},
		{"older form, AES-192", old("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rk), x509.PEMCipherAES192), "secret", "RSA 2048", true},
		{"older form, AES-256", old("EC PRIVATE KEY", ecDER, x509.PEMCipherAES256), "secret", "EC P-384", true},
		{"older form, 3DES", old("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rk), x509.PEMCipher3DES), "secret", "RSA 2048", true},
		{"PBES2, SHA-256", encode("ENCRYPTED PRIVATE KEY", seal(t, pkcs8(rk), "secret", sha256.New, "1.2.840.113549.2.9", 2048)), "secret", "RSA 2048", true},
		{"PBES2, SHA-1 by default", encode("ENCRYPTED PRIVATE KEY", seal(t, pkcs8(ec), "secret", sha1.New, "", 2048)), "secret", "EC P-384", true},
	} {
		key, err := ParsePrivateKey([]byte(c.text), c.pass)
		if err != nil || KeyType(key.Public()) != c.kind {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		if !c.encrypted {
			continue
		}
		if _, err := ParsePrivateKey([]byte(c.text), ""); !errors.Is(err, ErrEncrypted) {
			t.Errorf("%s, no pass phrase: %v", c.why, err)
		}
		for _, wrong := range []string{"Secret", "s", "secret "} {
			if _, err := ParsePrivateKey([]byte(c.text), wrong); !errors.Is(err, ErrPassphrase) {
				t.Errorf("%s, wrong pass phrase: %v", c.why, err)
			}
		}
	}
}

func TestBrokenKeysAreExplained(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	good := encode("PRIVATE KEY", der)
	for why, c := range map[string]struct{ text, want string }{
		"nothing":                {"", "no private key"},
		"only a certificate":     {issue(t, nil, "x").pem(), "import pki:certificate/NAME"},
		"two keys":               {good + good, "a second private key"},
		"garbage":                {encode("PRIVATE KEY", []byte("garbage")), "line 1: this private key cannot be read"},
		"a public key":           {encode("PUBLIC KEY", []byte{1}), "this is a public key"},
		"a key of SSH":           {encode("OPENSSH PRIVATE KEY", []byte{1}), "key of SSH"},
		"a secret in the middle": {strings.Replace(good, "\n", "\nTopSecret!\n", 1), "line 2: this line is no part of a PEM block"},
		"an unknown cipher":      {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: RC2-CBC,0011223344556677\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", `("RC2-CBC"): encrypt it anew`},
		"rounds without measure": {encode("ENCRYPTED PRIVATE KEY", seal(t, der, "secret", sha256.New, "1.2.840.113549.2.9", 1)), "rounds of key derivation"},
		"an unknown hash":        {encode("ENCRYPTED PRIVATE KEY", seal(t, der, "secret", sha256.New, "1.2.3", 1000)), "hash that is not known here (1.2.3)"},
		"damaged encryption":     {encode("ENCRYPTED PRIVATE KEY", []byte{0x30, 0}), "damaged"},
	} {
		_, err := ParsePrivateKey([]byte(c.text), "secret")
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "TopSecret") {
			t.Errorf("%s: %v, want %q", why, err, c.want)
		}
	}
}

// seal encrypts a PKCS#8 key as RFC 8018 says; one round stands for a number that nobody should wait for.
func seal(t testing.TB, der []byte, pass string, h func() hash.Hash, prf string, rounds int) []byte {
	t.Helper()
	salt, iv := make([]byte, 8), make([]byte, 16)
	rand.Read(salt)
	rand.Read(iv)
	key, err := pbkdf2.Key(h, pass, salt, rounds, 32)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := aes.NewCipher(key)
	pad := 16 - len(der)%16
	data := append(append([]byte(nil), der...), []byte(strings.Repeat(string(rune(pad)), pad))...)
	cipher.NewCBCEncrypter(b, iv).CryptBlocks(data, data)
	if rounds == 1 {
		rounds = maxIterations + 1
	}
	raw := func(v any) asn1.RawValue {
		der, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return asn1.RawValue{FullBytes: der}
	}
	params := pbkdf2Params{Salt: salt, Iterations: rounds}
	if prf != "" {
		var oid asn1.ObjectIdentifier
		for part := range strings.SplitSeq(prf, ".") {
			n := 0
			for _, d := range part {
				n = n*10 + int(d-'0')
			}
			oid = append(oid, n)
		}
		params.PRF = pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.NullRawValue}
	}
	var kdf asn1.RawValue
	if prf == "" {
		kdf = raw(struct {
			Salt       []byte
			Iterations int
		}{salt, rounds})
	} else {
		kdf = raw(params)
	}
	out, err := asn1.Marshal(encryptedKey{
		Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidPBES2, Parameters: raw(pbes2{
			KDF:    pkix.AlgorithmIdentifier{Algorithm: oidPBKDF2, Parameters: kdf},
			Cipher: pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, Parameters: raw(iv)},
		})},
		Data: data,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func FuzzParseCertificates(f *testing.F) {
	leaf := issue(f, nil, "sbc.example.com")
	f.Add([]byte(leaf.pem()))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n.....\n-----END CERTIFICATE-----"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if list, err := ParseCertificates(text); (err == nil) != (len(list) > 0) {
			t.Errorf("%d certificates, %v", len(list), err)
		}
	})
}

func FuzzParsePrivateKey(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	f.Add([]byte(encode("PRIVATE KEY", der)), "")
	f.Add([]byte(encode("ENCRYPTED PRIVATE KEY", seal(f, der, "secret", sha256.New, "1.2.840.113549.2.9", 2))), "secret")
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899001122334455\n\nAAAAAAAAAAAAAAAAAAAAAA==\n-----END RSA PRIVATE KEY-----\n"), "secret")
	f.Fuzz(func(t *testing.T, text []byte, pass string) {
		if key, err := ParsePrivateKey(text, pass); (err == nil) != (key != nil) {
			t.Errorf("%v, %v", key, err)
		}
	})
}
