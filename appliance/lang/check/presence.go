package check

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/pki"
)

// checkPresence checks the services that read the presence of Teams users, and tell Teams about calls.
func checkPresence(c *checker) {
	p := &presence{checker: c, known: map[string]bool{}, by: map[string]*config.PresenceService{}, told: map[*config.PresenceService]bool{}}
	for _, l := range c.cfg.Location {
		for _, i := range l.Identities {
			if !p.known[i.Name] {
				p.identities = append(p.identities, i.Name)
			}
			p.known[i.Name] = true
			f, _ := l.Settings(i.Name)
			p.subscribed = p.subscribed || f.SubscribeDialog
		}
	}
	c.interfaces(func(_ *config.Switch, i *config.SIPInterface, _ *config.SIPGateway) {
		if i.Presence.IsZero() {
			return
		}
		p.told[i.Presence.In(c.cfg)] = true
		if i.Teams() {
			w := c.at(i, "Presence")
			c.add(w, Warning, "Teams subscribes to nothing here and publishes nothing: the line belongs to the interface of the PBX", "no "+w.Source)
		}
	})
	for _, s := range c.cfg.Presence {
		if !s.Enabled {
			continue
		}
		p.signIn(s)
		p.way(s)
		p.users(s)
		p.actions(s)
	}
}

// presence checks one service after the other.
type presence struct {
	*checker
	identities []string
	known      map[string]bool
	by         map[string]*config.PresenceService // who names an identity
	subscribed bool                               // to the calls of an identity
	told       map[*config.PresenceService]bool   // who has a peer that may publish
}

// signIn checks what the box shows to Microsoft.
func (p *presence) signIn(s *config.PresenceService) {
	var lacks []string
	for _, x := range []struct {
		is   bool
		name string
	}{{s.Tenant != "", "tenant"}, {s.Application != "", "application"}, {s.Certificate != "" || s.Secret.Value != "", "certificate, and no secret"}} {
		if !x.is {
			lacks = append(lacks, "no "+x.name)
		}
	}
	if len(lacks) > 0 {
		p.in(s, Warning, "presence-service "+s.Name+" cannot sign in: it has "+strings.Join(lacks, ", "), "")
	}
	if s.Cloud == config.CloudChina {
		p.add(p.at(s, "Cloud"), Error, "Graph has no presence in the cloud of China (21Vianet): presence-service "+s.Name+" cannot work", "")
	}
	switch {
	case s.Secret.Value == "":
	case Sealed(s.Secret.Value):
		p.add(p.at(s, "Secret"), Warning, Unopened, "")
	case s.Certificate != "":
		p.add(p.at(s, "Secret"), Note, "the certificate signs in: the secret is not used", "no secret")
	case !s.Secret.Ends.IsZero() && !p.env.Now.IsZero() && p.env.Now.After(s.Secret.Over()):
		p.add(p.at(s, "Secret"), Warning, "the secret has expired: make a new one in Entra, or better sign in with a certificate", "")
	}
	if s.Certificate != "" && p.env.PKI != nil {
		p.certificate(s)
	}
}

// certificate checks the certificate that the box signs in with, and its key.
func (p *presence) certificate(s *config.PresenceService) {
	w := p.at(s, "Certificate")
	name := pki.Name(s.Certificate)
	chain, err := p.env.PKI.Certificates(name)
	if p.unread(w, s.Certificate, err, "generate presence-certificate "+cli.Quote(name)) {
		return
	}
	key, err := p.env.PKI.PrivateKey(name)
	if p.unread(w, s.PrivateKey(), err, "import "+string(s.PrivateKey())) || len(chain) == 0 {
		return
	}
	if _, isRSA := key.Public().(*rsa.PublicKey); !isRSA {
		p.add(w, Warning, fmt.Sprintf("the key of %s is %s: Entra takes RSA keys only", s.Certificate, pki.KeyType(key.Public())), "")
	} else if err := pki.Belongs(chain[0], key); err != nil {
		p.add(w, Warning, fmt.Sprintf("%s does not belong to %s: nobody can sign in with them", s.PrivateKey(), s.Certificate), "")
	}
	if end := chain[0].NotAfter; !p.env.Now.IsZero() && p.env.Now.After(end) {
		p.add(w, Warning, fmt.Sprintf("%s expired on %s", s.Certificate, end.UTC().Format(time.DateOnly)), "")
	}
}

// unread reports what the key store does not give; fix brings what is missing there.
func (c *checker) unread(w Where, name config.PKIName, err error, fix string) bool {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning, Text: string(name) + " is not in the key store yet", Fix: fix, FixPath: []string{}})
	case err != nil:
		c.add(w, Warning, fmt.Sprintf("%s cannot be used: %v", name, err), "")
	}
	return err != nil
}

// way checks the way to Microsoft, and to the STARFACE.
func (p *presence) way(s *config.PresenceService) {
	for _, x := range []struct {
		field    string
		password config.Secret
		ca       config.PKIName
	}{{"Proxy", s.Proxy.Password, s.Proxy.CA}, {"Starface", s.Starface.Password, s.Starface.CA}} {
		w := p.at(s, x.field)
		if Sealed(x.password) {
			p.add(w, Warning, Unopened, "")
		}
		if x.ca != "" && p.env.PKI != nil {
			_, err := p.env.PKI.Certificates(pki.Name(x.ca))
			p.unread(w, x.ca, err, "import "+string(x.ca))
		}
	}
	if _, err := netip.ParseAddr(s.Proxy.Host); err != nil && len(p.cfg.DNSServers) == 0 && !p.leased() {
		w := p.headers[s]
		p.problems = append(p.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning,
			Text: "no name server: Microsoft's servers cannot be found", Fix: "dns-client server ADDRESS", FixPath: []string{}})
	}
}

// users checks which user is who.
func (p *presence) users(s *config.PresenceService) {
	if !s.All() && len(s.Users) == 0 {
		p.in(s, Warning, "presence-service "+s.Name+" looks at nobody: it has no line `user`", "users all")
	}
	identity, extension, excluded := map[string]string{}, map[string]string{}, map[string]int{}
	for n, name := range s.Exclude {
		excluded[name] = n
		if !s.All() {
			p.add(p.at(s, "Exclude", n), Note, "only listed users are looked at: nobody else need be excluded", "no exclude "+cli.Quote(name))
		}
	}
	for n, u := range s.Users {
		w := p.at(s, "Users", n)
		if _, both := excluded[u.Name]; both {
			p.add(w, Warning, fmt.Sprintf("user %s is listed and excluded: it is left alone", u.Name), "no exclude "+cli.Quote(u.Name))
		}
		if u.Identity != "" {
			p.identity(s, u, w, identity)
		} else if s.ReportCalls && u.Extension != "" && !p.known[u.Extension] {
			p.add(w, Warning, fmt.Sprintf("nobody learns who is on the phone at extension %s: the line names no identity", u.Extension), "")
		}
		if other, double := extension[u.Extension]; double && u.Extension != "" {
			p.add(w, Error, fmt.Sprintf("extension %s is already that of user %s", u.Extension, other), "")
		}
		extension[u.Extension] = u.Name
	}
}

// identity checks the identity that a line `user` names: it exists, and nobody else has it.
func (p *presence) identity(s *config.PresenceService, u config.PresenceUser, w Where, taken map[string]string) {
	if !p.known[u.Identity] {
		p.missing(w, "identity of a location-service", u.Identity, p.identities)
		return
	}
	other, first := taken[u.Identity], p.by[u.Identity]
	switch {
	case other != "":
		p.add(w, Error, fmt.Sprintf("identity %s is already that of user %s", u.Identity, other), "")
	case first != nil:
		p.add(w, Error, fmt.Sprintf("presence-service %s names identity %s, too: only that one decides about its calls", first.Name, u.Identity), "no user "+cli.Quote(u.Name))
		return
	}
	taken[u.Identity], p.by[u.Identity] = u.Name, s
}

// actions checks what follows from states, and from calls.
func (p *presence) actions(s *config.PresenceService) {
	for n, m := range s.Map {
		if m.StarfaceDND && s.Starface.URL == "" {
			p.add(p.at(s, "Map", n), Warning, "starface-dnd sets nothing: the presence-service has no line `starface`", "")
		}
	}
	if s.ReportCalls && !p.subscribed && !p.told[s] {
		p.add(p.at(s, "ReportCalls"), Warning, "nothing tells who is on the phone: no identity has `presence subscribe dialog`, and no interface of a PBX that publishes has `use presence-service "+s.Name+"`", "")
	}
	if s.Preferred && !s.ReportCalls {
		p.add(p.at(s, "Preferred"), Warning, "nothing is reported without `report calls`", "")
		q := &p.problems[len(p.problems)-1]
		q.Fix, q.FixPath = "report calls", q.Path
	}
}
