package media

import (
	"encoding/binary"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/srtp"
)

// slot is one packet in a thread's memory.
//
// Packets are changed in place: room before them takes the IP and UDP headers of the sending side, room behind them tags.
const (
	slotSize = 27 * 64 // an odd number of cache lines: slots of 2048 octets would all fall into the same sets
	headroom = 64
	tailroom = 192 // tag and index, an MKI of 128 octets, and the CNAME of a report; what is left takes all that an Ethernet frame holds
	maxInput = slotSize - headroom - tailroom
)

// receive handles one packet that came to a port. p is the packet within its slot, so that its capacity reaches to the slot's end.
func (t *thread) receive(to *port, p []byte, from address) {
	l := to.leg
	which := rtp
	if to.which == rtcp || l.mux && len(p) >= 2 && isRTCP(p[1]) {
		which = rtcp
	}
	if !l.admits(from, l.sourceOf(which)) {
		l.stats.foreign++
		return
	}
	if which == rtcp {
		t.receiveRTCP(l, p, from)
	} else {
		t.receiveRTP(l, p, from)
	}
}

// sourceOf says whose address counts: with mux RTCP comes from where RTP comes.
func (l *leg) sourceOf(which int) int {
	if l.mux {
		return rtp
	}
	return which
}

// isRTCP tells RTCP from RTP on one port by the octet of the payload type (RFC 5761 section 4).
func isRTCP(second byte) bool { return second&0x7f >= 64 && second&0x7f <= 95 }

func (t *thread) receiveRTP(l *leg, p []byte, from address) {
	header, ok := srtp.HeaderLength(p)
	if !ok {
		l.stats.invalid++
		return
	}
	ssrc, seq := binary.BigEndian.Uint32(p[8:]), binary.BigEndian.Uint16(p[2:])
	n := len(p)
	if l.rx != nil {
		if n, ok = t.authentic(l, p, header, ssrc, seq); !ok {
			return
		}
	}
	l.learn(from, rtp)
	timestamp := binary.BigEndian.Uint32(p[4:])
	l.stats.received++
	l.stats.receivedOctets += uint64(n)
	l.heard.update(ssrc, seq, timestamp, t.now, l.rate)
	l.last = t.now
	if !l.started || l.silent {
		t.notifyOnce(l, &l.started, Started)
		l.silent = false
	}
	t.forward(l, p, n, header, ssrc, seq, timestamp)
}

// authentic checks and decrypts an SRTP packet.
func (t *thread) authentic(l *leg, p []byte, header int, ssrc uint32, seq uint16) (n int, ok bool) {
	state := l.inbound(ssrc, &t.empty)
	index, ok := state.rtp.Estimate(seq)
	if !ok || state.rtp.Check(index) != srtp.Fresh {
		l.stats.replayed++
		return 0, false
	}
	// The first packet that we hear may come after a roll-over: the peer began near 65535 and its first packets were lost.
	rolled := !state.rtp.Started() && seq < 1<<14
	var kept []byte
	if rolled || l.previous != nil {
		kept = t.crypt.Keep(l.rx, p)
	}
	n, ok = t.crypt.Unprotect(l.rx, p, header, index)
	if !ok && rolled {
		copy(p, kept)
		index |= 1 << 16
		n, ok = t.crypt.Unprotect(l.rx, p, header, index)
	}
	if !ok && l.previous != nil && t.now < l.previous.until {
		copy(p, kept)
		if n, ok = l.previous.unprotect(t.crypt, p, header, ssrc, seq); ok {
			return n, true
		}
	}
	if !ok {
		l.stats.authFailed++
		return 0, false
	}
	l.previous = nil
	state.rtp.Mark(index)
	l.keep(state)
	return n, true
}

// previousKey is the key that a peer used before the present one, with its streams. A peer that offers a new key goes on with the old one
// until our answer has come, a round trip or more, and that voice must not be lost. The first packet under the new key ends it. So does time:
// somebody else may have learnt the old key, and a silent peer would leave it valid.
type previousKey struct {
	keys    *srtp.Keys
	streams [4]inbound
	until   time.Duration // of thread.now
}

// previousKeyLife is how long an answer is repeated until its ACK comes (timer H of RFC 3261).
const previousKeyLife = 32 * time.Second

// unprotect checks and decrypts a packet of a stream that was under way before the key changed.
func (k *previousKey) unprotect(c *srtp.Crypter, p []byte, header int, ssrc uint32, seq uint16) (n int, ok bool) {
	for i := range k.streams {
		state := &k.streams[i]
		if state.used == 0 || state.ssrc != ssrc {
			continue
		}
		index, ok := state.rtp.Estimate(seq)
		if !ok || state.rtp.Check(index) != srtp.Fresh {
			return 0, false
		}
		if n, ok = c.Unprotect(k.keys, p, header, index); ok {
			state.rtp.Mark(index)
		}
		return n, ok
	}
	return 0, false
}

// forward passes a packet of l to the other side.
func (t *thread) forward(l *leg, p []byte, n, header int, ssrc uint32, seq uint16, timestamp uint32) {
	o := l.other
	if !l.receive || l.muted || !o.send || !o.dest[rtp].known() {
		return
	}
	number := p[1] & 0x7f
	pt, from, to := l.translate(number), (*audio.Codec)(nil), o.voice
	if number == l.in.Audio {
		from = l.voice
	}
	if pt == NoPT {
		if f := l.format(number); f != nil {
			pt, from, to = o.takes(f)
		} else if l.ownEvent(number, p[header:n]) {
			number, pt = l.in.DTMF, o.out.DTMF
			p[1] = p[1]&0x80 | number
		}
	}
	if pt == NoPT {
		switch {
		case l.describesNoise(p, n, header):
			t.startNoise(o, p[header])
		case l.in.DTMF != NoPT && number == l.in.DTMF:
			t.pressed(l, p[header:n], timestamp)
		default:
			l.stats.invalid++
		}
		return
	}
	if l.dials && t.now-l.pressing.seen > goneQuiet {
		t.released(l)
	}
	voice := from != nil
	if voice {
		if n, pt = t.prepareVoice(l, p, n, header, ssrc, seq, pt, from, to); pt == NoPT {
			return
		}
		voice = pt == o.out.Audio
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

// makeRoom sends what is queued when the queue is full: one packet that comes may leave as several.
func (t *thread) makeRoom() {
	if t.batch.n == len(t.batch.entries) {
		t.batch.flush()
	}
}

// stamp makes a packet the next one of the stream that goes to the other side of l, protects it and returns its length. ok is false when
// the packet came twice or too late.
func (t *thread) stamp(l *leg, p []byte, n, header int, ssrc uint32, seq uint16, timestamp uint32, pt uint8) (length int, ok bool) {
	o := l.other
	s := &o.stream
	index, v := s.assign(ssrc, seq, timestamp, t.now, o.rate)
	switch v {
	case srtp.Seen:
		l.stats.duplicates++
		return 0, false
	case srtp.TooOld:
		l.stats.late++
		return 0, false
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
	if o.tx != nil {
		n = t.crypt.Protect(o.tx, p[:cap(p)], n, header, index)
	}
	o.stats.sent++
	o.stats.sentOctets += uint64(n)
	return n, true
}
