package media

import (
	"net/netip"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/media/marks"
	"viaduct/appliance/media/reports"
	"viaduct/appliance/media/wire"
	"viaduct/appliance/srtp"
)

// leg is one side of a session. Only its thread touches it.
//
// What every packet needs should share cache lines. The groups and their fields are ordered for that: some groups have those fields first and
// the next ones have them last, so that they meet.
type leg struct {
	session *Session
	side    Side
	local   localPorts // last fields
	other   *leg
	in      incoming // first fields
	stats   counters // last fields
	out     outgoing // all
	formats formats  // first fields
	remote  remote   // last fields
	keys    security // first fields
	reports reports.Log
	counts  marks.Counts // of what was agreed
}

// prefetch reads from each cache line that a packet of l will need. The sum only keeps the compiler from leaving it out.
func (l *leg) prefetch() (sum uint64) {
	o := l.other
	sum = uint64(l.in.last) + l.stats.received + uint64(l.formats.rate) + l.remote.source[rtp].Low + l.keys.streams[0].rtp.Top()
	sum += o.stats.sent + uint64(o.out.stream.ssrc) + o.out.stream.base + o.remote.dest[rtp].Low
	if l.keys.rx != nil {
		sum += l.keys.rx.Prefetch()
	}
	if o.keys.tx != nil {
		sum += o.keys.tx.Prefetch()
	}
	if p := o.local.ports[rtp]; p != nil {
		sum += p.header.Sum
	}
	return sum
}

// localPorts are the ports of a side.
type localPorts struct {
	addr   netip.Addr
	number uint16 // of the RTP port
	tos    byte
	ports  [2]*port
}

// outgoing is the way to a side's peer.
type outgoing struct {
	allowed  bool     // we may send
	suppress bool     // pauses of the other side are described to this one (RFC 3389)
	size     int      // octets of voice in a packet to this side, 0: as many as come
	noise    *noise   // nil: there was never a sound of ours
	packing  *packing // nil: no packet ever had another size
	stream   stream
}

// incoming is the way from a side's peer.
type incoming struct {
	allowed  bool          // we may take packets
	muted    bool          // a digit is played to the other side in place of this one's voice
	started  bool          // the call knows: Started
	silent   bool          // the call knows: TimedOut
	tapped   bool          // somebody listens, see Session.Listen
	last     time.Duration // when a packet was accepted
	lastRTP  time.Duration
	heard    reports.Reception
	since    time.Duration // when Open or Set was called: silence counts from here
	spoken   audio.Activity
	pressing pressing      // a telephone-event of the peer that the other side cannot take
	quiet    time.Duration // limit of silence, 0: off
}

// settings are Params made ready on the caller's goroutine. A nil key with changed set is plain RTP.
type settings struct {
	Params
	remote           [2]wire.Address
	local, peer      *srtp.Keys
	newLocal, newKey bool
}

const rtp, rtcp = 0, 1

// apply makes the agreed settings those of the leg.
func (l *leg) apply(s settings, now time.Duration) {
	l.counts.Sets++
	if s.newLocal || s.newKey {
		l.counts.Keys++
	}
	moved := l.remote.set(s.remote, &s.Params)
	if s.newLocal {
		l.keys.setLocal(s.local)
		l.out.stream.rekey()
	}
	if s.newKey {
		l.keys.setPeer(s.peer, moved, now)
	}
	l.keys.lifetime = 0
	if s.LocalKey != nil {
		l.keys.lifetime = s.LocalKey.Lifetime
	}
	l.formats.set(&s.Params)
	l.out.allowed, l.out.suppress, l.in.allowed = s.Send, s.Suppress, s.Receive
	l.setPtime(s.Ptime)
	l.in.since, l.in.silent = now, false
	if moved || s.newKey {
		l.in.started = false
	}
	if moved {
		l.other.out.stream.restart = true
	}
	l.guard()
}

// learn latches the source of an accepted packet.
func (l *leg) learn(from wire.Address, which int) {
	if l.remote.learn(from, which) {
		l.guard()
	}
}

// guard tells the kernel which senders a side's ports admit. It is called whenever that changes.
func (l *leg) guard() {
	for which, p := range l.local.ports {
		switch {
		case p == nil:
		case p.steered != nil:
			g := l.remote.gate(l.remote.sourceOf(which), l.keys.rx != nil)
			p.steered.Admit(g.admits, g.from.Netip())
			p.flooded, p.hurried = false, false
		default:
			p.unshield()
		}
	}
}

// tooSilent reports whether a side that should send has been silent for its limit.
func (l *leg) tooSilent(now time.Duration) bool {
	return l.in.quiet > 0 && l.in.allowed && l.remote.signal[rtp].Known() && now-max(l.in.last, l.in.since) >= l.in.quiet
}

// endNoise ends a sound of ours: voice takes its place.
func (o *outgoing) endNoise() {
	if o.noise != nil {
		o.noise.active = false
	}
}
