package checkup

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// profiles are the TLS profiles of gateways towards Teams.
func profiles(s *survey, of string) (list []subject) {
	for _, p := range s.peers {
		t := p.profile(s.cfg)
		if !p.teams || p.test || !wanted(p, of) {
			continue
		}
		name := "of context sip-gateway " + p.gateway.Name
		if t != nil {
			name = "profile tls " + t.Name
		}
		if !slices.ContainsFunc(list, func(x subject) bool { return x.name == name }) {
			list = append(list, subject{name: name, owner: p})
		}
	}
	return list
}

// acmeOf is the profile that obtains the certificate shown to a peer; nil: it is imported.
func (s *survey) acmeOf(p *peer) *config.ACMEProfile {
	t := p.profile(s.cfg)
	if t == nil {
		return nil
	}
	for _, a := range s.cfg.ACME {
		if certificate, _ := a.Target(); t.Shows(certificate) {
			return a
		}
	}
	return nil
}

// checkCertificate judges what the box shows to Teams.
func checkCertificate(_ context.Context, s *survey, x subject) finding {
	t, now := x.owner.profile(s.cfg), time.Now()
	if t == nil {
		return finding{}.fails("context sip-gateway %s has no profile tls", x.owner.gateway.Name).
			by("Add `use profile tls NAME` to the gateway, with a private key and a certificate for the name of the box.")
	}
	store := s.c.o.Box
	chain, _ := pki.Shown(t, store)
	f := described(chain)
	for _, problem := range pki.Check(t, store, true, now) {
		switch {
		case problem.Field == "Trusted" && !errors.Is(problem.Err, fs.ErrNotExist), problem.Severity == "note":
			f = f.saw("%s", problem.Text)
		case problem.Coming:
			f = s.renew(x, f.warns("%s", problem.Text))
		case errors.Is(problem.Err, fs.ErrNotExist):
			f = s.renew(x, f.fails("%s is not imported", problem.Name(t)))
		default:
			f = s.renew(x, f.fails("%s", problem.Text))
		}
	}
	if len(chain) == 0 {
		return s.renew(x, f.fails("profile tls %s shows no certificate", t.Name))
	}
	if name := x.owner.ownName(); name != "" {
		if err := pki.NameFault(chain[0], name); err != nil {
			f = s.renew(x, f.fails("%v, as Teams knows the box", err))
		}
	}
	switch root := pki.RootOf(chain, append(pki.BuiltIn(), pki.Public()...), now); {
	case root != nil:
		f = f.saw("root: %s", pki.Describe(root).Subject)
	case len(chain) > 0:
		f = f.saw("root: %s, which this box does not know; Teams takes those of Microsoft's Trusted Root Program", chain[len(chain)-1].Issuer.CommonName)
	}
	return f
}

// described names the chain.
func described(chain []*x509.Certificate) (f finding) {
	for n, c := range chain[:min(len(chain), shown)] {
		d := pki.Describe(c)
		if n > 0 {
			f = f.saw("issued by %s, until %s", d.Subject, c.NotAfter.UTC().Format(time.DateOnly))
			continue
		}
		held := d.Names
		if len(held) == 0 {
			held = []string{d.Subject}
		}
		f = f.saw("%s, %s, until %s", strings.Join(held[:min(len(held), shown)], ", "), d.Key, c.NotAfter.UTC().Format(time.DateOnly))
	}
	return f
}

// renew tells how the box comes to another certificate.
func (s *survey) renew(x subject, f finding) finding {
	if a := s.acmeOf(x.owner); a != nil {
		return f.paste("acme renew "+a.Name).by("The box obtains the certificate by itself: `show acme %s` says why it has none that is good. `acme test %s` tries every step.", a.Name, a.Name)
	}
	t := x.owner.profile(s.cfg)
	key, certificate := config.PKIName("pki:private-key/NAME"), config.PKIName("pki:certificate/NAME")
	if t != nil && t.PrivateKey != "" {
		key = t.PrivateKey
	}
	if t != nil && len(t.Own) > 0 {
		certificate = slices.MinFunc(t.Own, func(a, b config.OwnCertificate) int { return a.Index - b.Index }).Name
	}
	return f.by("Have a public authority issue a certificate for %s with an RSA key (`generate pki:certificate-request/NAME` makes a request for it), and paste it with its chain, leaf first: `import %s`, and `import %s` if the key is another one. "+
		"Or let the box obtain it: docs/certificates.md.", x.owner.ownName(), certificate, key)
}

// checkGateways looks whether the gateways listen.
func checkGateways(_ context.Context, s *survey, x subject) finding {
	p := x.owner
	for _, g := range s.c.o.Box.Gateways() {
		if g.Name != p.gateway.Name {
			continue
		}
		var f finding
		for _, i := range g.Interfaces {
			for _, l := range i.Listeners {
				if l.State == status.ListenerOpen {
					f = f.saw("listens on %s %s", l.Transport, l.Address)
				} else {
					f = f.fails("%s %s: %s %s", l.Transport, l.Address, l.State, l.Error)
				}
			}
			if i.State == status.GatewayFailed && f.problem == "" {
				f = f.fails("interface %s: %s", i.Name, i.Error)
			}
		}
		return f
	}
	return finding{}.fails("it does not run")
}

// gateways are the gateways of the peers.
func gateways(s *survey, of string) (list []subject) {
	for _, p := range s.peers {
		if wanted(p, of) && !p.test && !slices.ContainsFunc(list, func(x subject) bool { return x.name == p.gateway.Name }) {
			list = append(list, subject{name: p.gateway.Name, owner: p, side: p.side})
		}
	}
	return list
}
