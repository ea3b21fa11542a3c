package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// UnknownIssuer says that a peer's chain ends at a certificate whose issuer is no trust anchor.
type UnknownIssuer struct {
	Subject string            // of the peer's certificate
	Issuer  string            // whose certificate is missing, or that of End itself when it is a root
	End     *x509.Certificate // the last of the chain that the peer sent
	SHA256  string            // of End, upper case hex
	Leaf    *x509.Certificate // the peer's certificate
	Root    bool              // End is a root: importing it as a trusted certificate makes the chain good
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
		end := chainEnd(leaf, rest)
		return &UnknownIssuer{
			Subject: subject(leaf), Issuer: plainName(end.Issuer.CommonName, end.Issuer.String()),
			Leaf: leaf, End: end, SHA256: Fingerprint(end), Root: bytes.Equal(end.RawSubject, end.RawIssuer),
		}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the certificate of %s is good from %s to %s only: it has expired, or this clock is wrong",
			subject(invalid.Cert), invalid.Cert.NotBefore.UTC().Format(time.DateTime), invalid.Cert.NotAfter.UTC().Format(time.DateTime))
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return fmt.Errorf("the certificate of %s does not carry the server usage, which `require certificate-type server` demands", subject(leaf))
	}
	return fmt.Errorf("verify the certificate of %s: %w", subject(leaf), err)
}

// chainEnd follows a chain as far as the peer sent it.
func chainEnd(leaf *x509.Certificate, rest []*x509.Certificate) *x509.Certificate {
	end := leaf
	for range rest { // no chain is longer than the certificates that were sent, even with cycles
		for _, c := range rest {
			if c != end && bytes.Equal(c.RawSubject, end.RawIssuer) && !bytes.Equal(end.RawSubject, end.RawIssuer) && end.CheckSignatureFrom(c) == nil {
				end = c
				break
			}
		}
	}
	return end
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
