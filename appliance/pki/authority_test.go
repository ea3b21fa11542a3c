package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"testing"
	"time"
)

// identity is a certificate with its key.
type identity struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var serials = big.NewInt(1)

// issue makes a certificate; a nil issuer makes a root.
func issue(t testing.TB, issuer *identity, name string, change ...func(*x509.Certificate)) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issueFor(t, issuer, name, key, change...)
}

func issueFor(t testing.TB, issuer *identity, name string, key crypto.Signer, change ...func(*x509.Certificate)) *identity {
	t.Helper()
	serials.Add(serials, big.NewInt(1))
	c := &x509.Certificate{
		SerialNumber: new(big.Int).Set(serials), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		BasicConstraintsValid: true,
	}
	for _, f := range change {
		f(c)
	}
	parent, signer := c, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &identity{cert, key}
}

func authority(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }

func serverOnly(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.DNSNames, c.ExtKeyUsage = names, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
}

func clientOnly(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.DNSNames, c.ExtKeyUsage = names, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
}

func until(at time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotAfter = at }
}

func since(at time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore = at }
}

// memory is a Store.
type memory struct {
	certs map[string][]*x509.Certificate
	keys  map[string]crypto.Signer
}

func (m memory) Certificates(name string) ([]*x509.Certificate, error) {
	if c, ok := m.certs[name]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("certificate %s is not imported: %w", name, fs.ErrNotExist)
}

func (m memory) PrivateKey(name string) (crypto.Signer, error) {
	if k, ok := m.keys[name]; ok {
		return k, nil
	}
	return nil, fmt.Errorf("private key %s is not imported: %w", name, fs.ErrNotExist)
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (i *identity) pem() string { return encode("CERTIFICATE", i.cert.Raw) }
