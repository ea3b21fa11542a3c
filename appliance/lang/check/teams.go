package check

import (
	"cmp"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
)

// signallingNetworks are the networks that Teams signals from today. `trust microsoft-teams` means a superset, config.TeamsSignalling.
var signallingNetworks = []netip.Prefix{netip.MustParsePrefix("52.112.0.0/14"), netip.MustParsePrefix("52.122.0.0/15")}

// checkTeams checks Microsoft's requirements on interfaces towards Teams.
func checkTeams(c *checker) {
	c.interfaces(func(_ *config.Switch, i *config.SIPInterface, g *config.SIPGateway) {
		if !i.Teams() {
			return
		}
		if n := narrowTrust(i.Trust); n >= 0 {
			w := c.at(i, "Trust", n)
			c.add(w, Warning, "Teams signals from 52.112.0.0/14 and 52.122.0.0/15: calls from its other data centres are dropped", "trust microsoft-teams")
		}
		if v := i.VoIP.In(c.cfg); v != nil && v.SRTP != "forced" {
			c.add(c.at(v, "SRTP"), Warning, "Teams takes SRTP only", "srtp transmission forced")
		}
		if g == nil {
			return
		}
		for _, gi := range g.Interfaces {
			c.contactHost(i, g, gi)
		}
	})
}

// maxTeamsName is the longest name of an SBC, in characters (teams.md A.1).
const maxTeamsName = 63

// narrowTrust returns the index of the trust line to report if some of Microsoft's networks are not trusted, or -1.
func narrowTrust(trust []config.Source) int {
	first := -1
	for _, need := range signallingNetworks {
		covered := slices.ContainsFunc(trust, func(s config.Source) bool {
			return s.Teams || s.Prefix.IsValid() && s.Prefix.Bits() <= need.Bits() && s.Prefix.Contains(need.Addr())
		})
		if !covered {
			first = max(first, slices.IndexFunc(trust, func(s config.Source) bool { return s.Prefix.IsValid() && s.Prefix.Overlaps(need) }), 0)
		}
	}
	return first
}

// contactHost checks that the SBC has one name: in Contact, in local, and in its certificate.
func (c *checker) contactHost(i *config.SIPInterface, g *config.SIPGateway, gi *config.GatewayInterface) {
	contact := gi.SpoofedContact.Host
	w := c.at(gi, "SpoofedContact")
	if contact == "" {
		fix := ""
		if i.Local.Host != "" {
			fix = fmt.Sprintf("spoofed contact-header manual %s port %d", i.Local.Host, gi.TLS)
		}
		c.in(gi, Warning, "Contact towards Teams has an IP address: Teams answers 403 unless it has the name in the certificate", fix)
		return
	}
	if len(contact) > maxTeamsName {
		c.add(w, Warning, fmt.Sprintf("Contact towards Teams has %d characters: Teams accepts at most %d", len(contact), maxTeamsName), "")
	}
	if strings.HasSuffix(strings.ToLower("."+contact), ".onmicrosoft.com") {
		c.add(w, Warning, "Contact towards Teams is a name in onmicrosoft.com, which Teams does not accept for an SBC: use a name in a domain of your own", "")
	}
	if i.Local.Host != "" && !strings.EqualFold(contact, i.Local.Host) {
		c.add(w, Warning, fmt.Sprintf("Contact towards Teams has %s, but local is %s: Teams answers 403 unless Contact is the paired name in the certificate",
			contact, i.Local.Host), strings.Replace(w.Source, contact, i.Local.Host, 1))
	}
	if via, name := gi.SpoofedVia.Host, cmp.Or(i.Local.Host, contact); via != "" && !strings.EqualFold(via, name) {
		at := c.at(gi, "SpoofedVia")
		c.add(at, Warning, fmt.Sprintf("Via towards Teams has %s, but the name of the box there is %s: use one name", via, name), strings.Replace(at.Source, via, name, 1))
	}
	if addr := c.cfg.Address(gi.Bind); addr.IsPrivate() && !gi.SpoofedMedia.IsValid() {
		c.in(gi, Note, fmt.Sprintf("%s is a private address: behind port forwarding, SDP must have the public address (spoofed media-address)", addr), "")
	}
	t := g.TLS.In(c.cfg)
	if t == nil || len(t.Own) == 0 || c.env.PKI == nil {
		return
	}
	chain, err := c.env.PKI.Certificates(pki.Name(t.Own[0].Name))
	if err != nil || len(chain) == 0 {
		return
	}
	if chain[0].VerifyHostname(contact) != nil {
		c.add(w, Warning, fmt.Sprintf("Contact towards Teams has %s, but the certificate is for %s", contact, strings.Join(pki.Describe(chain[0]).Names, ", ")), "")
	}
}

// checkGateways looks for sockets that cannot be opened.
func checkGateways(c *checker) {
	type socket struct {
		addr netip.Addr
		port uint16
	}
	used := map[socket]string{}
	for _, g := range c.cfg.Gateways {
		if len(g.Interfaces) == 0 && g.Enabled {
			c.add(c.headers[g], Warning, "context sip-gateway "+g.Name+" has no interface: it listens nowhere", "")
		}
		for _, i := range g.Interfaces {
			if i.Bind.Interface.IsZero() {
				c.add(c.headers[i], Warning, "interface "+i.Name+" has no bind ipaddress: it listens nowhere", "")
			}
			if len(i.Ports()) == 0 {
				c.add(c.headers[i], Warning, "interface "+i.Name+" has no transport-protocol: it listens nowhere", "")
			}
			if i.TLS != 0 && g.TLS.IsZero() {
				c.add(c.at(i, "TLS"), Warning, "context sip-gateway "+g.Name+" has no use profile tls", "")
			}
			addr := c.cfg.Address(i.Bind)
			for _, s := range i.Ports() {
				if !addr.IsValid() || !g.Enabled {
					continue
				}
				if other, taken := used[socket{addr, s.Port}]; taken {
					c.add(c.at(i, s.Field), Warning, fmt.Sprintf("%s:%d is taken by %s", addr, s.Port, other), "")
				}
				used[socket{addr, s.Port}] = "interface " + i.Name
			}
		}
	}
}

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
