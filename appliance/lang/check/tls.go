package check

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"

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
		if !t.AuthIncoming {
			c.in(t, Warning, "gateway "+g.Name+" accepts TLS connections without verifying the peer's certificate", "authentication incoming")
		}
		if !t.AuthOutgoing {
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
		if t.PrivateKey == "" || len(t.Own) == 0 {
			c.add(c.headers[t], Warning, "profile tls "+t.Name+" needs private-key and own-certificate", "")
			continue
		}
		if c.env.PKI != nil {
			c.identity(t)
		}
	}
}

// identity reports the findings of package pki about a profile's certificates and key, at the lines that name them.
func (c *checker) identity(t *config.TLSProfile) {
	for _, f := range pki.Check(t, c.env.PKI, c.facesTeams(t), c.env.Now) {
		w, severity := c.at(t, f.Field, f.Index), Warning
		if f.Severity == "note" {
			severity = Note
		}
		if errors.Is(f.Err, fs.ErrNotExist) {
			c.notImported(w, t, f)
			continue
		}
		c.add(w, severity, f.Text, "")
	}
}

// facesTeams reports whether an interface towards Teams uses a profile.
func (c *checker) facesTeams(t *config.TLSProfile) (faces bool) {
	c.interfaces(func(_ *config.Switch, i *config.SIPInterface, g *config.SIPGateway) {
		faces = faces || i.Teams() && g != nil && g.TLS.In(c.cfg) == t
	})
	return faces
}

// KeyForTeams returns an error if a profile towards Teams uses the name what and the key is not RSA: Microsoft offers ECDHE-RSA suites
// only, so every handshake would fail with another key (teams.md A.3). It accepts a key that cannot be read; the import reports it.
func KeyForTeams(cfg *config.Config, what config.PKIName, public crypto.PublicKey) error {
	if _, isRSA := public.(*rsa.PublicKey); isRSA || public == nil {
		return nil
	}
	c := &checker{cfg: cfg}
	for _, t := range cfg.TLS {
		if shown := t.PrivateKey == what || len(t.Own) > 0 && t.Own[0].Name == what; shown && c.facesTeams(t) {
			return fmt.Errorf("profile tls %s shows it to Microsoft Teams, which takes RSA only, and it is of type %s: request a certificate for an RSA key of 2048 bits or more",
				t.Name, pki.KeyType(public))
		}
	}
	return nil
}

// notImported offers the import command for a missing item.
func (c *checker) notImported(w Where, t *config.TLSProfile, f pki.Finding) {
	name := t.PrivateKey
	switch f.Field {
	case "Own":
		name = t.Own[f.Index].Name
	case "Trusted":
		name = t.Trusted[f.Index]
	}
	c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning,
		Text: string(name) + " is not imported yet", Fix: "import " + string(name), FixPath: []string{}})
}
