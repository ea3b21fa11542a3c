package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
)

// NewKey makes an RSA key: the only kind that every peer takes.
func NewKey(bits int) (crypto.Signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("generate an RSA key of %d bits: %w", bits, err)
	}
	return key, nil
}

// KeyPEM returns a private key as it is stored: in PKCS#8, in clear.
func KeyPEM(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ChainPEM returns certificates as they are stored.
func ChainPEM(chain []*x509.Certificate) (text []byte) {
	for _, c := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

// Request returns a request for a certificate in PEM (PKCS#10), as RequestDER does.
func Request(key crypto.Signer, names []string) ([]byte, error) {
	der, err := RequestDER(key, names)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// RequestDER returns a request for a certificate (PKCS#10), for DNS names and addresses; the first is also its common name, if it fits.
func RequestDER(key crypto.Signer, names []string) ([]byte, error) {
	if len(names) == 0 {
		return nil, errors.New("a request needs a name")
	}
	r := &x509.CertificateRequest{}
	if len(names[0]) <= maxCommon {
		r.Subject.CommonName = names[0]
	}
	for _, n := range names {
		if a, err := netip.ParseAddr(n); err == nil {
			r.IPAddresses = append(r.IPAddresses, a.AsSlice())
		} else {
			r.DNSNames = append(r.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, r, key)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	return der, nil
}
