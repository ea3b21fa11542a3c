package media

import (
	"net/netip"

	"viaduct/appliance/media/wire"
	"viaduct/appliance/steer"
)

// remote is where a side's peer is: what signalling said, and what its packets showed. The arrays have an address for RTP and one for RTCP.
type remote struct {
	left   [2]wire.Address // where the peer was learnt before signalling moved it
	stale  int             // packets that have come from there since
	was    [2]wire.Address // what signalling had said of that place
	signal [2]wire.Address // as signalled, for latching and to notice a change
	admit  func(netip.AddrPort) bool
	mux    bool            // RTCP comes to the port of RTP
	latch  Latch           // how to learn an unknown source
	source [2]wire.Address // from where packets may come; unknown while it is to be learnt
	dest   [2]wire.Address // where packets go to; unknown: nowhere
}

// set makes agreed addresses those of the peer. It reports whether the peer has moved.
func (r *remote) set(addr [2]wire.Address, p *Params) (moved bool) {
	for i := range addr {
		if !addr[i].Known() { // held by c=0.0.0.0: send nothing, keep what was learnt
			r.dest[i] = wire.Address{}
			continue
		}
		if addr[i] != r.signal[i] || p.Latch != r.latch {
			switch r.stale = 0; {
			case r.source[i].Known() && r.latch != LatchNone:
				r.left[i], r.was[i] = r.source[i], r.signal[i]
			case addr[i] == r.was[i]: // it comes back, and nothing was heard elsewhere
				r.left[i] = wire.Address{}
			}
			r.signal[i], r.source[i] = addr[i], addr[i]
			if p.Latch != LatchNone {
				r.source[i] = wire.Address{}
			}
			moved = moved || i == rtp
		}
		if r.dest[i] = addr[i]; r.source[i].Known() {
			r.dest[i] = r.source[i]
		}
	}
	r.latch, r.mux, r.admit = p.Latch, p.Mux, p.Admit
	return moved
}

// sourceOf says whose address counts: with mux RTCP comes from where RTP comes.
func (r *remote) sourceOf(which int) int {
	if r.mux {
		return rtp
	}
	return which
}

// admits reports whether a packet from an address may be looked at. secure: the packet must prove itself by SRTP.
func (r *remote) admits(from wire.Address, which int, secure bool) bool {
	return from == r.source[which] && from.Known() || r.gate(which, secure).lets(from) && !r.stays(from, which) && (r.admit == nil || r.admit(from.Netip()))
}

// mostStale is two seconds of voice. A peer that still comes from its old place then has not moved, whatever its description says.
const mostStale = 100

// stays reports whether a packet comes from the place that the peer has left, as the first ones do: our answer, or the BYE of a replaced leg, is
// still on its way. The place is not learnt anew, or the voice from the new one would never be heard.
func (r *remote) stays(from wire.Address, which int) bool {
	if from != r.left[which] || from == r.signal[which] || r.stale >= mostStale {
		return false
	}
	r.stale++
	return true
}

// learn latches the source of an accepted packet. It reports whether that is new.
func (r *remote) learn(from wire.Address, which int) bool {
	if r.source[which].Known() {
		return false
	}
	r.source[which] = from
	if r.dest[which].Known() {
		r.dest[which] = from
	}
	return true
}

// gate says who may send to a port. The thread asks it for each packet; with steering the kernel has asked before.
type gate struct {
	admits steer.Admits
	from   wire.Address
}

func (g gate) lets(from wire.Address) bool {
	switch g.admits {
	case steer.Peer:
		return from == g.from
	case steer.Host:
		return from.SameHost(g.from)
	}
	return g.admits == steer.Anybody
}

// gate of the source of RTP or RTCP. Before it is learnt, an SRTP packet may come from anywhere, since it must prove itself, and an RTP
// packet from the signalled host. RTCP may only come from the host of RTP, once that is learnt: many peers send no RTCP for seconds, and a
// flood of its port meanwhile would cost cryptography.
func (r *remote) gate(which int, secure bool) gate {
	signal := r.signal[which]
	switch {
	case r.source[which].Known():
		return gate{steer.Peer, r.source[which]}
	case r.latch == LatchNone || !signal.Known():
		return gate{}
	case which == rtcp && r.source[rtp].Known():
		return gate{steer.Host, r.source[rtp]}
	case secure || r.latch == LatchAny:
		return gate{steer.Anybody, signal}
	}
	return gate{steer.Host, signal}
}
