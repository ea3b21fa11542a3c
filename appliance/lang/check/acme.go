package check

import (
	"encoding/base64"
	"fmt"

	"viaduct/appliance/config"
)

// checkACME checks the certificates that the box obtains by itself.
func checkACME(c *checker) {
	owner := map[config.PKIName]*config.ACMEProfile{}
	for _, p := range c.cfg.ACME {
		if len(p.Names) == 0 {
			c.in(p, Warning, "profile acme "+p.Name+" has no name: it obtains no certificate", "")
		}
		if _, err := base64.RawURLEncoding.DecodeString(string(p.External.MACKey)); err != nil && !Sealed(p.External.MACKey) {
			c.add(c.at(p, "External"), Warning, "the MAC key is not in base64url, as the authority gives it", "")
		}
		certificate, key := p.Target()
		for _, name := range []config.PKIName{certificate, key} {
			if other := owner[name]; other != nil {
				c.add(c.headers[p], Error, fmt.Sprintf("profile acme %s and %s both write %s: only the first one is obtained", other.Name, p.Name, name), "")
				break
			}
			owner[name] = p
		}
		c.shown(p, certificate, key)
	}
}

// shown checks the profiles that show the certificate: nothing may stand behind it, because its chain comes with it, and the key must be
// its own.
func (c *checker) shown(p *config.ACMEProfile, certificate, key config.PKIName) {
	for _, t := range c.cfg.TLS {
		if !t.Shows(certificate) {
			continue
		}
		for n, o := range t.Own {
			if o.Name != certificate {
				c.add(c.at(t, "Own", n), Warning, fmt.Sprintf("profile acme %s brings its chain along: remove the other own-certificate lines", p.Name), fmt.Sprintf("no own-certificate %d %s", o.Index, o.Name))
			}
		}
		if t.PrivateKey != key {
			c.in(t, Warning, fmt.Sprintf("the private key of %s is %s", certificate, key), "private-key "+string(key))
		}
	}
}

// obtained returns the profile acme that writes a name of the key store, nil if none does.
func (c *checker) obtained(name config.PKIName) *config.ACMEProfile {
	for _, p := range c.cfg.ACME {
		if certificate, key := p.Target(); name == certificate || name == key {
			return p
		}
	}
	return nil
}
