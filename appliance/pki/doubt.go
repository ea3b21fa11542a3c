package pki

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"

	"viaduct/appliance/plural"
)

// Doubts lists the reasons not to use a readable chain, as sentences for the administrator who imports it. It judges only the box's own
// keys, not those of authorities.
func Doubts(chain []*x509.Certificate, now time.Time) (list []string) {
	for i, c := range chain {
		who := "the certificate of " + subject(c)
		switch left := c.NotAfter.Sub(now); {
		case now.Before(c.NotBefore):
			list = append(list, fmt.Sprintf("%s is not good before %s: the clock is wrong, or it is too early", who, c.NotBefore.UTC().Format(time.DateTime)))
		case left < 0:
			list = append(list, fmt.Sprintf("%s HAS EXPIRED on %s: peers refuse it", who, c.NotAfter.UTC().Format(time.DateOnly)))
		case left < warnBefore(c):
			list = append(list, fmt.Sprintf("%s expires in %s", who, plural.Of(int(left.Hours()/24), "day")))
		}
		if d := KeyDoubt(c.PublicKey); i == 0 && !c.IsCA && d != "" {
			list = append(list, d)
		}
	}
	return list
}

// KeyDoubt is a reason not to use a key of the box, "" when there is none (teams.md A.3).
func KeyDoubt(public crypto.PublicKey) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return fmt.Sprintf("the key is of type %s: peers want RSA 2048 at least", KeyType(public))
		}
		return ""
	}
	return fmt.Sprintf("the key is of type %s, and Microsoft Teams takes RSA only", KeyType(public))
}
