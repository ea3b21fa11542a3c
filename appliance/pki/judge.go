package pki

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// Judge looks at certificates that no profile uses yet, leaf first, as Check does at those of a profile that faces Microsoft Teams. Of
// authorities it looks at the dates alone.
func Judge(chain []*x509.Certificate, now time.Time) []Finding {
	k := &checker{teams: true, now: now}
	lines := make([]line, len(chain))
	if !chain[0].IsCA {
		k.leaf(lines[0], chain[0])
		k.order(lines, chain)
		k.whole(lines, chain)
	}
	for i, c := range chain {
		k.dates(lines[i], "certificate", c)
	}
	return k.list
}

// KeyFault returns why peers will not take a key of the box, as the end of a sentence; "" when they will. Teams says that the peer is
// Microsoft Teams, all of whose suites are ECDHE-RSA (teams.md A.3).
func KeyFault(public crypto.PublicKey, teams bool) string {
	k, isRSA := public.(*rsa.PublicKey)
	switch {
	case teams && !isRSA:
		return fmt.Sprintf("of type %s: Microsoft Teams takes RSA only and will end the handshake (no shared cipher); request a certificate for an RSA key of 2048 bits or more", KeyType(public))
	case isRSA && k.N.BitLen() < 2048:
		return fmt.Sprintf("of type %s: peers want RSA 2048 at least", KeyType(public))
	}
	return ""
}

// NameFault returns an error when a certificate is not for a name.
func NameFault(c *x509.Certificate, name string) error {
	if c.VerifyHostname(name) == nil {
		return nil
	}
	held := "no name"
	if n := names(c); len(n) > 0 {
		held = strings.Join(n[:min(len(n), 10)], ", ")
	}
	return fmt.Errorf("the certificate is for %s, not for %s", held, name)
}
