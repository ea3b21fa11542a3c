package check

import (
	"fmt"
	"slices"

	"viaduct/appliance/config"
)

// checkProvisioning checks the services at which phones fetch their settings.
func checkProvisioning(c *checker) {
	for _, p := range c.cfg.Provisioning {
		if Sealed(p.Administrator) {
			c.add(c.at(p, "Administrator"), Warning, Unopened, "")
		}
		if !p.Enabled {
			if len(p.Phones) > 0 {
				c.in(p, Warning, "provisioning-service "+p.Name+" is shut down: no phone gets settings", "no shutdown")
			}
			continue
		}
		c.provisioningWay(p)
		c.provisionedPhones(p)
	}
}

// provisioningWay checks where a service listens, and for what.
func (c *checker) provisioningWay(p *config.ProvisioningService) {
	if p.Bind.Interface.IsZero() {
		c.in(p, Warning, "provisioning-service "+p.Name+" has no bind ipaddress: it listens nowhere", "")
	} else if why := c.unserved(p); why != "" {
		c.add(c.at(p, "Bind"), Warning, "provisioning-service "+p.Name+" serves nobody: "+why, "")
	}
	if by := c.cfg.ElseAtPort(p); by != "" {
		c.add(c.at(p, "HTTP"), Error, fmt.Sprintf("port %d of its address belongs to %s: phones get nothing by HTTP, give it another port", p.HTTP.Port, by), "")
	}
	if p.HTTP.Port == 0 && !p.TFTP {
		c.in(p, Warning, "provisioning-service "+p.Name+" has no protocol: no phone can fetch its settings", "protocol http")
	}
	for n, host := range p.Upstreams {
		if p.HTTP.Port == 0 {
			c.add(c.at(p, "Upstreams", n), Warning, "phones fetch from "+host+" by HTTP, which is not served", "protocol http")
		}
	}
	if p.Transport == "tls" && p.Server.Host == "" && !c.listensForTLS(p) {
		c.add(c.at(p, "Transport"), Warning, "no context sip-gateway listens for TLS at this address: the phones cannot register", "no transport")
	}
	if p.Administrator == "" {
		c.in(p, Note, "the phones keep the password of the maker for their own pages, which everybody knows", "administrator-password PASSWORD")
	}
}

// unserved says why a service cannot serve at its address; "": it can, as soon as a server has given the address, or its reference is reported.
func (c *checker) unserved(p *config.ProvisioningService) string {
	i := c.cfg.IPInterface(p.Bind.Context, p.Bind.Interface)
	_, why := c.cfg.ProvisioningAddress(p)
	if i == nil || slices.ContainsFunc(i.Addresses, func(a config.IPAddress) bool { return a.Name == p.Bind.Address && a.DHCP }) && !c.cfg.Address(p.Bind).IsValid() {
		return ""
	}
	return why
}

// identityHeader finds the line that opens an identity.
func (c *checker) identityHeader(l *config.LocationService, name string) (Where, bool) {
	n := slices.IndexFunc(l.Identities, func(i *config.Identity) bool { return i.Name == name })
	if n < 0 {
		return Where{}, false
	}
	return c.headers[l.Identities[n]], true
}

// listensForTLS reports whether a gateway listens for TLS at the address where phones fetch their settings.
func (c *checker) listensForTLS(p *config.ProvisioningService) bool {
	at := c.cfg.Address(p.Bind)
	return slices.ContainsFunc(c.cfg.Gateways, func(g *config.SIPGateway) bool {
		return slices.ContainsFunc(g.Interfaces, func(i *config.GatewayInterface) bool {
			return c.cfg.Address(i.Bind) == at && slices.ContainsFunc(i.Ports(), func(s config.GatewayPort) bool { return s.Secure })
		})
	})
}

// provisionedPhones checks who the phones are.
func (c *checker) provisionedPhones(p *config.ProvisioningService) {
	l := p.Location.In(c.cfg)
	if p.Location.IsZero() {
		c.in(p, Warning, "provisioning-service "+p.Name+" has no use location-service: its phones are nobody", "")
	}
	model := map[config.MAC]string{}
	for n, phone := range p.Phones {
		w := c.at(p, "Phones", n)
		if first, ok := model[phone.MAC]; ok && first != phone.Model {
			c.add(w, Warning, fmt.Sprintf("%s is %s in another line: a phone has one model", phone.MAC, first), "")
		} else {
			model[phone.MAC] = phone.Model
		}
		if l == nil {
			continue
		}
		f, known := l.Settings(phone.Identity)
		account, has := l.PhoneAccount(c.cfg, phone.Identity)
		weak, guessable := config.WeakPhonePassword(account.Password, account.Username, phone.Identity, phone.MAC)
		switch {
		case known && !has && (f.AuthInbound == nil || f.AuthInbound.None): // an account that is missing is reported where it is named
			c.add(w, Warning, "identity "+phone.Identity+" has no account that its phone could show (authentication inbound): the phone gets no settings", "")
		case has && guessable:
			c.add(w, Warning, "identity "+phone.Identity+": "+weak+", which everybody tries first: the phone gets no settings", "")
		case has && weak != "" && !Sealed(account.Password):
			c.add(w, Warning, "identity "+phone.Identity+": "+weak+": others can guess it and call as this identity", "")
		}
		switch {
		case !known:
			c.missing(w, "identity of location-service "+l.Name, phone.Identity, names(l.Identities, func(i *config.Identity) string { return i.Name }))
			if q := &c.problems[len(c.problems)-1]; q.Fix != "" {
				q.First = "no " + w.Source
			}
		case f.Inbound == nil && p.Server.Host == "":
			q := Problem{Path: w.Path, Source: w.Source, Severity: Warning, Text: "identity " + phone.Identity + " has no registration inbound: the phone cannot register here", Fix: "registration inbound"}
			if h, ok := c.identityHeader(l, phone.Identity); ok {
				q.FixPath = append(slices.Clone(h.Path), h.Source)
			}
			c.problems = append(c.problems, q)
		}
	}
}
