package media

import "viaduct/appliance/steer"

// gate says who may send to a port. The thread asks it for each packet; with steering the kernel has asked before.
type gate struct {
	admits steer.Admits
	from   address
}

func (g gate) lets(from address) bool {
	switch g.admits {
	case steer.Peer:
		return from == g.from
	case steer.Host:
		return from.sameHost(g.from)
	}
	return g.admits == steer.Anybody
}

// gate of the source of RTP or RTCP. Before it is learnt, an SRTP packet may come from anywhere, since it must prove itself, and an
// RTP packet from the signalled host; RTCP only from the host that RTP comes from, once that is learnt: many peers send none for
// seconds, and whoever floods its port meanwhile would cost cryptography.
func (l *leg) gate(which int) gate {
	signal := l.signal[which]
	switch {
	case l.source[which].known():
		return gate{steer.Peer, l.source[which]}
	case !l.latch || !signal.known():
		return gate{}
	case which == rtcp && l.source[rtp].known():
		return gate{steer.Host, l.source[rtp]}
	case l.rx != nil || l.anyHost:
		return gate{steer.Anybody, signal}
	}
	return gate{steer.Host, signal}
}

// guard tells the kernel whom a side's ports admit, whenever that changes.
func (l *leg) guard() {
	for which, p := range l.ports {
		switch {
		case p == nil:
		case p.steered != nil:
			g := l.gate(l.sourceOf(which))
			p.steered.Admit(g.admits, g.from.netip())
			p.flooded, p.hurried = false, false
		default:
			p.unshield()
		}
	}
}
