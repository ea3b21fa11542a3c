package config

import (
	"cmp"
	"net/netip"
	"slices"
)

// ACMEProfile is `profile acme NAME`: a certificate that the box obtains from an authority and renews by itself (RFC 8555).
type ACMEProfile struct {
	Name        string
	Directory   string   // LetsEncrypt (default), or the URL of a directory
	DirectoryCA PKIName  // of the directory's web server; "": a root that the box knows
	Contact     string   // mail address, given to the authority; may be empty
	Names       []string // of the certificate, the box's own first
	Challenge   Challenge
	Certificate PKIName // where it is kept; see Target
	PrivateKey  PKIName
	External    ExternalAccount // zero: the authority wants none
	Proxy       string          // URL of an HTTP proxy on the way to the directory; "": none
}

// LetsEncrypt is the word for the directory of Let's Encrypt.
const LetsEncrypt = "letsencrypt"

func (p *ACMEProfile) SetDefaults() { p.Directory, p.Challenge = LetsEncrypt, ChallengeDNS }

// Challenge is how the box shows an authority that a name is its own.
type Challenge string

const (
	ChallengeDNS  Challenge = "dns-persist" // a TXT record that stays (draft-ietf-acme-dns-persist)
	ChallengeHTTP Challenge = "http"        // port 80 (RFC 8555, 8.3)
	ChallengeTLS  Challenge = "tls-alpn"    // port 443 (RFC 8737)
)

// Port is the TCP port at which the authority looks; 0: it asks the DNS.
func (c Challenge) Port() uint16 {
	switch c {
	case ChallengeHTTP:
		return 80
	case ChallengeTLS:
		return 443
	}
	return 0
}

// ExternalAccount is `external-account KEY-ID MAC-KEY`: the account that the administrator has with the authority already.
type ExternalAccount struct {
	KeyID  string
	MACKey Secret // base64url
}

// Target returns the names under which the key store has the certificate and its key. Unless the profile says so, both have its name.
func (p *ACMEProfile) Target() (certificate, key PKIName) {
	return cmp.Or(p.Certificate, PKIName("pki:certificate/"+p.Name)), cmp.Or(p.PrivateKey, PKIName("pki:private-key/"+p.Name))
}

// Shows reports whether a profile shows a certificate of the key store as its own.
func (p *TLSProfile) Shows(certificate PKIName) bool {
	for _, o := range p.Own {
		if o.Name == certificate {
			return true
		}
	}
	return false
}

// ShownAt returns the sockets' binds of all gateways that show a certificate of the key store: the box is known there by its names.
func (c *Config) ShownAt(certificate PKIName) (list []AddressBind) {
	for _, g := range c.Gateways {
		if t := g.TLS.In(c); !g.Enabled || t == nil || !t.Shows(certificate) {
			continue
		}
		for _, i := range g.Interfaces {
			if i.Secure() {
				list = append(list, i.Bind)
			}
		}
	}
	return list
}

// ChallengeAddresses are those at which an authority looks for a certificate of the key store: where gateways show it, and on all ports but
// that of the LAN while none does.
func (c *Config) ChallengeAddresses(certificate PKIName) (list []netip.Addr) {
	add := func(a netip.Addr) {
		if a.IsValid() && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	shown := c.ShownAt(certificate)
	for _, b := range shown {
		add(c.Address(b))
	}
	for _, p := range c.Ports {
		if at := c.IPInterface(p.Bind.Context, p.Bind.Interface); len(shown) == 0 && at != nil && p.Enabled && (p.Slot != 0 || p.Port != 0) {
			for _, a := range at.Addresses {
				add(a.Prefix.Addr())
			}
		}
	}
	return list
}
