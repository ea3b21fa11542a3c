package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/printable"
)

// Info describes a certificate for `show pki`.
type Info struct {
	Subject, Issuer     string   // the common name where there is one, else the whole name
	Names               []string // DNS names and addresses
	NotBefore, NotAfter time.Time
	Key                 string   // see KeyType
	Usage               []string // "server", "client", "any" or another; empty: no restriction
	CA                  bool
	SHA256              string // upper case hex
}

// Describe describes a certificate for `show pki`.
func Describe(c *x509.Certificate) Info {
	i := Info{
		Subject: subject(c), Issuer: plainName(c.Issuer.CommonName, c.Issuer.String()),
		Names: names(c), NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		Key: KeyType(c.PublicKey), CA: c.IsCA, SHA256: Fingerprint(c),
	}
	for _, u := range c.ExtKeyUsage {
		switch u {
		case x509.ExtKeyUsageServerAuth:
			i.Usage = append(i.Usage, "server")
		case x509.ExtKeyUsageClientAuth:
			i.Usage = append(i.Usage, "client")
		case x509.ExtKeyUsageAny:
			i.Usage = append(i.Usage, "any")
		default:
			i.Usage = append(i.Usage, "another")
		}
	}
	return i
}

// Fingerprint is a certificate's SHA-256 in upper case hex.
func Fingerprint(c *x509.Certificate) string { return fmt.Sprintf("%X", sha256.Sum256(c.Raw)) }

func names(c *x509.Certificate) []string {
	var list []string
	for _, n := range c.DNSNames {
		list = append(list, printable.Text(n))
	}
	for _, a := range c.IPAddresses {
		list = append(list, a.String())
	}
	return list
}

func subject(c *x509.Certificate) string { return plainName(c.Subject.CommonName, c.Subject.String()) }

// plainName chooses the readable form of a name; certificates of today may have an empty one. Anybody can put any text into one.
func plainName(common, whole string) string {
	for _, s := range []string{common, whole} {
		if s = strings.TrimSpace(s); s != "" {
			return printable.Text(s)
		}
	}
	return "(no name)"
}
