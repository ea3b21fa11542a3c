package check

import (
	"fmt"
	"net/netip"

	"viaduct/appliance/config"
)

// checkPorts looks for lines about ports, addresses, routes and access lists that are valid but cannot take effect.
func checkPorts(c *checker) {
	c.boundTwice()
	for _, p := range c.cfg.Ports {
		if p.Medium.Speed == "auto" && p.Medium.Duplex == "half" {
			c.add(c.at(p, "Medium"), Warning, "with auto, the ports negotiate the duplex: half is ignored", "medium auto")
		}
	}
	var earlier []*config.IPInterface
	for _, x := range c.cfg.IP {
		for _, i := range x.Interfaces {
			c.addresses(i, earlier)
			earlier = append(earlier, i)
			if i.MediaPortFirst >= i.MediaPortLast {
				c.add(c.at(i, "MediaPortFirst"), Warning, fmt.Sprintf("media-ports %d %d contains no pair of ports: this interface has no media", i.MediaPortFirst, i.MediaPortLast), "")
			}
		}
		for _, t := range x.Tables {
			for n, r := range t.Routes {
				if r.Prefix.Addr().Is4() != r.Gateway.Is4() {
					c.add(c.at(t, "Routes", n), Warning, "an IPv4 route needs an IPv4 gateway, and an IPv6 route an IPv6 gateway: this route cannot be set", "")
				}
			}
		}
	}
	for _, a := range c.cfg.ACL {
		for n, r := range a.Rules {
			c.aclRule(c.at(a, "Rules", n), r)
		}
	}
	for _, g := range c.cfg.Gateways {
		c.sidesOf(g)
		for _, i := range g.Interfaces {
			if a := c.cfg.Address(i.Bind); a.Is6() {
				c.add(c.at(i, "Bind"), Warning, fmt.Sprintf("SIP and media use IPv4 only: no peer can be reached from %s", a), "")
			}
		}
	}
}

// boundTwice looks for an interface that is bound to two ports. Its addresses can only be on one of them.
func (c *checker) boundTwice() {
	by := map[*config.IPInterface]string{}
	bound := func(w Where, b config.IPBind, name string) {
		i := c.cfg.IPInterface(b.Context, b.Interface)
		if i == nil || b.Interface.IsZero() {
			return
		}
		if other := by[i]; other != "" {
			c.add(w, Warning, fmt.Sprintf("interface %s is already bound to %s, and stays there", i.Name, other), "")
			return
		}
		by[i] = name
	}
	for _, p := range c.cfg.Ports {
		name := fmt.Sprintf("port ethernet %d %d", p.Slot, p.Port)
		bound(c.at(p, "Bind"), p.Bind, name)
		for _, v := range p.VLANs {
			bound(c.at(v, "Bind"), v.Bind, fmt.Sprintf("%s vlan %d", name, v.ID))
		}
	}
}

// addresses checks the addresses of an interface, also against earlier interfaces.
func (c *checker) addresses(i *config.IPInterface, earlier []*config.IPInterface) {
	for n, a := range i.Addresses {
		w := c.at(i, "Addresses", n)
		p := a.Prefix
		if !p.IsValid() {
			continue
		}
		if why := noHost(p); why != "" {
			c.add(w, Warning, fmt.Sprintf("%s is %s, so no host can have it", p.Addr(), why), "")
		}
		for _, other := range earlier {
			for _, b := range other.Addresses {
				if b.Prefix.IsValid() && b.Prefix.Overlaps(p) {
					c.add(w, Warning, fmt.Sprintf("the network of %s overlaps with interface %s (%s): packets to it use only one of the two", p, other.Name, b.Prefix), "")
				}
			}
		}
	}
}

// noHost says why no host can have an address; "" if a host can.
func noHost(p netip.Prefix) string {
	a := p.Addr()
	switch {
	case a.IsUnspecified():
		return "the unspecified address"
	case a.IsMulticast():
		return "a multicast address"
	case a.IsLoopback():
		return "a loopback address"
	case a.Is4() && p.Bits() < 31 && a == p.Masked().Addr():
		return "the address of the network"
	case a.Is4() && p.Bits() < 31 && !p.Contains(a.Next()):
		return "the broadcast address of the network"
	}
	return ""
}

func (c *checker) aclRule(w Where, r config.ACLRule) {
	from, to := r.Source.Networks(), r.Destination.Networks() // each of one family
	switch {
	case r.PortFirst != 0 && r.Protocol == "icmp":
		c.add(w, Warning, "icmp has no ports: the rule applies to all of icmp", "")
	case r.PortLast != 0 && r.PortLast < r.PortFirst:
		c.add(w, Warning, fmt.Sprintf("the last port is below the first: the rule applies to port %d only", r.PortFirst), "")
	}
	if len(from) > 0 && len(to) > 0 && from[0].Addr().Is4() != to[0].Addr().Is4() {
		c.add(w, Warning, "a packet cannot have both IPv4 and IPv6 addresses: the rule matches none", "")
	}
}
