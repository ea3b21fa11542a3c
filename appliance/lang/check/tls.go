package check

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
)

// checkTLS looks for certificates and keys that are missing, have expired or do not match.
func checkTLS(c *checker) {
	for _, g := range c.cfg.Gateways {
		t := g.TLS.In(c.cfg)
		if t == nil || !g.Enabled {
			continue
		}
		phones, others := c.phonesAt(g)
		if phones && t.AuthIncoming && slices.ContainsFunc(g.Interfaces, (*config.GatewayInterface).Secure) {
			c.add(c.at(t, "AuthIncoming"), Warning, "phones have no certificate to show: none gets in by TLS at context sip-gateway "+g.Name+", which should have a profile tls of its own", "")
		}
		if !t.AuthIncoming && !phones {
			c.in(t, Warning, "gateway "+g.Name+" accepts TLS connections without verifying the peer's certificate", "authentication incoming")
		}
		if !t.AuthOutgoing && others {
			c.in(t, Warning, "gateway "+g.Name+" opens TLS connections without verifying the peer's certificate", "authentication outgoing")
		}
	}
	for _, t := range c.cfg.TLS {
		if (t.AuthIncoming || t.AuthOutgoing) && len(t.Trusted) == 0 {
			c.add(c.headers[t], Note, "no trusted-certificate: the built-in roots of Microsoft and DigiCert are used", "")
		}
		if !t.V12 && !t.V13 {
			c.add(c.headers[t], Warning, "no protocol is left: TLS will fail", "")
		}
		if t.PrivateKey == "" && len(t.Own) == 0 && c.onlySyslog(t) {
			continue // a client needs no certificate
		}
		if t.PrivateKey == "" || len(t.Own) == 0 {
			c.add(c.headers[t], Warning, "profile tls "+t.Name+" needs private-key and own-certificate", "")
			continue
		}
		if c.env.PKI != nil {
			c.identity(t)
		}
	}
}

// phonesAt reports whether a gateway has phones, and whether it has other peers or nobody yet.
func (c *checker) phonesAt(g *config.SIPGateway) (phones, others bool) {
	c.interfaces(func(_ *config.Switch, i *config.SIPInterface, at *config.SIPGateway) {
		if at == g {
			phones, others = phones || !i.Phones.IsZero(), others || i.Phones.IsZero()
		}
	})
	return phones, others || !phones
}

// onlySyslog reports whether a profile is for connections to syslog servers, and for no gateway.
func (c *checker) onlySyslog(t *config.TLSProfile) bool {
	return c.cfg.Syslog != nil && c.cfg.Syslog.TLS.In(c.cfg) == t &&
		!slices.ContainsFunc(c.cfg.Gateways, func(g *config.SIPGateway) bool { return g.TLS.In(c.cfg) == t })
}

// identity reports the findings of package pki about a profile's certificates and key, at the lines that name them.
func (c *checker) identity(t *config.TLSProfile) {
	for _, f := range pki.Check(t, c.env.PKI, c.cfg.FacesTeams(t), c.env.Now) {
		c.finding(c.at(t, f.Field, f.Index), t, f)
	}
	if c.env.Calendar != nil {
		c.successor(t)
	}
}

// finding reports one of them.
func (c *checker) finding(w Where, t *config.TLSProfile, f pki.Finding) {
	severity := Warning
	if f.Severity == "note" {
		severity = Note
	}
	if errors.Is(f.Err, fs.ErrNotExist) {
		c.notImported(w, t, f)
		return
	}
	c.add(w, severity, f.Text, "")
}

// successor says what the calendar has about the certificate that comes after the one of a profile.
func (c *checker) successor(t *config.TLSProfile) {
	chain, first := pki.Shown(t, c.env.PKI)
	for _, n := range c.env.Calendar.Successor(chain, c.cfg.FacesTeams(t)) {
		c.add(c.at(t, "Own", first), Note, fmt.Sprintf("the successor of this certificate %s (%s: %s)", n.Means, n.Date, n.Text), "")
	}
}

// KeyForTeams returns an error if a profile towards Teams uses the name what and the key is not RSA: Microsoft offers ECDHE-RSA suites
// only, so every handshake would fail with another key (teams.md A.3). It accepts a key that cannot be read; the import reports it.
func KeyForTeams(cfg *config.Config, what config.PKIName, public crypto.PublicKey) error {
	if _, isRSA := public.(*rsa.PublicKey); isRSA || public == nil {
		return nil // a short one is warned of
	}
	if t := ShownToTeams(cfg, what); t != nil {
		return fmt.Errorf("profile tls %s shows it to Microsoft Teams, and it is %s", t.Name, pki.KeyFault(public, true))
	}
	return nil
}

// ShownToTeams returns a profile that shows a certificate, or uses a key, towards Teams; nil if none does.
func ShownToTeams(cfg *config.Config, what config.PKIName) *config.TLSProfile {
	for _, t := range cfg.TLS {
		if shown := t.PrivateKey == what || len(t.Own) > 0 && t.Own[0].Name == what; shown && cfg.FacesTeams(t) {
			return t
		}
	}
	return nil
}

// Imported returns what speaks against a certificate or key that was imported just now, as the list of problems would. One that no profile
// uses yet is judged as if it were for Microsoft Teams.
func Imported(cfg *config.Config, s PKIStore, what config.PKIName, now time.Time) (list []string) {
	c := &checker{cfg: cfg}
	used, teams := false, false
	add := func(text string) {
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	for _, t := range cfg.TLS {
		named := namedBy(t)
		if !slices.Contains(named, what) {
			continue
		}
		used, teams = true, teams || cfg.FacesTeams(t)
		leaf := what == t.PrivateKey || len(t.Own) > 0 && what == t.Own[0].Name
		for _, f := range pki.Check(t, s, cfg.FacesTeams(t), now) {
			if f.Severity == "warning" && f.Err == nil && (f.Name(t) == what || leaf && f.Field == "PrivateKey") {
				add(f.Text)
			}
		}
		if len(t.Own) == 0 || what != t.Own[0].Name {
			continue
		}
		if chain, err := s.Certificates(pki.Name(what)); err == nil && len(chain) > 0 {
			for _, name := range c.namesFor(t) {
				if err := pki.NameFault(chain[0], name); err != nil {
					add(err.Error() + ", as the box is called towards Microsoft Teams")
				}
			}
		}
	}
	certificate := strings.HasPrefix(string(what), "pki:certificate/")
	if chain, err := s.Certificates(pki.Name(what)); certificate && !used && err == nil && len(chain) > 0 {
		for _, f := range pki.Judge(chain, now) {
			if f.Severity == "warning" {
				add(f.Text)
			}
		}
	}
	if key, err := s.PrivateKey(pki.Name(what)); !certificate && err == nil {
		if fault := pki.KeyFault(key.Public(), teams || !used); fault != "" {
			add("the key is " + fault)
		}
	}
	return list
}

// Shown returns why Microsoft Teams refuses what a profile shows it; nothing for a profile that does not face Teams. Dates have alarms of
// their own, and what is not imported yet keeps the gateway from starting.
func Shown(cfg *config.Config, t *config.TLSProfile, s PKIStore, now time.Time) (list []string) {
	if !cfg.FacesTeams(t) || len(t.Own) == 0 {
		return nil
	}
	for _, f := range pki.Check(t, s, true, now) {
		if f.Severity == "warning" && f.Field != "Trusted" && f.Err == nil && !f.Dated {
			list = append(list, f.Text)
		}
	}
	chain, _ := pki.Shown(t, s)
	if len(chain) == 0 {
		return list
	}
	c := &checker{cfg: cfg}
	for _, name := range c.namesFor(t) {
		if err := pki.NameFault(chain[0], name); err != nil {
			list = append(list, err.Error()+", as the box is called towards Microsoft Teams")
		}
	}
	return list
}

// KeyBeside returns the name of the private key beside which profiles show a certificate: the same name, where they have none or several.
func KeyBeside(cfg *config.Config, certificate config.PKIName) config.PKIName {
	key := config.PKIName("pki:private-key/" + pki.Name(certificate))
	var found []config.PKIName
	for _, t := range cfg.TLS {
		if len(t.Own) > 0 && t.Own[0].Name == certificate && t.PrivateKey != "" && !slices.Contains(found, t.PrivateKey) {
			found = append(found, t.PrivateKey)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return key
}

// OwnNames returns the names under which Microsoft Teams knows the box: those that a certificate is asked for.
func OwnNames(cfg *config.Config) (list []string) {
	c := &checker{cfg: cfg}
	for _, t := range cfg.TLS {
		for _, name := range c.namesFor(t) {
			if !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	return list
}

// namedBy returns what the lines of a profile name.
func namedBy(t *config.TLSProfile) []config.PKIName {
	list := append([]config.PKIName{t.PrivateKey}, t.Trusted...)
	for _, o := range t.Own {
		list = append(list, o.Name)
	}
	return list
}

// namesFor returns the names that a profile's certificate must be for: those in Contact towards Teams.
func (c *checker) namesFor(t *config.TLSProfile) (list []string) {
	c.interfaces(func(_ *config.Switch, i *config.SIPInterface, g *config.SIPGateway) {
		if !i.Teams() || g == nil || g.TLS.In(c.cfg) != t {
			return
		}
		for _, gi := range g.Interfaces {
			if name := gi.SpoofedContact.Host; name != "" && !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	})
	return list
}

// notImported offers the import command for a missing item.
func (c *checker) notImported(w Where, t *config.TLSProfile, f pki.Finding) {
	name := f.Name(t)
	if p := c.obtained(name); p != nil {
		c.add(w, Warning, fmt.Sprintf("%s is not obtained yet: `show acme` says how far profile acme %s is", name, p.Name), "")
		return
	}
	c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning,
		Text: string(name) + " is not imported yet", Fix: "import " + string(name), FixPath: []string{}})
}
