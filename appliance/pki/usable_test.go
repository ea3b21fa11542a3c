package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
)

// TestAnUnusableCertificateIsNamed gives each fault that a certificate can come with, alone.
func TestAnUnusableCertificateIsNamed(t *testing.T) {
	now := time.Now()
	rsaKey := func(bits int) crypto.Signer {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	good, other := rsaKey(2048), rsaKey(2048)
	root := issue(t, nil, "Root", authority)
	stranger := issue(t, nil, "Stranger", authority)
	upper := issue(t, root, "Upper", authority)
	lower := issue(t, upper, "Lower", authority)
	foreign := issue(t, stranger, "Foreign", authority)
	server := func(c *x509.Certificate) {
		c.DNSNames, c.ExtKeyUsage = []string{"sbc.example.com"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	leaf := func(by *identity, key crypto.Signer, change ...func(*x509.Certificate)) *x509.Certificate {
		return issueFor(t, by, "sbc.example.com", key, append([]func(*x509.Certificate){server}, change...)...).cert
	}
	ec := issue(t, lower, "sbc.example.com", server)
	short := 1024
	t.Setenv("GODEBUG", "rsa1024min=0")
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	use := Use{Names: []string{"sbc.example.com"}, Roots: roots, Now: now}
	whole := []*x509.Certificate{lower.cert, upper.cert}

	for name, c := range map[string]struct {
		leaf *x509.Certificate
		rest []*x509.Certificate
		key  crypto.Signer
		want string // "": usable
	}{
		"usable":            {leaf(lower, good), whole, good, ""},
		"another key":       {leaf(lower, good), whole, other, "does not belong"},
		"EC":                {ec.cert, whole, ec.key, "takes RSA only"},
		"short key":         {leaf(lower, rsaKey(short)), whole, nil, "2048 at least"},
		"another name":      {leaf(lower, good, func(c *x509.Certificate) { c.DNSNames = []string{"sbc.example.org"} }), whole, good, "is for sbc.example.org, not for sbc.example.com"},
		"no names":          {leaf(lower, good, func(c *x509.Certificate) { c.DNSNames = nil }), whole, good, "holds no names"},
		"client only":       {leaf(lower, good, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), whole, good, "server usage"},
		"an authority":      {leaf(lower, good, authority), whole, good, "of an authority"},
		"a gap":             {leaf(lower, good), []*x509.Certificate{lower.cert}, good, "not trusted here and was not sent"},
		"disorder":          {leaf(lower, good), []*x509.Certificate{upper.cert, lower.cert}, good, "wrong order"},
		"unknown root":      {leaf(foreign, good), []*x509.Certificate{foreign.cert}, good, "not trusted here"},
		"expired":           {leaf(lower, good, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), whole, good, "it has expired"},
		"its time is ahead": {leaf(lower, good, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) }), whole, good, "not good before"},
	} {
		if c.key == nil {
			c.key = signerOf{c.leaf.PublicKey}
		}
		err := Usable(append([]*x509.Certificate{c.leaf}, c.rest...), c.key, use)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		var early *NotYetError
		if errors.As(err, &early) != (c.want == "not good before") {
			t.Errorf("%s: %#v", name, err)
		}
	}
	if err := Usable(nil, good, use); err == nil {
		t.Error("nothing is usable")
	}
}

// signerOf has a public key alone.
type signerOf struct{ public crypto.PublicKey }

func (s signerOf) Public() crypto.PublicKey { return s.public }

func (signerOf) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("no private key")
}

func TestTheRootsOfThePublicAuthorityAreTheirFiles(t *testing.T) {
	files, err := publicFiles.ReadDir("public")
	if err != nil || len(files) != len(publicPins) || len(Public()) != len(publicPins) {
		t.Errorf("%d files, %d pins, %d roots (%v)", len(files), len(publicPins), len(Public()), err)
	}
}

// swapping is a Store in which another pair takes the place of the first one after the certificate was read.
type swapping struct{ before, after memory }

func (s *swapping) Certificates(name string) ([]*x509.Certificate, error) {
	return s.before.Certificates(name)
}

func (s *swapping) PrivateKey(name string) (crypto.Signer, error) {
	s.before = s.after
	return s.after.PrivateKey(name)
}

func TestAPairThatIsReplacedWhileItIsReadIsNotMixed(t *testing.T) {
	pair := func(name string) memory {
		i := issue(t, nil, name)
		return memory{certs: map[string][]*x509.Certificate{"sbc": {i.cert}}, keys: map[string]crypto.Signer{"sbc": i.key}}
	}
	p := &config.TLSProfile{Own: []config.OwnCertificate{{Index: 1, Name: "pki:certificate/sbc"}}, PrivateKey: "pki:private-key/sbc"}
	chain, key, err := own(p, &swapping{before: pair("old"), after: pair("new")})
	if err != nil || subject(chain[0]) != "new" || Belongs(chain[0], key) != nil {
		t.Errorf("%v, %v", chain, err)
	}
}
