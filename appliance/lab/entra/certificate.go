package entra

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// certified makes a root, and a certificate of its intermediate for names. A client that names no other host gets no certificate.
func certified(names ...string) (*tls.Config, *x509.Certificate, error) {
	now := time.Now()
	var certs []*x509.Certificate
	var keys []*ecdsa.PrivateKey
	for n, name := range []string{"Lab Root For Microsoft", "Lab Issuer For Microsoft", names[0]} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, nil, fmt.Errorf("make key of %s: %w", name, err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano() + int64(n)), Subject: pkix.Name{CommonName: name},
			NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0), BasicConstraintsValid: true}
		if n < 2 {
			template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
		} else {
			template.DNSNames, template.KeyUsage, template.ExtKeyUsage = names, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}
		by, byKey := template, key
		if n > 0 {
			by, byKey = certs[n-1], keys[n-1]
		}
		der, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), byKey)
		if err != nil {
			return nil, nil, fmt.Errorf("make certificate of %s: %w", name, err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, fmt.Errorf("read certificate of %s: %w", name, err)
		}
		certs, keys = append(certs, cert), append(keys, key)
	}
	shown := &tls.Certificate{Certificate: [][]byte{certs[2].Raw, certs[1].Raw}, PrivateKey: keys[2], Leaf: certs[2]}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if !slices.Contains(names, hello.ServerName) {
			return nil, fmt.Errorf("no certificate for %q", hello.ServerName)
		}
		return shown, nil
	}}, certs[0], nil
}
