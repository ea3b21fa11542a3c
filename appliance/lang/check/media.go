package check

import (
	"net/netip"
	"slices"

	"viaduct/appliance/config"
)

// checkMedia looks for peers whose media would be refused because the routes to them leave by another interface. It skips configurations
// with DHCP, whose routes are not known here.
func checkMedia(c *checker) {
	for _, x := range c.cfg.IP {
		for _, i := range x.Interfaces {
			if slices.ContainsFunc(i.Addresses, func(a config.IPAddress) bool { return a.DHCP }) {
				return
			}
		}
	}
	c.interfaces(func(_ *config.Switch, i *config.SIPInterface, g *config.SIPGateway) {
		if g == nil {
			return
		}
		if a, err := netip.ParseAddr(i.Remote.Host); err == nil && c.onAnotherSide(g, a) {
			c.add(c.at(i, "Remote"), Warning, "the route to "+a.String()+" uses an interface that is not one of its gateway: calls will have no audio. Add a route in context ip", "")
		}
		for n, m := range i.MediaTrust {
			if a := someHost(m.Prefix); a.IsValid() && c.onAnotherSide(g, a) {
				c.add(c.at(i, "MediaTrust", n), Warning, "the route to "+m.Prefix.String()+" uses an interface that is not one of this peer's gateway: media from there is rejected. Add a route in context ip", "")
			}
		}
	})
}

// someHost returns an address in a network, or the zero address for /0.
func someHost(p netip.Prefix) netip.Addr {
	if !p.IsValid() || p.Bits() == 0 {
		return netip.Addr{}
	}
	if p.IsSingleIP() {
		return p.Addr()
	}
	return p.Masked().Addr().Next()
}

// onAnotherSide reports whether none of a gateway's interfaces leads to an address.
func (c *checker) onAnotherSide(g *config.SIPGateway, a netip.Addr) bool {
	other := false
	for _, i := range g.Interfaces {
		switch local := c.cfg.Address(i.Bind); {
		case !local.IsValid() || local.Is4() != a.Is4():
		case c.cfg.Reach(local, a) != config.OtherSide:
			return false
		default:
			other = true
		}
	}
	return other
}
