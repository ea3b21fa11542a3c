package config

import (
	"net/netip"
	"strings"
)

// Obstacle is why nothing may be sent to an address that a peer has named. The empty one is none.
type Obstacle string

const (
	NoHost        Obstacle = "is no host"
	OtherFamily   Obstacle = "is of another IP version than this side of the network"
	Multicast     Obstacle = "is a multicast address"
	Loopback      Obstacle = "is a loopback address"
	LinkLocal     Obstacle = "is a link-local address"
	ReservedHost  Obstacle = "is a broadcast or reserved address"
	TheBox        Obstacle = "is the box itself"
	OtherSide     Obstacle = "is not on this side of the network"
	NoSuchAddress Obstacle = "would be sent to from an address that the box has no more"
)

// Reach reports what stands between the box's address local and another one: nothing when that is a host of the network on local's
// side. The box itself is none, nor is a host that the routes lead to by another interface: a peer on one side must not aim the box
// at the other.
//
// Who is asked has no kernel at hand: the configuration answers, as the kernel would that follows it. It allocates nothing.
func (c *Config) Reach(local, to netip.Addr) Obstacle {
	switch {
	case !to.IsValid() || to.IsUnspecified():
		return NoHost
	case local.Is4() != to.Is4():
		return OtherFamily
	case to.IsMulticast():
		return Multicast
	case to.IsLoopback() && !local.IsLoopback(): // a machine that speaks to itself is a development machine
		return Loopback
	case to.IsLinkLocalUnicast():
		return LinkLocal
	case reserved.Contains(to):
		return ReservedHost
	case thisNetwork.Contains(to):
		return NoHost
	case c.own(to):
		return TheBox
	}
	context, side := c.interfaceOf(local)
	if side == nil {
		return NoSuchAddress
	}
	if c.broadcast(to) {
		return ReservedHost
	}
	if !c.leadsBy(context, side, to) {
		return OtherSide
	}
	return ""
}

var (
	reserved    = netip.MustParsePrefix("240.0.0.0/4") // RFC 1112, and 255.255.255.255
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")   // RFC 1122 3.2.1.3
)

// interfaceOf is the interface that has an address, with its context, or nil.
func (c *Config) interfaceOf(local netip.Addr) (*IPContext, *IPInterface) {
	for _, x := range c.IP {
		for _, i := range x.Interfaces {
			for _, a := range i.Addresses {
				if a.Prefix.IsValid() && a.Prefix.Addr() == local {
					return x, i
				}
			}
		}
	}
	return nil, nil
}

// own reports whether an address leads to the box: one of its interfaces has it, or a router hands on to it what comes for it.
func (c *Config) own(a netip.Addr) bool {
	if _, i := c.interfaceOf(a); i != nil && !a.IsLoopback() {
		return true
	}
	for _, g := range c.Gateways {
		for _, i := range g.Interfaces {
			if i.SpoofedMedia == a {
				return true
			}
		}
	}
	return false
}

// broadcast reports whether an address is the first or the last of a network that an interface is in.
func (c *Config) broadcast(to netip.Addr) bool {
	for _, x := range c.IP {
		for _, i := range x.Interfaces {
			for _, a := range i.Addresses {
				p := a.Prefix
				if to.Is4() && p.IsValid() && p.Bits() < 31 && p.Contains(to) && (p.Masked().Addr() == to || LastOf(p) == to) {
					return true
				}
			}
		}
	}
	return false
}

// LastOf is the last address of a network.
func LastOf(p netip.Prefix) netip.Addr {
	b, bits := p.Addr().As16(), p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for ; bits < 128; bits++ {
		b[bits/8] |= 0x80 >> (bits % 8)
	}
	last := netip.AddrFrom16(b)
	if p.Addr().Is4() {
		return last.Unmap()
	}
	return last
}

// leadsBy reports whether packets from an address of side leave for another one by side. The networks of all interfaces and the routes
// of the tables DEFAULT count first, then those of a table of side's own, then the default routes of DEFAULT.
func (c *Config) leadsBy(context *IPContext, side *IPInterface, to netip.Addr) bool {
	var best way
	for _, x := range c.IP {
		for _, i := range x.Interfaces {
			for _, a := range i.Addresses {
				if a.Prefix.IsValid() {
					best.offer(a.Prefix, -1, to, i == side)
				}
			}
		}
	}
	c.takeRoutes(&best, side, to, false)
	if t := side.Table.In(context); !best.found && t != nil && !strings.EqualFold(t.Name, "DEFAULT") {
		c.take(&best, t.Routes, side, to)
	}
	if !best.found {
		c.takeRoutes(&best, side, to, true)
	}
	return best.here
}

// takeRoutes looks at the routes of the tables DEFAULT: the default routes, or all others.
func (c *Config) takeRoutes(best *way, side *IPInterface, to netip.Addr, last bool) {
	for _, x := range c.IP {
		for _, t := range x.Tables {
			if !strings.EqualFold(t.Name, "DEFAULT") {
				continue
			}
			for n, r := range t.Routes {
				if last == (r.Prefix.Bits() == 0) {
					c.take(best, t.Routes[n:n+1], side, to)
				}
			}
		}
	}
}

func (c *Config) take(best *way, routes []IPRoute, side *IPInterface, to netip.Addr) {
	for _, r := range routes {
		if by := c.interfaceTowards(r.Gateway); by != nil {
			best.offer(r.Prefix, r.Metric, to, by == side)
		}
	}
}

// interfaceTowards is the interface whose network holds a gateway, or nil.
func (c *Config) interfaceTowards(gateway netip.Addr) *IPInterface {
	for _, x := range c.IP {
		for _, i := range x.Interfaces {
			for _, a := range i.Addresses {
				if a.Prefix.IsValid() && a.Prefix.Contains(gateway) {
					return i
				}
			}
		}
	}
	return nil
}

// way is the best of several routes: the narrowest, and of those the one with the lowest metric. Here says that one of the best leads by
// the interface in question.
type way struct {
	found, here  bool
	bits, metric int
}

func (b *way) offer(p netip.Prefix, metric int, to netip.Addr, here bool) {
	switch {
	case !p.Contains(to):
	case !b.found || p.Bits() > b.bits || p.Bits() == b.bits && metric < b.metric:
		*b = way{true, here, p.Bits(), metric}
	case p.Bits() == b.bits && metric == b.metric:
		b.here = b.here || here
	}
}
