package sipgw

import (
	"slices"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

// A dialog and a transaction belong to the peer that they are with. All peers of a gateway are trusted, but not with each other's
// calls: whoever has seen the tags or the branch of a message, on a shared LAN or in a log, must not be able to end a call, to take
// its audio, to move its CSeq or to answer in another's place.

// heeds reports whether x may speak in the leg's dialog: it is who answered or began it, or the leg's interface trusts it, or it is a
// proxy of the route set. It is called in read loops.
func (l *Leg) heeds(x siptransport.Origin) bool {
	if l.transport.Secure() && !x.Transport.Secure() {
		return false
	}
	peer, proxies := l.outline.speakers()
	return x.Addr == peer || l.g.TrustedFor(l.iface, x.Addr) || slices.ContainsFunc(proxies, func(route string) bool {
		return slices.Contains(l.g.Known(sipmsg.SplitURI(sipmsg.ParseNameAddr(route).URI).Host), x.Addr)
	})
}

// intruder refuses a request for a call or transaction of somebody else. It changes nothing.
func (g *gateway) intruder(req *sipmsg.Request, a siptransport.Arrival) {
	g.refuse(req, a, &sipmsg.Fault{Code: 403, Reason: "Not Your Dialog"})
}
