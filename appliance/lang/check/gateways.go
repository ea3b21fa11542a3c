package check

import (
	"fmt"
	"net/netip"

	"viaduct/appliance/config"
)

// checkGateways looks for sockets that cannot be opened.
func checkGateways(c *checker) {
	type socket struct {
		addr netip.Addr
		port uint16
	}
	used := map[socket]string{}
	for _, g := range c.cfg.Gateways {
		if len(g.Interfaces) == 0 && g.Enabled {
			c.add(c.headers[g], Warning, "context sip-gateway "+g.Name+" has no interface: it listens nowhere", "")
		}
		for _, i := range g.Interfaces {
			if i.Bind.Interface.IsZero() {
				c.add(c.headers[i], Warning, "interface "+i.Name+" has no bind ipaddress: it listens nowhere", "")
			}
			if len(i.Ports()) == 0 {
				c.add(c.headers[i], Warning, "interface "+i.Name+" has no transport-protocol: it listens nowhere", "")
			}
			addr := c.cfg.Address(i.Bind)
			for _, s := range i.Ports() {
				if s.Secure && g.TLS.IsZero() {
					c.add(c.at(i, s.Field), Warning, "context sip-gateway "+g.Name+" has no use profile tls", "")
				}
				if !addr.IsValid() || !g.Enabled {
					continue
				}
				if other, taken := used[socket{addr, s.Port}]; taken {
					c.add(c.at(i, s.Field), Warning, fmt.Sprintf("%s:%d is taken by %s", addr, s.Port, other), "")
				}
				used[socket{addr, s.Port}] = "interface " + i.Name
			}
		}
	}
}

// sidesOf looks for a gateway with several interfaces for one transport: the routes decide which of its addresses a peer sees.
func (c *checker) sidesOf(g *config.SIPGateway) {
	first := map[string]*config.GatewayInterface{}
	for _, i := range g.Interfaces {
		for _, s := range i.Ports() {
			if other := first[s.Word]; other == nil {
				first[s.Word] = i
			} else {
				c.add(c.at(i, "Bind"), Warning, fmt.Sprintf("interface %s of this gateway has %s too: a request uses the interface that routes to the peer, "+
					"and its address in Contact, Via and media. To be independent of the routes, use one gateway for each side", other.Name, s.Word), "")
			}
		}
	}
}
