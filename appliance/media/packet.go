package media

import (
	"encoding/binary"

	"viaduct/appliance/audio"
	"viaduct/appliance/media/wire"
	"viaduct/appliance/srtp"
)

// slot is one packet in a thread's memory.
//
// Packets are changed in place: room before them takes the IP and UDP headers of the sending side, room behind them tags.
const (
	slotSize = 27 * 64 // an odd number of cache lines: slots of 2048 octets would all fall into the same sets
	headroom = 64
	tailroom = 192 // tag and index, an MKI of 128 octets, and the CNAME of a report; the rest takes as much as an Ethernet frame holds
	maxInput = slotSize - headroom - tailroom
)

// receive handles one packet that came to a port. p is the packet within its slot, so that its capacity reaches to the slot's end.
func (t *thread) receive(to *port, p []byte, from wire.Address) {
	l := to.leg
	which := rtp
	if to.which == rtcp || l.remote.mux && len(p) >= 2 && isRTCP(p[1]) {
		which = rtcp
	}
	if !l.remote.admits(from, l.remote.sourceOf(which), l.keys.rx != nil) {
		l.stats.Foreign++
		return
	}
	if which == rtcp {
		t.receiveRTCP(l, p, from)
	} else {
		t.receiveRTP(l, p, from)
	}
}

// isRTCP tells RTCP from RTP on one port by the octet of the payload type (RFC 5761 section 4).
func isRTCP(second byte) bool { return second&0x7f >= 64 && second&0x7f <= 95 }

func (t *thread) receiveRTP(l *leg, p []byte, from wire.Address) {
	header, ok := srtp.HeaderLength(p)
	if !ok {
		l.stats.Invalid++
		return
	}
	ssrc, seq := binary.BigEndian.Uint32(p[8:]), binary.BigEndian.Uint16(p[2:])
	n := len(p)
	if l.keys.rx != nil {
		if n, ok = t.authentic(l, p, header, ssrc, seq); !ok {
			return
		}
	}
	l.learn(from, rtp)
	if l.in.tapped {
		t.overhear(l, p[:n], header, from)
	}
	timestamp := binary.BigEndian.Uint32(p[4:])
	l.stats.received++
	l.stats.receivedOctets += uint64(n)
	l.in.heard.Update(ssrc, seq, timestamp, units(t.now, l.formats.rate), l.formats.rate)
	l.in.last, l.in.lastRTP = t.now, t.now
	if !l.in.started || l.in.silent {
		t.notifyOnce(l, &l.in.started, Started)
		l.in.silent = false
	}
	t.forward(l, p, n, header, ssrc, seq, timestamp)
}

// forward passes a packet of l to the other side.
func (t *thread) forward(l *leg, p []byte, n, header int, ssrc uint32, seq uint16, timestamp uint32) {
	o := l.other
	if !l.in.allowed || l.in.muted || !o.out.allowed || !o.remote.dest[rtp].Known() {
		return
	}
	number := p[1] & 0x7f
	pt, from, to := l.formats.translate(number, &o.formats), (*audio.Codec)(nil), o.formats.voice
	if number == l.formats.received.Audio {
		from = l.formats.voice
	}
	if pt == NoPT {
		if f := l.formats.find(number); f != nil {
			pt, from, to = o.formats.target(f)
			o.out.endNoise()
		} else if l.formats.ownEvent(number, p[header:n]) {
			number, pt = l.formats.received.DTMF, o.formats.wanted.DTMF
			p[1] = p[1]&0x80 | number
		}
	}
	if pt == NoPT {
		switch {
		case l.describesNoise(p, n, header):
			t.startNoise(o, p[header])
		case l.formats.received.DTMF != NoPT && number == l.formats.received.DTMF:
			t.pressed(l, p[header:n], timestamp)
		default:
			l.stats.Invalid++
		}
		return
	}
	if l.in.pressing.active && t.now-l.in.pressing.seen > goneQuiet {
		t.released(l)
	}
	voice := from != nil
	if voice {
		if n, pt = t.prepareVoice(l, p, n, header, ssrc, seq, pt, from, to); pt == NoPT {
			return
		}
		voice = pt == o.formats.wanted.Audio
	}
	if l.repacks(voice, n-header) {
		t.repack(l, p, n, header, ssrc, seq, timestamp, pt, voice)
		return
	}
	t.sendInStream(l, p, n, header, ssrc, seq, timestamp, pt)
}

// sendInStream sends a packet to the other side of l as the next one of the stream that goes there.
func (t *thread) sendInStream(l *leg, p []byte, n, header int, ssrc uint32, seq uint16, timestamp uint32, pt uint8) {
	if n, ok := t.stamp(l, p, n, header, ssrc, seq, timestamp, pt); ok {
		t.makeRoom()
		t.send(l.other, rtp, p[:n])
	}
}

// makeRoom sends the queued packets when the queue is full: one packet that comes may leave as several.
func (t *thread) makeRoom() {
	if t.batch.n == len(t.batch.entries) {
		t.batch.flush()
	}
}

// stamp makes a packet the next one of the stream that goes to the other side of l, protects it and returns its length. ok is false when
// the packet came twice or too late.
func (t *thread) stamp(l *leg, p []byte, n, header int, ssrc uint32, seq uint16, timestamp uint32, pt uint8) (length int, ok bool) {
	o := l.other
	s := &o.out.stream
	index, v := s.assign(ssrc, seq, timestamp, t.now, o.formats.rate)
	switch v {
	case srtp.Seen:
		l.stats.Duplicates++
		return 0, false
	case srtp.TooOld:
		l.stats.Late++
		return 0, false
	}
	if index > s.far {
		t.tellMoved(o)
	}
	p[1] = p[1]&0x80 | pt
	if s.marker {
		p[1] |= 0x80
		s.marker = false
	}
	binary.BigEndian.PutUint16(p[2:], uint16(index))
	binary.BigEndian.PutUint32(p[4:], timestamp+s.tsDelta)
	binary.BigEndian.PutUint32(p[8:], s.ssrc)
	o.stats.sentPayload += uint64(n - header)
	if o.keys.tx != nil {
		n = t.crypt.Protect(o.keys.tx, p[:cap(p)], n, header, index)
	}
	o.stats.sent++
	o.stats.sentOctets += uint64(n)
	return n, true
}

// prepareVoice makes a packet of voice ready for the other side of l: it leaves out pauses where that side agreed on comfort noise, and
// converts the voice when to is another codec. Of a pause the first packet becomes a description of the background (RFC 3389). It returns
// the packet's new length and payload type, NoPT when the packet must not be sent.
func (t *thread) prepareVoice(l *leg, p []byte, n, header int, ssrc uint32, seq uint16, pt uint8, from, to *audio.Codec) (int, uint8) {
	o := l.other
	o.out.endNoise()
	suppress, convert := o.out.suppress && o.formats.wanted.CN != NoPT, to != nil && to != from
	if !suppress && !convert && o.out.size == 0 {
		return n, pt
	}
	if p[0]&0x20 != 0 && n > header { // padding is no voice
		n = max(n-int(p[n-1]), header)
		p[0] &^= 0x20
	}
	if n == header {
		return n, pt // a packet without voice keeps a path through a NAT open
	}
	octets := p[header:n]
	if suppress && !o.out.stream.restart && ssrc == o.out.stream.from {
		switch l.in.spoken.Judge(octets, from, seq, t.now) {
		case audio.Onset:
			o.out.stream.marker = true
		case audio.Describe:
			p[header] = l.in.spoken.Level()
			return header + 1, o.formats.wanted.CN
		case audio.Withhold:
			o.out.stream.seqDelta-- // it leaves no gap in the numbers
			return n, NoPT
		case audio.Stale:
			return n, NoPT
		}
	} else {
		l.in.spoken = audio.Activity{} // another source
	}
	if convert {
		n = header + len(audio.Convert(octets, from, to))
	}
	return n, pt
}
