package config

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"
)

// Web is `webserver`: the web page, and the same for machines, over HTTPS. Who may reach it is Console.Access.
type Web struct {
	HTTPS  WebHTTPS
	TLS    Ref[Config, TLSProfile] // webserver use profile tls; zero: the box's own certificate
	Tokens []*WebToken
}

// WebHTTPS is `webserver https [port N]`.
type WebHTTPS struct{ Port uint16 } // 0: nothing listens; default 443

func (h *WebHTTPS) SetDefaults() { h.Port = 443 }

// RedirectPort is where the web server has browsers go to HTTPS.
const RedirectPort = 80

// WebToken is `webserver token NAME account ACCOUNT SCOPE TOKEN`: a machine that shows the token acts as the account.
type WebToken struct {
	Name    string
	Account string
	Scope   TokenScope
	Token   Secret // TokenHash of it
}

// TokenScope is what a machine may do with a token, of what its account may.
type TokenScope string

const (
	TokenReads      TokenScope = "read"
	TokenConfigures TokenScope = "configure"
)

// A token has many characters because its hash is a fast one: each request is compared with all tokens.
const (
	TokenLength    = 20 // characters at least
	TokenVariety   = 8  // different ones among them
	tokenHashBegin = "sha256:"
)

// TokenHash is the form in which a token is kept.
func TokenHash(token string) Secret {
	sum := sha256.Sum256([]byte(token))
	return Secret(tokenHashBegin + base64.RawURLEncoding.EncodeToString(sum[:]))
}

// IsTokenHash reports whether a text is the kept form of a token.
func IsTokenHash(text string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(text, tokenHashBegin))
	return strings.HasPrefix(text, tokenHashBegin) && err == nil && len(b) == sha256.Size
}

// Token finds what a token belongs to; nil: nothing, or an account that does not exist any more. The time that it takes tells nothing of
// the token.
func (c *Config) Token(token string) (found *WebToken) {
	want := []byte(TokenHash(token))
	for _, t := range c.Web.Tokens {
		if subtle.ConstantTimeCompare([]byte(t.Token), want) == 1 && c.Account(t.Account) != nil {
			found = t
		}
	}
	return found
}

// WebAddresses are those on which the web server listens, and whether it may have browsers come from RedirectPort there. It gives way to
// everything else that wants its port, and says nothing at RedirectPort when that is needed on any of them: a page that is reached needs no
// redirection.
func (c *Config) WebAddresses() (list []netip.Addr, redirect bool) {
	if c.Web.HTTPS.Port == 0 {
		return nil, false
	}
	taken := c.taken()
	redirect = c.Web.HTTPS.Port != RedirectPort
	for _, a := range c.ServiceAddresses(c.Console.Access) {
		redirect = redirect && taker(taken, netip.AddrPortFrom(a, RedirectPort)) == ""
		if taker(taken, netip.AddrPortFrom(a, c.Web.HTTPS.Port)) == "" {
			list = append(list, a)
		}
	}
	return list, redirect
}

// WebConflicts are the sockets that the web server wants for HTTPS and that belong to something else.
func (c *Config) WebConflicts() (list []TakenSocket) {
	if c.Web.HTTPS.Port == 0 {
		return nil
	}
	taken := c.taken()
	for _, a := range c.ServiceAddresses(c.Console.Access) {
		if by := taker(taken, netip.AddrPortFrom(a, c.Web.HTTPS.Port)); by != "" {
			list = append(list, TakenSocket{a, c.Web.HTTPS.Port, by})
		}
	}
	return list
}

// TakenSocket is a TCP port of the box that something other than the web server listens on.
type TakenSocket struct {
	Address netip.Addr // not valid: all of them
	Port    uint16
	By      string // for people
}

// taker says what has a socket; "": nothing.
func taker(taken []TakenSocket, at netip.AddrPort) string {
	for _, s := range taken {
		if s.Port == at.Port() && (!s.Address.IsValid() || s.Address == at.Addr()) {
			return s.By
		}
	}
	return ""
}

// taken lists all such sockets, those included that are open only while an authority looks.
func (c *Config) taken() []TakenSocket {
	list := []TakenSocket{{Port: 22, By: "SSH"}}
	if t := c.Console.Telnet; t != 0 {
		list = append(list, TakenSocket{Port: t, By: "console telnet"})
	}
	if c.MetricsProfile() != nil {
		for _, a := range c.ServiceAddresses(c.Metrics.Access) {
			list = append(list, TakenSocket{a, c.Metrics.Port, "metrics-server"})
		}
	}
	for _, s := range c.ProvisioningSockets() {
		if s.Protocol == "tcp" {
			list = append(list, TakenSocket{s.At.Addr(), s.At.Port(), "provisioning-service " + s.Service.Name})
		}
	}
	for _, g := range c.Gateways {
		for _, i := range g.Interfaces {
			a := c.Address(i.Bind)
			if !g.Enabled || !a.IsValid() {
				continue
			}
			for _, s := range i.Ports() {
				if slices.Contains(s.Protocols, "tcp") {
					list = append(list, TakenSocket{a, s.Port, "context sip-gateway " + g.Name})
				}
			}
		}
	}
	for _, p := range c.ACME {
		certificate, _ := p.Target()
		if port := p.Challenge.Port(); port != 0 {
			for _, a := range c.ChallengeAddresses(certificate) {
				list = append(list, TakenSocket{a, port, "profile acme " + p.Name})
			}
		}
	}
	return list
}
