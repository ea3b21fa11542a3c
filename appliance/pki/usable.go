package pki

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Use is what a certificate of the box is to be used for.
type Use struct {
	Names []string       // under which peers know the box
	Roots *x509.CertPool // its chain must end at one of them
	Now   time.Time
}

// NotYetError says that a certificate is usable, but not before Start.
type NotYetError struct {
	Subject string
	Start   time.Time
}

func (e *NotYetError) Error() string {
	return fmt.Sprintf("the certificate of %s is not good before %s: the clock is wrong, or it is too early", e.Subject, e.Start.UTC().Format(time.DateTime))
}

// Usable returns why a chain, leaf first, and its key must not be shown to Microsoft Teams; nil: they may. The rules are those of Check
// that are worth a warning, and beside them the names, the root, and the dates of the whole chain. A certificate whose only fault is that
// its time has not come is a *NotYetError.
func Usable(chain []*x509.Certificate, key crypto.Signer, u Use) error {
	if len(chain) == 0 {
		return errors.New("there is no certificate")
	}
	leaf := chain[0]
	if err := Belongs(leaf, key); err != nil {
		return err
	}
	k := &checker{teams: true, now: u.Now}
	lines := make([]line, len(chain))
	k.leaf(lines[0], leaf)
	k.order(lines, chain)
	for _, f := range k.list {
		if f.Severity == "warning" {
			return errors.New(f.Text)
		}
	}
	for _, name := range u.Names {
		if err := NameFault(leaf, name); err != nil {
			return err
		}
	}
	// The chain is judged at a moment when all of it has begun: which part has not is a question of its own.
	begins := slices.MaxFunc(chain, func(a, b *x509.Certificate) int { return a.NotBefore.Compare(b.NotBefore) })
	when := u.Now
	if when.Before(begins.NotBefore) {
		when = begins.NotBefore
	}
	o := x509.VerifyOptions{Roots: u.Roots, Intermediates: x509.NewCertPool(), CurrentTime: when, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(o); err != nil {
		return explain(err, leaf, chain[1:])
	}
	if when != u.Now {
		return &NotYetError{Subject: subject(begins), Start: begins.NotBefore}
	}
	return nil
}
