package media

// gate says who may send to a port. The thread asks it for each packet; with steering the kernel has asked before.
type gate struct {
	admits uint32
	from   address
}

// What a gate admits.
const (
	admitsNobody  = iota
	admitsPeer    // from.port of the host from
	admitsHost    // any port of the host
	admitsAnybody // and the host is preferred
)

func (g gate) lets(from address) bool {
	switch g.admits {
	case admitsPeer:
		return from == g.from
	case admitsHost:
		return from.sameHost(g.from)
	}
	return g.admits == admitsAnybody
}

// gate of the source of RTP or RTCP. Before it is learnt, an SRTP packet may come from anywhere, since it must prove itself, and an
// RTP packet from the signalled host; RTCP only from the host that RTP comes from, once that is learnt: many peers send none for
// seconds, and whoever floods its port meanwhile would cost cryptography.
func (l *leg) gate(which int) gate {
	signal := l.signal[which]
	switch {
	case l.source[which].known():
		return gate{admitsPeer, l.source[which]}
	case !l.latch || !signal.known():
		return gate{}
	case which == rtcp && l.source[rtp].known():
		return gate{admitsHost, l.source[rtp]}
	case l.rx != nil || l.anyHost:
		return gate{admitsAnybody, signal}
	}
	return gate{admitsHost, signal}
}

// guard tells the kernel whom a side's ports admit, whenever that changes.
func (l *leg) guard() {
	for which, p := range l.ports {
		switch {
		case p == nil:
		case p.entry != nil:
			p.entry.admit(l.gate(l.sourceOf(which)))
			p.flooded, p.hurried = false, false
		default:
			p.unshield()
		}
	}
}
