package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// checkIdentities checks the groups and accounts of each location service.
func checkIdentities(c *checker) {
	for _, l := range c.cfg.Location {
		groups := names(l.Groups, func(g *config.IdentityGroup) string { return config.SameName(g.Name) })
		for n, i := range l.Identities {
			w := c.at(l, "Identities", n)
			if g := i.Inherits; !g.IsZero() && !slices.Contains(groups, config.SameName(g.Name)) {
				c.missing(w, "identity-group of location-service "+l.Name, g.Name, groups)
				continue
			}
			f, _ := l.Settings(i.Name)
			if r := f.Registration; r != nil && r.Auto && len(l.Domains) == 0 {
				c.add(w, Warning, "the location-service has no domain: nothing can be registered", "")
			}
			if f.AuthOutbound == nil || len(f.AuthOutbound.Services) == 0 {
				continue
			}
			if _, ok := l.Credential(c.cfg, i.Name); !ok && c.servicesExist(f.AuthOutbound) {
				s := f.AuthOutbound.Services[0]
				user := s.Username
				if user == "" {
					user = i.Name
				}
				c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning,
					Text:    fmt.Sprintf("identity %s has no account: authentication-service %s has no username %s", i.Name, s.Service.Name, user),
					FixPath: []string{"authentication-service " + cli.Quote(s.Service.Name)}, Fix: "username " + cli.Quote(user) + " password PASSWORD"})
			}
		}
	}
}

func (c *checker) servicesExist(a *config.AuthOutbound) bool {
	return !slices.ContainsFunc(a.Services, func(s config.Authenticate) bool { return s.Service.In(c.cfg) == nil })
}

// checkDomains looks for caller addresses whose host is in no location service: their accounts would not be found.
func checkDomains(c *checker) {
	homes := map[string][]*config.LocationService{} // of each identity
	for _, l := range c.cfg.Location {
		for _, i := range l.Identities {
			homes[i.Name] = append(homes[i.Name], l)
		}
	}
	for _, s := range c.cfg.CS {
		for _, t := range s.MappingTables {
			if t.Out != config.CallingURI && t.Out != config.URI {
				continue
			}
			for _, m := range t.Maps {
				user, _, _ := strings.Cut(strings.TrimPrefix(m.To, "sip:"), "@")
				for _, l := range homes[user] {
					c.domainOf(l, uriHost(m.To))
				}
			}
		}
	}
}

// domainOf checks that the location service of a caller knows the host in the caller's address.
func (c *checker) domainOf(l *config.LocationService, host string) {
	if host == "" || l.MatchAny || len(l.Domains) == 0 {
		return
	}
	if slices.ContainsFunc(l.Domains, func(d config.Domain) bool { return strings.EqualFold(d.Host, host) || c.resolvesTo(d.Host, host) }) {
		return
	}
	last := l.Domains[len(l.Domains)-1].Index
	c.add(c.at(l, "Domains", 0), Warning, fmt.Sprintf("the addresses of callers have the host %s, which is not a domain of location-service %s: their accounts are only found if a domain resolves to it",
		host, l.Name), fmt.Sprintf("domain %d %s", last+1, host))
}

func (c *checker) resolvesTo(name, addr string) bool {
	a, err := netip.ParseAddr(addr)
	if err != nil || c.env.Resolve == nil {
		return false
	}
	addrs, _ := c.env.Resolve(name)
	return slices.Contains(addrs, a)
}
