package lang

import (
	"fmt"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// The key store, and what is trusted.

func showPKI(c *call, _ *none) error {
	c.printPKI(func(k status.Key) bool { return k.Kind != status.KeyTrusted })
	return nil
}

// showTrusted prints trust anchors, then what could become one.
func showTrusted(c *call, _ *none) error {
	anchors := map[string]bool{}
	for _, t := range c.box.Running().TLS {
		for _, n := range t.Trusted {
			anchors[string(n)] = true
		}
	}
	c.printPKI(func(k status.Key) bool {
		return k.Kind == status.KeyTrusted || anchors["pki:"+string(k.Kind)+"/"+k.Name]
	})
	for _, u := range c.box.Untrusted() {
		c.printf("not trusted: %s\n", u.Subject)
		c.printf("  Issuer: %s\n", u.Issuer)
		c.printf("  Valid until: %s\n", u.NotAfter.UTC().Format("2006-01-02 15:04:05 UTC"))
		c.printf("  SHA-256: %s\n", u.SHA256)
		c.printf("  Shown by: %s on %s, last %s\n", u.Peer, u.Gateway, u.Last.UTC().Format("2006-01-02 15:04:05 UTC"))
		if u.Leaf != "" {
			c.printf("  Peer's certificate: %s\n", u.Leaf)
		}
		if u.Warning != "" {
			c.printf("  Warning: %s\n", u.Warning)
		}
		c.printf("  To trust it: pki trust %s\n", u.SHA256)
	}
	return nil
}

// printPKI prints those things of the key store that are wanted.
func (c *call) printPKI(wanted func(status.Key) bool) {
	used := usersOfKeys(c.lang, c.box.Running())
	now := c.box.Clock().Now
	for _, k := range c.box.PKI() {
		if !wanted(k) {
			continue
		}
		name := "pki:" + string(k.Kind) + "/" + k.Name
		if k.Kind == status.KeyTrusted {
			name = "built-in root " + k.Name
		}
		c.printf("%s\n", name)
		c.printf("  Key: %s\n", dash(k.KeyType))
		if k.Subject != "" {
			c.printf("  Subject: %s\n", k.Subject)
			if len(k.Names) > 0 {
				c.printf("  Names: %s\n", strings.Join(k.Names, ", "))
			}
			c.printf("  Issuer: %s\n", k.Issuer)
			expiry := k.NotAfter.UTC().Format("2006-01-02 15:04:05 UTC")
			if now.After(k.NotAfter) {
				expiry += " (EXPIRED)"
			} else if days := int(k.NotAfter.Sub(now).Hours() / 24); days < 30 {
				expiry += fmt.Sprintf(" (in %s)", plural.Of(days, "day"))
			}
			c.printf("  Valid until: %s\n", expiry)
			if k.Chain > 1 {
				c.printf("  Chain: %s\n", plural.Of(k.Chain, "certificate"))
			}
		}
		if k.Kind != status.KeyTrusted {
			c.printf("  Used by: %s\n", dash(strings.Join(used[name], "; ")))
		}
	}
}

// usersOfKeys lists, for each name in the key store, the lines that refer to it.
func usersOfKeys(l *Language, cfg *config.Config) map[string][]string {
	used := map[string][]string{}
	for _, t := range cfg.TLS {
		all := []config.PKIName{t.PrivateKey}
		for _, o := range t.Own {
			all = append(all, o.Name)
		}
		for _, n := range append(all, t.Trusted...) {
			used[string(n)] = append(used[string(n)], "profile tls "+t.Name)
		}
	}
	return used
}
