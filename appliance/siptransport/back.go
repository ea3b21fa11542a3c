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

// Elsewhere is how a message arrived at the box whose place this one has taken, from the same source and at the same address. Its connection is
// no more, so a response goes as to any whose connection has ended (RFC 3261 18.2.2); a phone is reached by what it has opened since.
func (g *Gate) Elsewhere(t Transport, source, local netip.AddrPort) Arrival {
	a := Arrival{Source: source, Local: local, Trusted: true}
	if t.Reliable() {
		a.Flow = lostFlow{g, t, source, local}
	} else {
		a.Flow = datagramFlow{&datagrams{g: g, local: local}, source}
	}
	return a
}

// lostFlow is a connection that another box had.
type lostFlow struct {
	g               *Gate
	kind            Transport
	source, hereWas netip.AddrPort
}

func (f lostFlow) Send(m []byte, wanted func() bool, failed func(error)) {
	if f.g.isPhone(f.source.Addr()) {
		p := f.g.Present(PhoneTarget{Addr: f.source, Transport: f.kind})
		if s := f.g.connections.named(p.Flow); s != nil {
			s.Send(m, wanted, failed)
			return
		}
	}
	if failed != nil {
		failed(&Error{Op: "send", Peer: f.source.String(), Err: errConnClosed})
	}
}

// Lost reports whether a message came by a connection that another box had.
func (a Arrival) Lost() bool {
	_, lost := a.Flow.(lostFlow)
	return lost
}

func (f lostFlow) Hold(func(error)) func() { return func() {} }
func (f lostFlow) Reliable() bool          { return true }
func (f lostFlow) Transport() Transport    { return f.kind }
func (f lostFlow) Remote() netip.AddrPort  { return f.source }
func (f lostFlow) Local() netip.Addr       { return f.hereWas.Addr() }

func (b Back) Send(m []byte) {
	if !b.addr.IsValid() {
		b.flow.Send(m, nil, nil)
		return
	}
	b.flow.Send(m, nil, func(error) {
		if flow, err := b.g.Flow(Endpoint{Transport: b.flow.Transport(), Name: b.host, Returns: true, Addrs: []netip.AddrPort{b.addr}}); err == nil {
			flow.Send(m, nil, nil)
		}
	})
}
