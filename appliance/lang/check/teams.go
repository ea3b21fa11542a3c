package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
)

// checkTeams checks Microsoft's requirements on interfaces towards Teams.
func checkTeams(c *checker) {
	c.interfaces(func(_ *config.Switch, i *config.SIPInterface, g *config.SIPGateway) {
		if !i.Teams() {
			return
		}
		if n := narrowTrust(i); n >= 0 {
			w := c.at(i, "Trust", n)
			if networks := i.Present(); len(networks) == 1 { // a cloud of the US government
				c.add(w, Warning, fmt.Sprintf("this cloud of Microsoft signals from %s: calls from there are dropped", networks[0]), "trust "+networks[0].String())
			} else {
				c.add(w, Warning, "Teams signals from 52.112.0.0/14 and 52.122.0.0/15: calls from its other data centres are dropped", "trust microsoft-teams")
			}
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
func narrowTrust(i *config.SIPInterface) int {
	first := -1
	for _, need := range i.Untrusted() {
		first = max(first, slices.IndexFunc(i.Trust, func(s config.Source) bool { return s.Prefix.IsValid() && s.Prefix.Overlaps(need) }), 0)
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
	if err := pki.NameFault(chain[0], contact); err != nil {
		c.add(w, Warning, err.Error()+", which stands in Contact towards Teams", "")
	}
}
