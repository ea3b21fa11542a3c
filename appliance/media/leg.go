package media

import (
	"net/netip"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/srtp"
)

// leg is one side of a session. Only its thread touches it.
type leg struct {
	session *Session
	other   *leg
	side    Side

	// From here to stats: what a packet needs.
	source   [2]address   // who may send RTP and RTCP; unknown while to be learnt
	dest     [2]address   // where RTP and RTCP go; unknown: nowhere
	signal   [2]address   // what was signalled, for latching and to see a change
	rx, tx   *srtp.Keys   // nil: plain
	previous *previousKey // key before rx, until the first packet under rx; nil: none
	receive  bool
	muted    bool // a digit is played to the other side in place of this one's voice
	dials    bool // pressing is under way
	send     bool
	mux      bool
	latch    bool                      // learn what is unknown in source
	anyHost  bool                      // from any address
	admit    func(netip.AddrPort) bool // asked about a source that is to be learnt; nil: all may
	started  bool                      // Started was reported
	silent   bool                      // TimedOut was reported
	warned   bool                      // KeyUsed was reported
	in, out  PayloadTypes
	rate     int64
	voice    *audio.Codec // in both directions; nil: packets pass as they are
	codec    string
	spare    []Format // what else comes, see spare.go
	claimed  uint32

	suppress bool           // pauses of the other side are described to this one (RFC 3389)
	spoken   audio.Activity // of this side
	noise    *noise         // that is played to this side; nil: never was
	octets   int            // of voice that a packet to this side holds, 0: as many as come
	packing  *packing       // makes such packets; nil: never had to

	stream  outgoing
	heard   reception
	streams [4]inbound    // SRTP state of the peer's SSRCs under rx
	turn    uint32        // counts uses of streams
	last    time.Duration // a packet was taken
	reports reporting
	since   time.Duration // of Open or Set: silence counts from here

	stats counters

	pressing pressing // what this side dials, when the other cannot take it as an event

	ports    [2]*port
	local    netip.Addr
	number   uint16 // RTP port, network order is the writer's business
	tos      byte
	lifetime uint64
	quiet    time.Duration // limit of silence, 0 off
}

// inbound is what SRTP keeps of a peer's SSRC. An entry is made for authentic packets only.
type inbound struct {
	ssrc      uint32
	used      uint32 // turn of the last use, 0: free
	rtp, rtcp srtp.Window
}

// counters are the figures that are not kept elsewhere.
type counters struct {
	received, sent, receivedOctets, sentOctets  uint64
	duplicates, late                            uint64
	foreign, authFailed, replayed, invalid      uint64
	rtcpReceived, rtcpSent, sentPayload, unsent uint64
}

// settings are Params made ready on the caller's goroutine. A nil key with changed set is plain RTP.
type settings struct {
	Params
	remote           [2]address
	local, peer      *srtp.Keys
	newLocal, newKey bool
}

const rtp, rtcp = 0, 1

// apply takes over what was agreed.
func (l *leg) apply(s settings, now time.Duration) {
	changed := false
	for i := range s.remote {
		if !s.remote[i].known() { // held by c=0.0.0.0: send nothing, keep what was learnt
			l.dest[i] = address{}
			continue
		}
		if s.remote[i] != l.signal[i] || s.Latch != l.latch {
			l.signal[i], l.source[i] = s.remote[i], s.remote[i]
			if s.Latch {
				l.source[i] = address{}
			}
			changed = changed || i == rtp
		}
		l.dest[i] = s.remote[i]
		if l.source[i].known() {
			l.dest[i] = l.source[i]
		}
	}
	l.latch, l.anyHost, l.mux, l.admit = s.Latch, s.LatchAny, s.Mux, s.Admit
	if s.newLocal {
		l.tx, l.warned = s.local, false
		l.stream.rekey()
	}
	if s.newKey {
		if l.previous = nil; l.rx != nil && s.peer != nil && !changed { // from another place comes another peer
			l.previous = &previousKey{l.rx, l.streams, now + previousKeyLife}
		}
		l.rx, l.streams, l.turn = s.peer, [4]inbound{}, 0
	}
	l.lifetime = 0
	if s.LocalKey != nil {
		l.lifetime = s.LocalKey.Lifetime
	}
	l.send, l.receive = s.Send, s.Receive
	l.out, l.in = PayloadTypes{s.AudioPT, s.DTMFPT, s.CNPT}, PayloadTypes{s.AudioPT, s.DTMFPT, s.CNPT}
	if s.Received != nil {
		l.in = *s.Received
	}
	l.rate = int64(s.Rate)
	if l.rate == 0 {
		l.rate = 8000
	}
	l.voice, l.suppress = s.Voice, s.Suppress
	l.codec, l.spare, l.claimed = s.Codec, s.Spare, s.Claimed
	l.setPtime(s.Ptime)
	l.since = now
	l.silent = false
	if changed || s.newKey {
		l.started = false
	}
	if changed {
		l.other.stream.restart = true
	}
	l.guard()
}

// translate turns a payload type that this side sends into the number that the other side wants, NoPT when it was not agreed.
func (l *leg) translate(pt uint8) uint8 {
	switch pt {
	case l.in.Audio:
		return l.other.out.Audio
	case l.in.DTMF:
		return l.other.out.DTMF
	case l.in.CN:
		return l.other.out.CN
	}
	return NoPT
}

// inbound finds the SRTP state of an SSRC. An unknown one gets an empty state that is not yet in the table.
func (l *leg) inbound(ssrc uint32, empty *inbound) *inbound {
	for i := range l.streams {
		if s := &l.streams[i]; s.used != 0 && s.ssrc == ssrc {
			return s
		}
	}
	*empty = inbound{ssrc: ssrc}
	return empty
}

// keep puts the state of an authentic packet into the table, in place of the one that was longest unused.
func (l *leg) keep(s *inbound) {
	l.turn++
	s.used = l.turn
	oldest := &l.streams[0]
	for i := range l.streams {
		e := &l.streams[i]
		if e == s {
			return
		}
		if e.used < oldest.used {
			oldest = e
		}
	}
	*oldest = *s
}

// admits reports whether a packet from an address may be looked at.
func (l *leg) admits(from address, which int) bool {
	return from == l.source[which] && from.known() || l.gate(which).lets(from) && (l.admit == nil || l.admit(from.netip()))
}

// learn latches the source of a packet that was taken.
func (l *leg) learn(from address, which int) {
	if l.source[which].known() {
		return
	}
	l.source[which] = from
	if l.dest[which].known() {
		l.dest[which] = from
	}
	l.guard()
}

func (l *leg) figures(base time.Time) Stats {
	c := &l.stats
	s := Stats{
		Received: c.received, Sent: c.sent, ReceivedOctets: c.receivedOctets, SentOctets: c.sentOctets,
		Lost: l.heard.lost(), Duplicates: c.duplicates, Late: c.late,
		Foreign: c.foreign, AuthFailed: c.authFailed, Unsent: c.unsent, Replayed: c.replayed, Invalid: c.invalid,
		RTCPReceived: c.rtcpReceived, RTCPSent: c.rtcpSent,
		RoundTrip: l.reports.roundTrip, Source: l.source[rtp].netip(), SSRC: l.heard.ssrc,
	}
	for _, p := range l.ports {
		if p != nil {
			strangers, others := p.dropped()
			s.Foreign, s.KernelDrops = s.Foreign+strangers, s.KernelDrops+others
		}
	}
	if l.rate > 0 {
		s.Jitter = time.Duration(l.heard.jitter) * time.Second / time.Duration(16*l.rate)
	}
	s.Quality = l.quality(s.Jitter)
	s.PeerLost, s.PeerJitter = l.reports.peerLost, time.Duration(l.reports.peerJitter)*time.Second/time.Duration(max(l.rate, 1))
	if l.last != 0 {
		s.Last = base.Add(l.last)
	}
	return s
}

// quality rates the peer's stream.
func (l *leg) quality(jitter time.Duration) audio.Quality {
	loss := audio.LossG729
	switch {
	case !l.heard.started:
		return audio.Quality{}
	case l.voice != nil:
		loss = l.voice.Loss
	case l.in.Audio != 18: // the static number of G.729, which no peer gives to another codec
		return audio.Quality{BurstRatio: l.heard.burstRatio()}
	}
	return loss.Rate(l.heard.loss(), l.heard.burstRatio(), l.reports.roundTrip, jitter)
}
