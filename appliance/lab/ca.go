package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// PKI is the two certification authorities of the world: one that certifies the box, as a public
// CA would, and one for Microsoft. Both have an intermediate, so a chain sent without it fails.
type PKI struct {
	// BoxRoot is the root that Teams trusts.
	BoxRoot *x509.Certificate
	// TeamsRoot is the root that the box must be told to trust.
	TeamsRoot *x509.Certificate
	// Teams is what the hubs show, as server and as client.
	Teams tls.Certificate
	// Box is the box's certificate with its chain, as Boxes of tests need it.
	Box tls.Certificate

	boxIssuer   *authority
	teamsIssuer *authority
}

// authority is a certificate with its key that signs others.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// Making RSA keys takes most of the time that a world takes, so all worlds of a program share two.
var (
	boxKey   = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	teamsKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
)

func newPKI(now time.Time) (*PKI, error) {
	p := &PKI{}
	boxRoot, err := newAuthority("Lab Public Root", nil, now)
	if err != nil {
		return nil, err
	}
	if p.boxIssuer, err = newAuthority("Lab Public Issuer", boxRoot, now); err != nil {
		return nil, err
	}
	teamsRoot, err := newAuthority("Lab Root For Teams", nil, now)
	if err != nil {
		return nil, err
	}
	if p.teamsIssuer, err = newAuthority("Lab Issuer For Teams", teamsRoot, now); err != nil {
		return nil, err
	}
	p.BoxRoot, p.TeamsRoot = boxRoot.cert, teamsRoot.cert

	// Teams' own suites are all ECDHE-RSA, and its certificate has been for servers only since 2026,
	// although the hubs use it as clients too.
	tk, err := teamsKey()
	if err != nil {
		return nil, fmt.Errorf("make teams key: %w", err)
	}
	if p.Teams, err = p.teamsIssuer.issue(tk, now, x509.ExtKeyUsageServerAuth,
		"sip.pstnhub.microsoft.com", "sip2.pstnhub.microsoft.com", "sip3.pstnhub.microsoft.com", "*.pstnhub.microsoft.com", testSite); err != nil {
		return nil, err
	}
	bk, err := boxKey()
	if err != nil {
		return nil, fmt.Errorf("make box key: %w", err)
	}
	p.Box, err = p.boxIssuer.issue(bk, now, x509.ExtKeyUsageServerAuth, SBCName)
	return p, err
}

// IssueBox makes another certificate for the box, from the authority that Teams trusts.
func (p *PKI) IssueBox(key crypto.Signer, names ...string) (tls.Certificate, error) {
	return p.boxIssuer.issue(key, time.Now(), x509.ExtKeyUsageServerAuth, names...)
}

// IssueTeams makes another certificate from Microsoft's authority, for example for a peer program.
func (p *PKI) IssueTeams(key crypto.Signer, names ...string) (tls.Certificate, error) {
	return p.teamsIssuer.issue(key, time.Now(), x509.ExtKeyUsageServerAuth, names...)
}

// BoxKeyPEM is what is pasted after `import pki:private-key/myprivate.key`.
func (p *PKI) BoxKeyPEM() ([]byte, error) { return KeyPEM(p.Box.PrivateKey) }

// BoxCertificatePEM is what is pasted after `import pki:certificate/MYCERTIFICATE`.
func (p *PKI) BoxCertificatePEM() []byte { return CertificatePEM(p.Box.Certificate[0]) }

// BoxChainPEM is what is pasted after `import pki:certificate/CA`: the issuer.
func (p *PKI) BoxChainPEM() []byte { return CertificatePEM(p.Box.Certificate[1:]...) }

// TeamsRootPEM is what is pasted after `import pki:certificate/TEAMSROOT`.
func (p *PKI) TeamsRootPEM() []byte { return CertificatePEM(p.TeamsRoot.Raw) }

// CertificatePEM writes certificates one after the other.
func CertificatePEM(ders ...[]byte) (text []byte) {
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text
}

// KeyPEM writes a private key in PKCS#8.
func KeyPEM(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// newAuthority makes an authority signed by another, or by itself when by is nil.
func newAuthority(name string, by *authority, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of %s: %w", name, err)
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{Organization: []string{"Viaduct Lab"}, CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	a := &authority{key: key}
	if by == nil {
		by = &authority{cert: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		return nil, fmt.Errorf("make certificate of %s: %w", name, err)
	}
	a.cert, err = x509.ParseCertificate(der)
	return a, err
}

// issue makes a certificate for names; the result holds the issuer too, but not the root.
func (a *authority) issue(key crypto.Signer, now time.Time, usage x509.ExtKeyUsage, names ...string) (tls.Certificate, error) {
	return a.issueUntil(key, now.Add(-time.Hour), now.AddDate(0, 6, 0), usage, names...)
}

func (a *authority) issueUntil(key crypto.Signer, from, until time.Time, usage x509.ExtKeyUsage, names ...string) (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate of %s: %w", names[0], err)
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, err
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail on Linux
	}
	return n
}
