// Package pki parses and checks certificates and private keys, and makes the parts of a tls.Config from them.
package pki

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"

	"viaduct/appliance/config"
)

// ErrEncrypted is wrapped when a private key needs a pass phrase and none was given; ErrPassphrase when it is wrong.
var (
	ErrEncrypted  = errors.New("the private key is encrypted: a pass phrase is needed")
	ErrPassphrase = errors.New("the pass phrase is wrong")
)

// ParseCertificates reads one or several PEM certificates.
func ParseCertificates(pem []byte) ([]*x509.Certificate, error) { return nil, errors.New("no certificate") }

// ParsePrivateKey reads one PEM private key.
func ParsePrivateKey(pem []byte, pass string) (crypto.Signer, error) {
	return nil, errors.New("no private key")
}

// Store holds what was imported. Names come without the pki: class.
type Store interface {
	Certificates(name string) ([]*x509.Certificate, error)
	PrivateKey(name string) (crypto.Signer, error)
}

// ServerConfig returns the TLS settings for accepted connections.
func ServerConfig(p *config.TLSProfile, s Store) (*tls.Config, error) { return &tls.Config{}, nil }

// ClientConfig returns the TLS settings for a connection to serverName.
func ClientConfig(p *config.TLSProfile, s Store, serverName string) (*tls.Config, error) {
	return &tls.Config{}, nil
}

// CheckNames reports an error when the peer's certificate holds none of the names.
func CheckNames(cs tls.ConnectionState, names ...string) error { return nil }

// BuiltIn returns the built-in trust anchors; Roots the same as a pool.
func BuiltIn() []*x509.Certificate { return nil }

// Roots returns the built-in trust anchors.
func Roots() *x509.CertPool { return nil }

// Finding is something that an administrator should know about a key or certificate.
type Finding struct {
	Severity string // "error", "warning" or "note", as in the list of problems
	Text     string
}

// Check looks at everything that a profile refers to. A profile that faces Teams has further demands.
func Check(p *config.TLSProfile, s Store, teams bool, now time.Time) []Finding { return nil }

// Info describes a certificate for `show pki`.
type Info struct {
	Subject, Issuer     string
	Names               []string // DNS names and addresses
	NotBefore, NotAfter time.Time
	Key                 string // "RSA 2048", "EC P-256", "Ed25519"
	Usage               []string
	CA                  bool
	SHA256              string // upper case hex
}

// Describe returns what `show pki` tells about a certificate.
func Describe(c *x509.Certificate) Info { return Info{} }

// KeyType returns the type and size of a key, for example "RSA 2048".
func KeyType(public crypto.PublicKey) string { return "" }

// Belongs reports an error when the key is not the certificate's.
func Belongs(c *x509.Certificate, key crypto.Signer) error { return nil }
