package sipgw

import (
	"cmp"
	"net/netip"
	"strings"

	"viaduct/appliance/sipmsg"
)

// back is where the responses to a request go (RFC 3261 18.2.2): on the connection of the request, to its source over UDP, and on
// a new connection when the old one is gone.
type back struct {
	g    *Gate
	way  flow
	host string         // of Via; with the next, where a new connection goes
	addr netip.AddrPort // invalid over UDP
}

// backTo is the way back of a request. A Via that cannot be understood names no port: the response goes back to the source.
func (g *Gate) backTo(a arrival, req *sipmsg.Request) back {
	v := req.Via
	if f, datagram := a.way.(datagramFlow); datagram {
		if req.ViaOK && !v.RPort {
			f.to = netip.AddrPortFrom(f.to.Addr(), cmp.Or(v.Port, 5060))
		}
		return back{g: g, way: f}
	}
	return back{g: g, way: a.way, host: strings.Clone(v.Host), // not the whole message
		addr: netip.AddrPortFrom(a.source.Addr(), cmp.Or(v.Port, defaultPort(a.way.transport())))}
}

func (b back) send(m []byte) {
	if !b.addr.IsValid() {
		b.way.send(m, nil, nil)
		return
	}
	b.way.send(m, nil, func(error) {
		if way, err := b.g.way(endpoint{b.way.transport(), b.host, []netip.AddrPort{b.addr}}); err == nil {
			way.send(m, nil, nil)
		}
	})
}
