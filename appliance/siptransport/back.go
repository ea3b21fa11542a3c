package siptransport

import (
	"cmp"
	"net/netip"
	"strings"

	"viaduct/appliance/sipmsg"
)

// Back carries the responses to a request (RFC 3261 18.2.2): over UDP to the source of the request, else by its connection, or by a new
// connection if that one is gone.
type Back struct {
	g    *Gate
	flow Flow
	host string         // of Via; with the next, where a new connection goes
	addr netip.AddrPort // invalid over UDP
}

// Back returns the way back of a request. If its Via cannot be read, responses go to the source.
func (g *Gate) Back(a Arrival, req *sipmsg.Request) Back {
	v := req.Via
	if f, datagram := a.Flow.(datagramFlow); datagram {
		if req.ViaOK && !v.RPort {
			f.to = netip.AddrPortFrom(f.to.Addr(), cmp.Or(v.Port, UDP.DefaultPort()))
		}
		return Back{g: g, flow: f}
	}
	return Back{g: g, flow: a.Flow, host: strings.Clone(v.Host), // not the whole message
		addr: netip.AddrPortFrom(a.Source.Addr(), cmp.Or(v.Port, a.Flow.Transport().DefaultPort()))}
}

// Reliable reports whether what is sent so arrives, or the connection breaks.
func (b Back) Reliable() bool { return b.flow.Reliable() }

func (b Back) Send(m []byte) {
	if !b.addr.IsValid() {
		b.flow.Send(m, nil, nil)
		return
	}
	b.flow.Send(m, nil, func(error) {
		if flow, err := b.g.Flow(Endpoint{Transport: b.flow.Transport(), Name: b.host, Addrs: []netip.AddrPort{b.addr}}); err == nil {
			flow.Send(m, nil, nil)
		}
	})
}
