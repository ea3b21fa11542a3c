package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/printable"
)

// InternalName is the name of the root of the internal CA, and of its key, in the key store.
const InternalName = "internal-ca"

// internalUnit marks roots of internal CAs, and so the issuer of their certificates: a box knows them without their root.
const internalUnit = "Internal CA of a Viaduct SBC"

const (
	rootYears = 10
	leafLife  = 397 * 24 * time.Hour // the most that browsers took of public authorities until 2026
	backdated = time.Hour            // clocks of phones are slow
	maxCommon = 64                   // characters of a common name (RFC 5280, ub-common-name)
)

// NewInternalRoot makes the root of an internal CA. No two have the same name, even if one replaces the other: phones look an issuer up
// by it. The name is what people see.
func NewInternalRoot(name string, key crypto.Signer, now time.Time) (*x509.Certificate, error) {
	if name == "" || len([]rune(name)) > maxCommon || printable.Text(name) != name || strings.TrimSpace(name) != name {
		return nil, fmt.Errorf("the name of an internal CA has 1 to %d characters, all of them visible", maxCommon)
	}
	distinct := make([]byte, 8)
	rand.Read(distinct)
	begin := now.Add(-backdated).UTC().Truncate(time.Second)
	t := &x509.Certificate{
		Subject:   pkix.Name{OrganizationalUnit: []string{internalUnit}, CommonName: name, SerialNumber: hex.EncodeToString(distinct)},
		NotBefore: begin, NotAfter: begin.AddDate(rootYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	return sign(t, t, key.Public(), key)
}

// IssueInternal makes a certificate for DNS names and addresses that an internal CA signs; the first is also its common name, at which old
// phones look. It ends with the root at the latest.
func IssueInternal(root *x509.Certificate, rootKey crypto.Signer, public crypto.PublicKey, names []string, now time.Time) (*x509.Certificate, error) {
	if err := InternalNames(names); err != nil {
		return nil, err
	}
	begin := now.Add(-backdated).UTC().Truncate(time.Second)
	if begin.Before(root.NotBefore) {
		begin = root.NotBefore
	}
	t := &x509.Certificate{
		NotBefore: begin, NotAfter: internalEnd(root, now),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, // the second for suites without ECDHE
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	name(t, names)
	return sign(t, root, public, rootKey)
}

// name puts names and addresses into a certificate.
func name(t *x509.Certificate, names []string) {
	for _, n := range names {
		if a, err := netip.ParseAddr(n); err == nil {
			ip := net.IP(a.Unmap().AsSlice())
			if !slices.ContainsFunc(t.IPAddresses, ip.Equal) {
				t.IPAddresses = append(t.IPAddresses, ip)
			}
		} else if !slices.Contains(t.DNSNames, n) {
			t.DNSNames = append(t.DNSNames, n)
		}
		if t.Subject.CommonName == "" && len(n) <= maxCommon {
			t.Subject.CommonName = n
		}
	}
}

// SelfSigned makes a certificate for DNS names and addresses that its own key signs: people recognise it by its fingerprint. It begins a day
// early, because a box without a battery may be behind.
func SelfSigned(names []string, key crypto.Signer, now time.Time) (*x509.Certificate, error) {
	if err := InternalNames(names); err != nil {
		return nil, err
	}
	begin := now.Add(-24 * time.Hour).UTC().Truncate(time.Second)
	t := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Viaduct SBC"}},
		NotBefore: begin, NotAfter: begin.Add(leafLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	name(t, names)
	return sign(t, t, key.Public(), key)
}

// SelfSignedClient makes a certificate that its own key signs, for a server that is given the certificate beforehand, such as Microsoft Entra.
// It begins a day early, as that of SelfSigned.
func SelfSignedClient(common string, key crypto.Signer, now time.Time, years int) (*x509.Certificate, error) {
	begin := now.Add(-24 * time.Hour).UTC().Truncate(time.Second)
	if len(common) > maxCommon {
		common = ""
	}
	t := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Viaduct SBC"}, CommonName: common},
		NotBefore: begin, NotAfter: now.UTC().Truncate(time.Second).AddDate(years, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	return sign(t, t, key.Public(), key)
}

// InternalNames returns an error if a certificate cannot be for names.
func InternalNames(names []string) error {
	if len(names) == 0 {
		return errors.New("a certificate needs a name")
	}
	for _, n := range names {
		if a, err := netip.ParseAddr(n); (err != nil || a.Zone() != "") && !DNSName(n) {
			return fmt.Errorf("%q is no DNS name and no address", n)
		}
	}
	return nil
}

func sign(t, issuer *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, issuer, public, key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// internalEnd is the end of a certificate that is issued now.
func internalEnd(root *x509.Certificate, now time.Time) time.Time {
	end := now.Add(leafLife - backdated).UTC().Truncate(time.Second)
	if end.After(root.NotAfter) {
		return root.NotAfter
	}
	return end
}

// IsInternalRoot reports whether a certificate is the root of an internal CA, at whatever time.
func IsInternalRoot(c *x509.Certificate) bool {
	return Internal(c) && c.IsCA && c.CheckSignatureFrom(c) == nil
}

// InternalRoot returns why a certificate is not the root of an internal CA whose certificates can be used now; nil: it is.
func InternalRoot(c *x509.Certificate, now time.Time) error {
	switch {
	case !IsInternalRoot(c):
		return fmt.Errorf("pki:certificate/%s is not the root of an internal CA", InternalName)
	case now.After(c.NotAfter):
		return fmt.Errorf("the root has ended on %s", c.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the root is not good before %s: the clock is wrong", c.NotBefore.UTC().Format(time.DateTime))
	}
	return nil
}

// Internal reports whether a certificate says that it comes from the internal CA of some box. It is no proof, and none is needed: what
// says so is for the LAN.
func Internal(c *x509.Certificate) bool {
	return slices.Contains(c.Issuer.OrganizationalUnit, internalUnit)
}

// InternalRenewal is when a certificate of an internal CA is renewed: after two thirds of its life. It is zero when a new one would end no
// later, because the root ends.
func InternalRenewal(c, root *x509.Certificate) time.Time {
	at := Renewal(c).UTC()
	if internalEnd(root, at).Sub(c.NotAfter) < 24*time.Hour {
		return time.Time{}
	}
	return at
}

// NamesOf returns the DNS names and addresses that a certificate is for.
func NamesOf(c *x509.Certificate) (list []string) {
	list = slices.Clone(c.DNSNames)
	for _, a := range c.IPAddresses {
		list = append(list, a.String())
	}
	return list
}

// DNSName reports whether a text can be a name in a certificate. A star may be the whole first label.
func DNSName(text string) bool {
	plain := strings.TrimPrefix(text, "*.")
	labels := strings.Split(plain, ".")
	for _, l := range labels {
		odd := func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
		}
		if l == "" || len(l) > 63 || strings.ContainsFunc(l, odd) || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
	}
	return len(plain) <= 253 && strings.Trim(labels[len(labels)-1], "0123456789") != "" // or it could be an address
}
