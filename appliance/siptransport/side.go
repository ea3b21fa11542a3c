package siptransport

import (
	"net/netip"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

// Side is an interface of the gateway with its present address: one side on which the gateway has peers.
type Side struct {
	*config.GatewayInterface
	addr  netip.Addr
	ports [len(kinds)]uint16 // of each transport, whether the address is there or not; 0: none
}

func newSide(i *config.GatewayInterface, addr netip.Addr) Side {
	s := Side{GatewayInterface: i, addr: addr}
	for _, p := range i.Ports() {
		for _, t := range Transports {
			if slices.Contains(p.Transports, t.String()) {
				s.ports[t] = p.Port
			}
		}
	}
	return s
}

// port is the port on which the interface listens for a transport; 0: none.
func (b Side) port(transport Transport) uint16 {
	if !b.addr.IsValid() {
		return 0
	}
	return b.ports[transport]
}

// Address is the local address; the zero Addr for a nil Side.
func (b *Side) Address() netip.Addr {
	if b == nil {
		return netip.Addr{}
	}
	return b.addr
}

// Listens is where the interface listens for a transport; its port is 0 where it does not, the zero AddrPort for a nil Side.
func (b *Side) Listens(transport Transport) netip.AddrPort {
	if b == nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(b.addr, b.port(transport))
}

// Contact is our Contact URI for a transport, for example "sip:user@sbc.example:5062;transport=tls".
func (b *Side) Contact(user string, transport Transport) string {
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
	return uri + sipmsg.JoinHostPort(host, port) + transport.param()
}

// Via is the value of our Via for a transport.
func (b *Side) Via(transport Transport, branch string) string {
	host, port := "", uint16(0)
	if b != nil {
		host, port = b.addr.String(), b.port(transport)
		if b.SpoofedVia.Host != "" {
			host, port = b.SpoofedVia.Host, b.SpoofedVia.Port
		}
	}
	return "SIP/2.0/" + kinds[transport].via + " " + sipmsg.JoinHostPort(host, port) + ";branch=" + branch + ";rport"
}

// First is the first interface that carries a transport; nil: none does.
func (c *Conf) First(transport Transport) *Side {
	return c.pick(transport, func(*Side) bool { return true })
}

// At is the interface with the local address of a message's socket. If that address has changed meanwhile, it is the first interface.
func (c *Conf) At(transport Transport, local netip.Addr) *Side {
	if b := c.pick(transport, func(b *Side) bool { return b.addr == local }); b != nil {
		return b
	}
	return c.First(transport)
}

// Towards is the interface by which requests reach a peer: the interface on the peer's side of the network, because a peer on the LAN must
// not learn our address on the WAN. A peer without a known address gets the first interface.
func (c *Conf) Towards(transport Transport, peer netip.Addr) *Side {
	if b := c.pick(transport, func(b *Side) bool { return c.Config.Reach(b.addr, peer) == "" }); b != nil {
		return b
	}
	if b := c.pick(transport, func(b *Side) bool { return b.addr.Is4() == peer.Is4() }); b != nil {
		return b
	}
	return c.First(transport)
}

// Serves reports whether peers may still reach the gateway where it has told them that it listens. It may be so as well while an interface
// has no address: the one that it had may come back.
func (c *Conf) Serves(transport Transport, at netip.AddrPort) bool {
	return slices.ContainsFunc(c.binds, func(b Side) bool {
		return !b.addr.IsValid() || b.Listens(transport) == at
	})
}

func (c *Conf) pick(transport Transport, fits func(*Side) bool) *Side {
	for i := range c.binds {
		if b := &c.binds[i]; b.port(transport) != 0 && fits(b) {
			return b
		}
	}
	return nil
}

// Towards is the interface by which requests reach a target. Its name may not have been resolved yet.
func (g *Gate) Towards(to Target) *Side {
	c := g.conf.Load()
	if p := to.Phone; p != nil && p.Local.IsValid() {
		return c.At(p.Transport, p.Local.Addr())
	}
	for _, a := range g.Known(to.Host) {
		return c.Towards(to.Transport, a)
	}
	return c.First(to.Transport)
}

// Contact is our Contact URI for a peer.
func (g *Gate) Contact(user string, to Target) string {
	return g.Towards(to).Contact(user, to.Transport)
}

// socket is the UDP socket that reaches an address.
func (g *Gate) socket(to netip.Addr) *datagrams {
	b := g.conf.Load().Towards(UDP, to)
	if b == nil || b.addr.Is4() != to.Is4() {
		return nil
	}
	return g.sockets.datagrams(netip.AddrPortFrom(b.addr, b.port(UDP)))
}
