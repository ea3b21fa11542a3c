package sipgw

import (
	"net/netip"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

// bound is an interface of the gateway with the address that it has now: one side on which the gateway has peers.
type bound struct {
	*config.GatewayInterface
	addr netip.Addr
}

// port is where the interface listens for a transport, 0: not.
func (b bound) port(transport string) uint16 {
	switch {
	case !b.addr.IsValid():
		return 0
	case transport == "tls":
		return b.TLS
	}
	return b.UDPTCP
}

// address is the local address, zero for no interface.
func (b *bound) address() netip.Addr {
	if b == nil {
		return netip.Addr{}
	}
	return b.addr
}

// contact is our Contact URI for a transport, for example "sip:user@sbc.example:5062;transport=tls".
func (b *bound) contact(user, transport string) string {
	host, port := "", uint16(0)
	if b != nil {
		host, port = b.addr.String(), b.port(transport)
		if b.SpoofedContact.Host != "" {
			host, port = b.SpoofedContact.Host, b.SpoofedContact.Port
		}
	}
	uri := "sip:"
	if user != "" {
		uri += user + "@"
	}
	return uri + sipmsg.JoinHostPort(host, port) + transportParam(transport)
}

// via is the value of our Via for a transport.
func (b *bound) via(transport, branch string) string {
	host, port := "", uint16(0)
	if b != nil {
		host, port = b.addr.String(), b.port(transport)
		if b.SpoofedVia.Host != "" {
			host, port = b.SpoofedVia.Host, b.SpoofedVia.Port
		}
	}
	return "SIP/2.0/" + strings.ToUpper(transport) + " " + sipmsg.JoinHostPort(host, port) + ";branch=" + branch + ";rport"
}

// first is the first interface that carries a transport; nil: none does.
func (c *Conf) first(transport string) *bound {
	return c.pick(transport, func(*bound) bool { return true })
}

// at is the interface with the socket that a message came by, or leaves by. One whose address has changed meanwhile is not found:
// then it is the first.
func (c *Conf) at(transport string, local netip.Addr) *bound {
	if b := c.pick(transport, func(b *bound) bool { return b.addr == local }); b != nil {
		return b
	}
	return c.first(transport)
}

// towards is the interface by which requests reach a peer: the one whose side of the network leads there. What a peer on the LAN is
// told of us must not be our address on the WAN. A peer whose address is not known gets the first.
func (c *Conf) towards(transport string, peer netip.Addr) *bound {
	if b := c.pick(transport, func(b *bound) bool { return c.cfg.Reach(b.addr, peer) == "" }); b != nil {
		return b
	}
	if b := c.pick(transport, func(b *bound) bool { return b.addr.Is4() == peer.Is4() }); b != nil {
		return b
	}
	return c.first(transport)
}

func (c *Conf) pick(transport string, fits func(*bound) bool) *bound {
	for i := range c.binds {
		if b := &c.binds[i]; b.port(transport) != 0 && fits(b) {
			return b
		}
	}
	return nil
}

// towards is the interface by which requests reach a peer of which the name may be all that is known.
func (g *Gate) towards(to target) *bound {
	c := g.conf.Load()
	for _, a := range g.known(to.host) {
		return c.towards(to.transport, a)
	}
	return c.first(to.transport)
}

// contact is our Contact URI for a peer.
func (g *Gate) contact(user string, to target) string {
	return g.towards(to).contact(user, to.transport)
}

// socket is the UDP socket that reaches an address.
func (g *Gate) socket(to netip.Addr) *datagrams {
	b := g.conf.Load().towards("udp", to)
	if b == nil || b.addr.Is4() != to.Is4() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.listeners[listenKey{"udp", netip.AddrPortFrom(b.addr, b.UDPTCP)}]; l != nil {
		return l.udp
	}
	return nil
}

// transportParam is the URI parameter that names a transport; UDP is the default and needs none.
func transportParam(transport string) string {
	if transport == "udp" {
		return ""
	}
	return ";transport=" + transport
}
