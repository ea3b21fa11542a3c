package expiry

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pki"
	"viaduct/appliance/plural"
)

// Look checks every certificate that the configuration uses. It announces built-in roots only once they have expired: new
// firmware replaces them, and Microsoft's own certificates move to a new root long before.
func (b *Book) Look(now time.Time) {
	cfg := b.o.Config()
	var soon, over []health.Args
	seen := map[string]bool{} // by SHA-256
	look := func(item config.PKIName, name string, c *x509.Certificate, least int) {
		days, passed := pki.Threshold(c, now)
		sum := pki.Fingerprint(c)
		if !passed || days > least || seen[sum] {
			return
		}
		seen[sum] = true
		args := health.Args{"name": name, "subject": pki.Describe(c).Subject, "end": c.NotAfter.UTC().Format(time.DateTime), "left": plural.Of(days, "day"), "advice": successorOf(cfg, item, c)}
		if days == 0 {
			over = append(over, args)
		} else {
			soon = append(soon, args)
		}
	}
	for _, p := range cfg.TLS {
		for _, n := range certificatesOf(p) {
			least := pki.Thresholds[0]
			if pki.Name(n) == pki.BuiltInName {
				least = 0
			}
			list, _ := b.o.Store.Certificates(pki.Name(n)) // a missing one is a problem of the configuration, and listed there
			for i, c := range list {
				name := string(n)
				if i > 0 {
					name += ", " + pki.Describe(c).Subject
				}
				look(n, name, c, least)
			}
		}
	}
	b.Announce()
	b.o.Health.Replace(health.PresenceExpires, b.presenceEnds(cfg, now))
	b.o.Health.Replace(health.CertificateExpires, soon)
	b.o.Health.Replace(health.CertificateExpired, over)
}

// presenceDays are the days before the end of what a presence-service signs in with at which it is announced: whoever can upload another
// to the tenant is often somebody else, and has to be found.
var presenceDays = []int{60, 30, 7}

// presenceEnds are the alarms of certificates and secrets of presence-services that end soon. Those that have ended are refused by Microsoft,
// which is an alarm of its own.
func (b *Book) presenceEnds(cfg *config.Config, now time.Time) (list []health.Args) {
	for _, p := range cfg.Presence {
		var what, cure string
		var end time.Time
		chain, _ := b.o.Store.Certificates(pki.Name(p.Certificate)) // a missing one is a problem of the configuration
		switch {
		case !p.Enabled:
		case p.Certificate != "" && len(chain) > 0:
			what, end = string(p.Certificate), chain[0].NotAfter
			cure = "Make another one (`generate presence-certificate`) under a new name, upload it in Entra, then change the line `certificate`."
		case p.Certificate == "" && !p.Secret.Ends.IsZero():
			what, end = "a secret", p.Secret.Over()
			cure = "Make a new secret in Entra and change the line `secret`, or better sign in with a certificate (`generate presence-certificate`)."
		}
		left := end.Sub(now)
		if end.IsZero() || left <= 0 || left > time.Duration(presenceDays[0])*24*time.Hour {
			continue
		}
		days := 0
		for _, d := range presenceDays {
			if left <= time.Duration(d)*24*time.Hour {
				days = d
			}
		}
		list = append(list, health.Args{"service": p.Name, "what": what, "end": end.UTC().Format(time.DateOnly), "left": plural.Of(days, "day"), "cure": cure})
	}
	return list
}

// successorOf says where the successor of a certificate comes from.
func successorOf(cfg *config.Config, name config.PKIName, c *x509.Certificate) string {
	for _, p := range cfg.ACME {
		if certificate, _ := p.Target(); certificate == name {
			return fmt.Sprintf("profile acme %s obtains it, and `show acme` says why it has not", p.Name)
		}
	}
	switch {
	case pki.Name(name) == pki.BuiltInName:
		return "new firmware brings it"
	case pki.Internal(c):
		return "the internal CA issues it, and `show pki internal-ca` says why it has not"
	}
	return "import it"
}

// certificatesOf returns the certificates that a profile uses.
func certificatesOf(p *config.TLSProfile) []config.PKIName {
	names := slices.Clone(pki.TrustedNames(p))
	for _, o := range p.Own {
		names = append(names, o.Name)
	}
	return names
}
