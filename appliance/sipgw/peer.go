package sipgw

import (
	"net/netip"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

// A dialog and a transaction belong to the peer that they are with. All peers of a gateway are trusted, but not with each other's
// calls: whoever has seen the tags or the branch of a message, on a shared LAN or in a log, must not be able to end a call, to take
// its audio, to move its CSeq or to answer in another's place.

// origin is what a peer is known by: how it speaks to us and from where.
type origin struct {
	transport string
	addr      netip.Addr
}

func (a arrival) origin() origin { return origin{a.way.transport(), a.source.Addr()} }

func originOf(way flow) origin { return origin{way.transport(), way.remote().Addr()} }

// kin reports whether what comes from x may belong to what came from, or went to, first: it is the same address, or one interface
// trusts both, as Teams speaks from any of its hubs. What began over TLS goes on over TLS, where addresses cannot be forged.
func (g *gateway) kin(first, x origin) bool {
	if first.transport == "tls" && x.transport != "tls" {
		return false
	}
	return first.addr == x.addr || slices.ContainsFunc(g.conf.Load().interfaces, func(i *config.SIPInterface) bool {
		return g.trustedBy(i, first.addr) && g.trustedBy(i, x.addr)
	})
}

// heeds reports whether x may speak in the leg's dialog: it is who answered or began it, or the leg's interface trusts it, or it is a
// proxy of the route set. It is called in read loops.
func (l *Leg) heeds(x origin) bool {
	if l.transport == "tls" && x.transport != "tls" {
		return false
	}
	l.mu.Lock()
	peer, proxies := l.peer, l.proxies
	l.mu.Unlock()
	return x.addr == peer || l.g.trustedFor(l.iface, x.addr) || slices.ContainsFunc(proxies, func(route string) bool {
		return slices.Contains(l.g.known(sipmsg.SplitURI(sipmsg.ParseNameAddr(route).URI).Host), x.addr)
	})
}

// trustedFor reports whether an interface trusts an address, as it was when a call began or as it is configured now.
func (g *gateway) trustedFor(i *config.SIPInterface, from netip.Addr) bool {
	return g.trustedBy(i, from) || slices.ContainsFunc(g.conf.Load().interfaces, func(now *config.SIPInterface) bool {
		return now.ID() == i.ID() && g.trustedBy(now, from)
	})
}

// heard notes who answers an INVITE of ours.
func (l *Leg) heard(res *sipmsg.Response) {
	l.mu.Lock()
	l.peer = res.Source.Addr()
	l.mu.Unlock()
}

// intruder refuses a request for a call or transaction of somebody else. It changes nothing.
func (g *gateway) intruder(req *sipmsg.Request, a arrival) {
	g.refuse(req, a, &sipmsg.Fault{Code: 403, Reason: "Not Your Dialog"})
}
