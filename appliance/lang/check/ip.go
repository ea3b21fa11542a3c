package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/config"
)

// checkBinds checks names that are resolved inside another object.
func checkBinds(c *checker) {
	for _, p := range c.cfg.Ports {
		c.ipInterface(c.at(p, "Bind"), p.Bind.Context, p.Bind.Interface)
		for _, v := range p.VLANs {
			c.ipInterface(c.at(v, "Bind"), v.Bind.Context, v.Bind.Interface)
		}
	}
	for _, g := range c.cfg.Gateways {
		for _, i := range g.Interfaces {
			w := c.at(i, "Bind")
			if !c.ipInterface(w, i.Bind.Context, i.Bind.Interface) {
				continue
			}
			if c.cfg.Address(i.Bind).IsValid() {
				continue
			}
			x := c.cfg.IPInterface(i.Bind.Context, i.Bind.Interface)
			var defined []string
			for _, a := range x.Addresses {
				defined = append(defined, a.Name)
			}
			if slices.Contains(defined, i.Bind.Address) {
				continue // from DHCP
			}
			c.missing(w, "address of interface "+x.Name, i.Bind.Address, defined)
		}
	}
	for _, p := range c.cfg.Provisioning {
		c.ipInterface(c.at(p, "Bind"), p.Bind.Context, p.Bind.Interface)
	}
}

// ipInterface checks that an interface exists in its context; a missing context has been reported with its own name.
func (c *checker) ipInterface(w Where, context config.Ref[config.Config, config.IPContext], name config.Ref[config.IPContext, config.IPInterface]) bool {
	if name.IsZero() {
		return false
	}
	x := context.In(c.cfg)
	if x == nil {
		return false
	}
	if c.cfg.IPInterface(context, name) != nil {
		return true
	}
	c.missing(w, "interface of context ip "+x.Name, name.Name, names(x.Interfaces, func(i *config.IPInterface) string { return i.Name }))
	return false
}

// attached lists the networks of all interfaces.
func (c *checker) attached() (nets []netip.Prefix) {
	for _, x := range c.cfg.IP {
		for _, i := range x.Interfaces {
			for _, a := range i.Addresses {
				if !a.DHCP {
					nets = append(nets, a.Prefix.Masked())
				}
			}
		}
	}
	return nets
}

// leased reports whether an interface uses DHCP: the server may also supply networks, a default route and name servers.
func (c *checker) leased() bool {
	for _, x := range c.cfg.IP {
		for _, i := range x.Interfaces {
			if slices.ContainsFunc(i.Addresses, func(a config.IPAddress) bool { return a.DHCP }) {
				return true
			}
		}
	}
	return false
}

// reachable reports whether a network or a route leads to an address.
func (c *checker) reachable(a netip.Addr) bool {
	if c.leased() {
		return true
	}
	nets := c.attached()
	for _, x := range c.cfg.IP {
		for _, t := range x.Tables {
			for _, r := range t.Routes {
				nets = append(nets, r.Prefix.Masked())
			}
		}
	}
	return slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(a) })
}

// checkNetwork looks for addresses that no packet can reach.
func checkNetwork(c *checker) {
	bound := c.onPort()
	hasDefault := c.leased()
	nets := c.attached()
	for _, x := range c.cfg.IP {
		for _, i := range x.Interfaces {
			if !bound[i] && len(i.Addresses) > 0 {
				c.add(c.headers[i], Warning, "no enabled port is bound to interface "+i.Name, "")
			}
		}
		for _, t := range x.Tables {
			for n, r := range t.Routes {
				hasDefault = hasDefault || r.Prefix.Bits() == 0 && r.Prefix.Addr().Is4()
				if !c.leased() && !slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(r.Gateway) }) {
					c.add(c.at(t, "Routes", n), Warning, fmt.Sprintf("gateway %s is not in an attached network", r.Gateway), "")
				}
			}
		}
	}
	if len(c.cfg.IP) > 0 && !hasDefault && c.needsInternet() {
		x := c.cfg.IP[0]
		c.needsRoute(c.headers[x], "no default route: "+c.firstName()+" is unreachable", netip.PrefixFrom(netip.IPv4Unspecified(), 0))
	}
	for n, s := range c.cfg.DNSServers {
		if len(nets) > 0 && !c.reachable(s) {
			c.unreachable(c.at(c.cfg, "DNSServers", n), s)
		}
	}
	c.reachableHosts(nets)
}

// reachableHosts checks addresses in remotes, registrars and the values of mapping tables.
func (c *checker) reachableHosts(nets []netip.Prefix) {
	if len(nets) == 0 {
		return
	}
	check := func(w Where, host string) {
		if a, err := netip.ParseAddr(host); err == nil && !c.reachable(a) {
			c.unreachable(w, a)
		}
	}
	c.interfaces(func(_ *config.Switch, i *config.SIPInterface, _ *config.SIPGateway) {
		check(c.at(i, "Remote"), i.Remote.Host)
	})
	for _, s := range c.cfg.CS {
		for _, t := range s.MappingTables {
			if !strings.HasSuffix(string(t.Out), "uri") {
				continue
			}
			for n, m := range t.Maps {
				check(c.at(t, "Maps", n), uriHost(m.To))
			}
		}
	}
}

// unreachable reports an address that is in no network. The fix is a route to the /24 or /64 around it.
func (c *checker) unreachable(w Where, a netip.Addr) {
	usual := 24
	if a.Is6() {
		usual = 64
	}
	c.needsRoute(w, fmt.Sprintf("%s is not in an attached network, and no route leads there", a), netip.PrefixFrom(a, usual).Masked())
}

// needsRoute reports that a route is missing, with the line for the first routing table of the first context.
func (c *checker) needsRoute(w Where, text string, to netip.Prefix) {
	x := c.cfg.IP[0]
	h := c.headers[x]
	table := "routing-table DEFAULT"
	if len(x.Tables) > 0 {
		table = c.headers[x.Tables[0]].Source
	}
	c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning, Text: text,
		Fix: fmt.Sprintf("route %s gateway ADDRESS", to), FixPath: append(slices.Clone(h.Path), h.Source, table)})
}

// uriHost is the host of a value such as sip:user@host:port;params.
func uriHost(v string) string {
	_, host, ok := strings.Cut(v, "@")
	if !ok {
		return ""
	}
	return host[:len(host)-len(strings.TrimLeft(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"))]
}

// needsInternet reports whether any peer is configured by name.
func (c *checker) needsInternet() bool { return c.firstName() != "" }

// firstName returns the first peer name that needs DNS, preferably Microsoft's.
func (c *checker) firstName() (name string) {
	teams := false
	c.interfaces(func(_ *config.Switch, i *config.SIPInterface, _ *config.SIPGateway) {
		if _, err := netip.ParseAddr(i.Remote.Host); err == nil || i.Remote.Host == "" {
			return
		}
		if name == "" || i.Teams() && !teams {
			name, teams = i.Remote.Host, i.Teams()
		}
	})
	return name
}

// checkNames looks for host names that cannot be resolved.
func checkNames(c *checker) {
	if c.firstName() != "" && len(c.cfg.DNSServers) == 0 && !c.leased() {
		c.interfaces(func(_ *config.Switch, i *config.SIPInterface, _ *config.SIPGateway) {
			if _, err := netip.ParseAddr(i.Remote.Host); err != nil && i.Remote.Host != "" {
				w := c.at(i, "Remote")
				c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning,
					Text: "no name server: names of peers cannot be resolved", Fix: "dns-client server ADDRESS", FixPath: []string{}})
			}
		})
		return
	}
	if c.env.Resolve == nil {
		return
	}
	c.interfaces(func(_ *config.Switch, i *config.SIPInterface, _ *config.SIPGateway) {
		if i.Remote.Host == "" {
			return
		}
		if addrs, known := c.env.Resolve(i.Remote.Host); known && len(addrs) == 0 {
			c.add(c.at(i, "Remote"), Warning, fmt.Sprintf("the name %s does not exist", i.Remote.Host), "")
		}
	})
}

// checkClock checks the time sources, which certificates depend on.
func checkClock(c *checker) {
	for _, s := range c.cfg.SNTP.Servers {
		if s.Version < 3 {
			c.add(c.headers[s], Note, "NTP versions 1 and 2 are queried as version 3", "")
		}
	}
	usesTLS := func(f func(config.Ref[config.Config, config.TLSProfile])) {
		for _, g := range c.cfg.Gateways {
			if !g.TLS.IsZero() {
				f(g.TLS)
			}
		}
	}
	if !c.cfg.SNTP.Enabled || len(c.cfg.SNTP.Servers) == 0 {
		done := false
		unsynced := func(w Where) {
			if done {
				return
			}
			done = true
			p := Problem{Path: w.Path, Source: w.Source, Severity: Warning, First: "sntp-client", Fix: "sntp-client server primary HOST", FixPath: []string{}}
			missing := p.First + " and " + p.Fix + " are"
			switch {
			case c.cfg.SNTP.Enabled:
				p.First, missing = "", p.Fix+" is"
			case len(c.cfg.SNTP.Servers) > 0:
				p.First, p.Fix, missing = "", "sntp-client", "sntp-client is"
			}
			p.Text = "the clock is not synchronised, TLS will fail: " + missing + " missing"
			c.problems = append(c.problems, p)
		}
		usesTLS(func(r config.Ref[config.Config, config.TLSProfile]) {
			if t := r.In(c.cfg); t != nil {
				unsynced(c.headers[t])
			}
		})
		if f := c.cfg.Fleet; f != nil && f.Enabled {
			unsynced(c.headers[f])
		}
		return
	}
	if c.env.Synced != nil && !*c.env.Synced {
		c.add(c.at(c.cfg, "Enabled"), Warning, "the clock is not synchronised yet: certificates cannot be judged", "")
	}
	if _, err := config.Zone(c.cfg.Clock.Zone); err != nil {
		c.add(c.at(c.cfg, "Zone"), Error, err.Error(), "")
	}
}

// onPort has the IP interfaces that an enabled port or VLAN is bound to.
func (c *checker) onPort() map[*config.IPInterface]bool {
	bound := map[*config.IPInterface]bool{}
	for _, p := range c.cfg.Ports {
		if i := c.cfg.IPInterface(p.Bind.Context, p.Bind.Interface); i != nil && p.Enabled {
			bound[i] = true
		}
		for _, v := range p.VLANs {
			if i := c.cfg.IPInterface(v.Bind.Context, v.Bind.Interface); i != nil && p.Enabled && v.Enabled {
				bound[i] = true
			}
		}
	}
	return bound
}
