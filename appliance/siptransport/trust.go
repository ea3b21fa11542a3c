package siptransport

import (
	"net/netip"
	"slices"

	"viaduct/appliance/config"
)

// Trusts reports whether an interface trusts a source address.
func (g *Gate) Trusts(from netip.Addr) bool {
	for _, i := range g.conf.Load().interfaces {
		if g.TrustedBy(i, from) {
			return true
		}
	}
	return false
}

// TrustedBy reports whether this interface trusts a source address.
func (g *Gate) TrustedBy(i *config.SIPInterface, from netip.Addr) bool {
	for _, t := range i.Trust {
		switch {
		case t.Remote:
			if g.isRemote(i, from) {
				return true
			}
		case t.Teams:
			for _, n := range config.TeamsSignalling {
				if n.Contains(from) {
					return true
				}
			}
		case t.Prefix.IsValid() && t.Prefix.Contains(from):
			return true
		}
	}
	return false
}

// isRemote reports whether from is an address of the interface's peer, as far as its name has been resolved.
func (g *Gate) isRemote(i *config.SIPInterface, from netip.Addr) bool {
	host := i.Remote.Host
	if a, ok := Literal(host); ok {
		return a == from
	}
	return slices.Contains(g.opts.Resolver.Cached(host), from) || g.resolutions.has(host, from)
}

// InterfaceOf returns the SIP interface that a request from an address belongs to: the interface with this peer, else the first interface
// that trusts the address, or that of phones which trusts no wider a network around it, else nil.
func (g *Gate) InterfaceOf(from netip.Addr) *config.SIPInterface {
	c := g.conf.Load()
	if n := g.interfaceOf(c, from); n >= 0 {
		return c.interfaces[n]
	}
	return nil
}

// interfaceOf is the number of InterfaceOf in the configuration; -1: there is none.
func (g *Gate) interfaceOf(c *Conf, from netip.Addr) int {
	for n, i := range c.interfaces {
		if g.isRemote(i, from) && g.TrustedBy(i, from) {
			return n
		}
	}
	n := slices.IndexFunc(c.interfaces, func(i *config.SIPInterface) bool { return !ofPhones(i) && g.TrustedBy(i, from) })
	if c.phones {
		n = g.amongPhones(c, n, from)
	}
	return n
}

// Origin identifies a peer: its transport and its address.
type Origin struct {
	Transport Transport
	Addr      netip.Addr
}

func (a Arrival) Origin() Origin { return Origin{a.Flow.Transport(), a.Source.Addr()} }

func OriginOf(flow Flow) Origin { return Origin{flow.Transport(), flow.Remote().Addr()} }

// Kin reports whether a message from x may belong to an exchange that began with first: both have the same address, or one interface trusts
// both addresses, because Teams sends from any of its hubs. Phones are no kin of each other. An exchange that began over TLS stays on TLS, where addresses cannot be forged.
func (g *Gate) Kin(first, x Origin) bool {
	if first.Transport.Secure() && !x.Transport.Secure() {
		return false
	}
	return first.Addr == x.Addr || !g.isPhone(first.Addr) && !g.isPhone(x.Addr) && slices.ContainsFunc(g.conf.Load().interfaces, func(i *config.SIPInterface) bool {
		return g.TrustedBy(i, first.Addr) && g.TrustedBy(i, x.Addr)
	})
}

// isPhone reports whether an address belongs to an interface of phones.
func (g *Gate) isPhone(a netip.Addr) bool {
	c := g.conf.Load()
	if !c.phones {
		return false
	}
	n := g.interfaceOf(c, a)
	return n >= 0 && ofPhones(c.interfaces[n])
}

// TrustedFor reports whether an interface, not one of phones, trusts an address, in its state at the beginning of a call or in its state now.
func (g *Gate) TrustedFor(i *config.SIPInterface, from netip.Addr) bool {
	if g.isPhone(from) {
		return false
	}
	return g.TrustedBy(i, from) || slices.ContainsFunc(g.conf.Load().interfaces, func(now *config.SIPInterface) bool {
		return now.ID() == i.ID() && g.TrustedBy(now, from)
	})
}

// Near reports whether x may speak for a target.
func (g *Gate) Near(peer Target, x Origin) bool {
	if a, ok := Literal(peer.Host); ok {
		return g.Kin(Origin{Transport: peer.Transport, Addr: a}, x)
	}
	for _, a := range g.Known(peer.Host) {
		if g.Kin(Origin{Transport: peer.Transport, Addr: a}, x) {
			return true
		}
	}
	return false
}
