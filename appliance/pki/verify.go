package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// UnknownIssuer says that a peer's chain ends at a certificate whose issuer is no trust anchor.
type UnknownIssuer struct {
	Subject string              // of the peer's certificate
	Issuer  string              // whose certificate is missing, or that of End itself when it is a root
	End     *x509.Certificate   // the last of the chain that the peer sent
	SHA256  string              // of End, upper case hex
	Chain   []*x509.Certificate // from the peer's certificate to End
	Root    bool                // End is a root: importing it as a trusted certificate makes the chain good
}

func (e *UnknownIssuer) Error() string {
	if e.Root {
		return fmt.Sprintf("the certificate of %s comes from the root %q, which is not trusted here (SHA-256 %s)", e.Subject, e.Issuer, e.SHA256)
	}
	return fmt.Sprintf("the certificate of %s comes from %q, which is not trusted here and was not sent; the chain ends at %q (SHA-256 %s)",
		e.Subject, e.Issuer, subject(e.End), e.SHA256)
}

// explain turns an error of crypto/x509 into a sentence.
func explain(err error, leaf *x509.Certificate, rest []*x509.Certificate) error {
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &authority):
		chain := Chain(leaf, rest)
		end := chain[len(chain)-1]
		return &UnknownIssuer{
			Subject: subject(leaf), Issuer: plainName(end.Issuer.CommonName, end.Issuer.String()),
			Chain: chain, End: end, SHA256: Fingerprint(end), Root: bytes.Equal(end.RawSubject, end.RawIssuer),
		}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the certificate of %s is good from %s to %s only: it has expired, or this clock is wrong",
			subject(invalid.Cert), invalid.Cert.NotBefore.UTC().Format(time.DateTime), invalid.Cert.NotAfter.UTC().Format(time.DateTime))
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return fmt.Errorf("the certificate of %s does not carry the server usage, which `require certificate-type server` demands", subject(leaf))
	}
	return fmt.Errorf("verify the certificate of %s: %w", subject(leaf), err)
}

// maxChain is the number of certificates of a peer's chain that are looked at. Real ones have two to four.
const maxChain = 8

// Chain is the chain of a leaf as far as the peer sent it, in order. What else the peer sent is left out.
func Chain(leaf *x509.Certificate, rest []*x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{leaf}
	rest = rest[:min(len(rest), maxChain)] // each one is checked against the others
	for len(chain) < maxChain {
		end := chain[len(chain)-1]
		if bytes.Equal(end.RawSubject, end.RawIssuer) {
			break
		}
		next := slices.IndexFunc(rest, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawSubject, end.RawIssuer) && !slices.ContainsFunc(chain, c.Equal) && end.CheckSignatureFrom(c) == nil
		})
		if next < 0 {
			break
		}
		chain = append(chain, rest[next])
	}
	return chain
}

// LeafFirst puts the certificates of a paste into the order in which they are presented, as authorities deliver bundles that begin with the root, too. It
// changes nothing unless exactly one of them belongs to no authority.
func LeafFirst(list []*x509.Certificate) []*x509.Certificate {
	own := func(c *x509.Certificate) bool { return !c.IsCA }
	at := slices.IndexFunc(list, own)
	if at < 0 || slices.ContainsFunc(list[at+1:], own) {
		return list
	}
	rest := slices.Delete(slices.Clone(list), at, at+1)
	chain := Chain(list[at], rest)
	for _, c := range rest {
		if !slices.ContainsFunc(chain, c.Equal) {
			chain = append(chain, c)
		}
	}
	return chain
}

// RootOf returns the anchor at which a chain ends, nil when it ends at none.
func RootOf(chain, anchors []*x509.Certificate, now time.Time) *x509.Certificate {
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	for _, c := range anchors {
		o.Roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if found, err := chain[0].Verify(o); err == nil {
		return found[0][len(found[0])-1]
	}
	return nil
}

// checkNames wants one of the names in a certificate.
func checkNames(leaf *x509.Certificate, want ...string) error {
	for _, name := range want {
		if leaf.VerifyHostname(name) == nil {
			return nil
		}
	}
	list := "no name"
	if n := names(leaf); len(n) > 0 {
		list = strings.Join(n[:min(len(n), 10)], ", ")
	}
	return fmt.Errorf("the peer's certificate is for %s, not for %s", list, strings.Join(want, " or "))
}
