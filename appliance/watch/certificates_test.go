package watch

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"io/fs"
	"math/big"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lang"
)

// keyring holds what one profile shows.
type keyring struct {
	chain []*x509.Certificate
	key   crypto.Signer
}

func (k *keyring) Certificates(name string) ([]*x509.Certificate, error) {
	if name != "MINE" || k.chain == nil {
		return nil, fs.ErrNotExist
	}
	return k.chain, nil
}
func (k *keyring) PrivateKey(string) (crypto.Signer, error) { return k.key, nil }

// issued is a certificate for a name and a key, with that of its issuer.
func issued(t *testing.T, key crypto.Signer, name string, end time.Time) (leaf, issuer *x509.Certificate) {
	t.Helper()
	root, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	make := func(template, by *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, template, by, public, root)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Some CA"}, NotAfter: end, IsCA: true, BasicConstraintsValid: true}
	issuer = make(authority, authority, root.Public())
	return make(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, issuer, key.Public()), issuer
}

func TestCertificatesThatTeamsRefuses(t *testing.T) {
	e := watching(t)
	cfg, _ := lang.New().Parse([]byte(twoPorts + `profile tls TEAMS
  private-key pki:private-key/MINE
  own-certificate 1 pki:certificate/MINE
context sip-gateway teams
  use profile tls TEAMS
  interface A
    spoofed contact-header manual sbc.example.com port 5061
`))
	good, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, x := range []struct {
		what, name string
		key        crypto.Signer
		whole      bool
		end        time.Time
		want       string // in the text; "": no alarm
	}{
		{"all is well", "sbc.example.com", good, true, now.AddDate(1, 0, 0), ""},
		{"it has expired", "sbc.example.com", good, true, now.Add(-time.Hour), ""}, // an alarm of its own
		{"another name", "sbc.example.org", good, true, now.AddDate(1, 0, 0), "is for sbc.example.org, not for sbc.example.com"},
		{"another kind of key", "sbc.example.com", elliptic, true, now.AddDate(1, 0, 0), "Microsoft Teams takes RSA only"},
		{"no chain", "sbc.example.com", good, false, now.AddDate(1, 0, 0), `the chain is incomplete: only the certificate of sbc.example.com itself is sent, without that of "Some CA"`},
	} {
		leaf, issuer := issued(t, x.key, x.name, x.end)
		keys := &keyring{chain: []*x509.Certificate{leaf}, key: x.key}
		if x.whole {
			keys.chain = append(keys.chain, issuer)
		}
		e.Certificates(cfg, keys, now)
		if text := e.text(); (x.want == "") != (text == "") || !strings.Contains(text, x.want) {
			t.Errorf("%s: %s", x.what, text)
		}
	}
	e.Certificates(cfg, &keyring{}, now) // nothing is imported: the gateway does not start
	e.want("nothing is imported")
}
