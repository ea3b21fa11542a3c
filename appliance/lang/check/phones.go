package check

import (
	"fmt"
	"slices"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// checkPhones checks who may register here, by which interface, and whether calls find the way to the phones.
func checkPhones(c *checker) {
	for _, l := range c.cfg.Location {
		for _, g := range l.Groups {
			c.lifetimes(g.Inbound)
			if g.Inbound != nil && g.AuthInbound == nil && heirs(l, g) {
				c.closed(g, "identity-group "+g.Name)
			}
		}
		for n, i := range l.Identities {
			c.lifetimes(i.Inbound)
			f, _ := l.Settings(i.Name)
			if f.Inbound == nil {
				if i.Inherits.IsZero() && f.Registration == nil && takesPhones(l) {
					c.groupless(l, i, c.at(l, "Identities", n))
				}
				continue
			}
			if f.AuthInbound == nil && i.Inbound != nil {
				c.closed(i, "identity "+i.Name)
			}
			c.phoneAccount(l, i, f.AuthInbound, c.at(l, "Identities", n))
			c.oneName(l, n)
		}
	}
	for _, s := range c.cfg.CS {
		c.phoneInterfaces(s)
		for _, p := range s.PhoneServices {
			c.phoneService(s, p)
		}
	}
}

// groupless reports an identity beside those of phones that neither says itself that phones register as it, nor has a group that could.
func (c *checker) groupless(l *config.LocationService, i *config.Identity, w Where) {
	p := Problem{Path: w.Path, Source: w.Source, Severity: Warning, Text: "no phone can register as identity " + i.Name + ": it has no registration inbound, and no identity-group"}
	if with := slices.DeleteFunc(slices.Clone(l.Groups), func(g *config.IdentityGroup) bool { return g.Inbound == nil }); len(with) == 1 {
		p.FixPath, p.Fix = w.Path, "identity "+cli.Quote(i.Name)+" inherits "+cli.Quote(with[0].Name)
	}
	c.problems = append(c.problems, p)
}

// heirs reports whether an identity has its registration and its accounts from g.
func heirs(l *config.LocationService, g *config.IdentityGroup) bool {
	return slices.ContainsFunc(l.Identities, func(i *config.Identity) bool {
		return config.SameName(i.Inherits.Name) == config.SameName(g.Name) && i.Inbound == nil && i.AuthInbound == nil
	})
}

// lifetimes checks that the shortest, the usual and the longest registration are in order.
func (c *checker) lifetimes(r *config.RegistrationInbound) {
	if r == nil || r.Min <= r.Default && r.Default <= r.Max {
		return
	}
	least, most := min(r.Min, r.Max), max(r.Min, r.Max)
	s := func(d time.Duration) int { return int(d / time.Second) }
	c.add(c.at(r, ""), Warning, fmt.Sprintf("the lifetime by default (%d) is not between min (%d) and max (%d)", s(r.Default), s(r.Min), s(r.Max)),
		fmt.Sprintf("lifetime default %d min %d max %d", s(min(max(r.Default, least), most)), s(least), s(most)))
}

// closed reports a place that lets phones register, and names no accounts for them.
func (c *checker) closed(owner any, name string) {
	c.in(owner, Warning, name+" has registration inbound and no authentication inbound: no phone can register", "")
	if len(c.cfg.Auth) == 1 {
		p := &c.problems[len(c.problems)-1]
		p.First, p.Fix = "authentication inbound", "authenticate 1 authentication-service "+cli.Quote(c.cfg.Auth[0].Name)
		p.FixPath = append(slices.Clone(p.Path), p.Source)
	}
}

// phoneAccount checks the account that phones of an identity must show.
func (c *checker) phoneAccount(l *config.LocationService, i *config.Identity, a *config.AuthInbound, w Where) {
	switch {
	case a == nil:
		return
	case a.None:
		c.add(c.at(a, "None"), Warning, "whatever stands in a trusted network can register and call as this identity", "")
		return
	case len(a.Services) == 0:
		c.add(c.headers[a], Warning, "authentication inbound names no account: no phone can register", "")
		if len(c.cfg.Auth) == 1 {
			p := &c.problems[len(c.problems)-1]
			p.FixPath, p.Fix = append(slices.Clone(p.Path), p.Source), "authenticate 1 authentication-service "+cli.Quote(c.cfg.Auth[0].Name)
		}
		return
	}
	for _, s := range a.Services {
		service := s.Service.In(c.cfg)
		if service == nil {
			return
		}
		if n := slices.IndexFunc(service.Users, func(u config.Credential) bool { return u.Username == accountOf(s, i) }); n >= 0 {
			u := service.Users[n]
			if why, _ := config.WeakPhonePassword(u.Password, u.Username, i.Name, ""); why != "" && !Sealed(u.Password) {
				c.add(c.at(service, "Users", n), Warning, why+", and phones register with it: others can guess it and call", "")
			}
			return
		}
	}
	s := a.Services[0]
	user := cli.Quote(accountOf(s, i))
	c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning,
		Text:    fmt.Sprintf("identity %s has no account: authentication-service %s has no username %s, so no phone can register", i.Name, s.Service.Name, accountOf(s, i)),
		FixPath: []string{"authentication-service " + cli.Quote(s.Service.Name)}, Fix: "username " + user + " password PASSWORD"})
}

func accountOf(s config.Authenticate, i *config.Identity) string {
	if s.Username != "" {
		return s.Username
	}
	return i.Name
}

// oneName checks that no other identity has a name of the identity at n: phones are called by it.
func (c *checker) oneName(l *config.LocationService, n int) {
	i := l.Identities[n]
	for _, other := range l.Identities {
		if other == i {
			continue
		}
		for a, alias := range i.Aliases {
			if alias == other.Name || slices.Contains(other.Aliases, alias) {
				c.add(c.at(i, "Aliases", a), Warning, fmt.Sprintf("%s is also a name of identity %s: calls find only one of them", alias, other.Name), "no alias name "+cli.Quote(alias))
			}
		}
	}
}

// phoneInterfaces checks the interfaces of a context whose peers are phones.
func (c *checker) phoneInterfaces(s *config.Switch) {
	for _, i := range s.Interfaces {
		l := i.Phones.In(c.cfg)
		if l == nil {
			continue
		}
		if i.Remote.Host != "" {
			w := c.at(i, "Remote")
			c.add(w, Warning, "the peers of this interface are phones (use location-service "+l.Name+"): its remote is not called", "no "+w.Source)
		}
		for n, t := range i.Trust {
			switch w := c.at(i, "Trust", n); {
			case t.Remote || t.Teams:
				c.add(w, Warning, "phones come from networks in the LAN: this line lets none of them in", "no "+w.Source)
			case t.Prefix.IsValid() && !private(t.Prefix):
				c.add(w, Warning, fmt.Sprintf("phones may register from %s, a public network, where passwords are guessed all day", t.Prefix), "")
			}
		}
		if !takesPhones(l) {
			c.add(c.at(i, "Phones"), Warning, "no identity of location-service "+l.Name+" has registration inbound: no phone can register", "")
		}
		if !slices.ContainsFunc(s.PhoneServices, func(p *config.PhoneService) bool { return p.Location.In(c.cfg) == l || p.Location.IsZero() }) {
			h := c.headers[s]
			w := c.at(i, "Phones")
			c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning, Text: "no service sip-location-service leads calls to the phones of location-service " + l.Name,
				FixPath: append(slices.Clone(h.Path), h.Source), First: "service sip-location-service " + cli.Quote(l.Name), Fix: "bind location-service " + cli.Quote(l.Name)})
		}
		if len(s.Emergency) == 0 {
			h := c.headers[s]
			w := c.at(i, "Phones")
			c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning, Text: "context cs " + s.Name + " has no emergency-number: emergency calls of its phones can be refused as any other",
				FixPath: append(slices.Clone(h.Path), h.Source), Fix: "emergency-number 112"})
		}
	}
}

// takesPhones reports whether a phone may register as an identity of l.
func takesPhones(l *config.LocationService) bool {
	return slices.ContainsFunc(l.Identities, func(i *config.Identity) bool {
		f, _ := l.Settings(i.Name)
		return f.Inbound != nil
	})
}

// trustAttached is the line that lets in the network of a gateway's first private address, or "".
func (c *checker) trustAttached(g *config.SIPGateway) string {
	if g == nil {
		return ""
	}
	for _, i := range g.Interfaces {
		if x := c.cfg.IPInterface(i.Bind.Context, i.Bind.Interface); x != nil {
			for _, a := range x.Addresses {
				if a.Name == i.Bind.Address && a.Prefix.IsValid() && private(a.Prefix) {
					return "trust " + a.Prefix.Masked().String()
				}
			}
		}
	}
	return ""
}

// phoneService checks that calls to a service find phones.
func (c *checker) phoneService(s *config.Switch, p *config.PhoneService) {
	if p.Location.IsZero() {
		fix := ""
		if with := slices.DeleteFunc(slices.Clone(c.cfg.Location), func(l *config.LocationService) bool { return !takesPhones(l) }); len(with) == 1 {
			fix = "bind location-service " + cli.Quote(with[0].Name)
		}
		c.in(p, Warning, "service sip-location-service "+p.Name+" has no bind location-service: it calls nobody", fix)
		return
	}
	if l := p.Location.In(c.cfg); l != nil && !slices.ContainsFunc(s.Interfaces, func(i *config.SIPInterface) bool { return i.Phones.In(c.cfg) == l }) {
		c.add(c.at(p, "Location"), Warning, "no interface sip of context cs "+s.Name+" has use location-service "+l.Name+": its phones cannot be called", "")
	}
	if q := new(config.PhoneService); !p.OneByOne() {
		if q.SetDefaults(); p.Timeout != q.Timeout {
			c.add(c.at(p, "Timeout"), Note, "all phones ring at once: the timeout counts with fork sequential", "")
		}
	}
}

// checkSurvivals checks what happens when a peer is gone.
func checkSurvivals(c *checker) {
	for _, s := range c.cfg.CS {
		for _, x := range s.Survivals {
			if len(x.Routes) == 0 {
				c.in(x, Warning, "survival "+x.Name+" has no route: nothing changes when the peer is gone", "")
			}
			if x.Watch.IsZero() {
				c.in(x, Warning, "survival "+x.Name+" watches nobody: it is never used", "")
			}
			watched := x.Watch.In(s)
			if watched == nil {
				continue
			}
			w := c.at(x, "Watch")
			switch {
			case !watched.Phones.IsZero():
				c.add(w, Warning, "the peers of interface sip "+watched.Name+" are phones, which come and go: watch a PBX or a trunk", "")
			case watched.PenaltyBox.Interval == 0 && !c.registersWith(watched):
				h := c.headers[watched]
				c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning,
					Text: "nothing tells when the peer of interface sip " + watched.Name + " is gone: it has no penalty-box, and nobody registers with it",
					Fix:  "penalty-box sip-option-trigger interval 10 timeout 5", FixPath: append(slices.Clone(h.Path), h.Source)})
			}
			for n, r := range x.Routes {
				if r.Dest.Interface.In(s) == watched {
					c.add(c.at(x, "Routes", n), Warning, "the route leads to the peer that is gone", "")
				}
			}
		}
	}
}

// registersWith reports whether an identity of ours registers by the gateway of i.
func (c *checker) registersWith(i *config.SIPInterface) bool {
	g := i.Gateway.In(c.cfg)
	return g != nil && slices.ContainsFunc(g.Location, func(r config.Ref[config.Config, config.LocationService]) bool {
		l := r.In(c.cfg)
		return l != nil && slices.ContainsFunc(l.Identities, func(i *config.Identity) bool {
			f, _ := l.Settings(i.Name)
			return f.Registration != nil && f.Registration.Auto
		})
	})
}
