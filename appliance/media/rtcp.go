package media

import (
	"encoding/binary"
	"time"

	"viaduct/appliance/media/wire"
	"viaduct/appliance/srtp"
)

// RTCP packet types (RFC 3550 section 12.1).
const (
	senderReport   = 200
	receiverReport = 201
	description    = 202
)

// receiveRTCP checks and decrypts a compound packet and passes its report on.
func (t *thread) receiveRTCP(l *leg, p []byte, from wire.Address) {
	if len(p) < 8 || p[0]>>6 != 2 {
		l.stats.Invalid++
		return
	}
	n := len(p)
	if l.keys.rx != nil {
		state := l.keys.inbound(binary.BigEndian.Uint32(p[4:]), &t.empty)
		var index uint32
		var ok bool
		if n, index, ok = l.keys.rx.UnprotectRTCP(p); !ok {
			l.stats.AuthFailed++
			return
		}
		if state.rtcp.Check(uint64(index)) != srtp.Fresh {
			l.stats.Replayed++
			return
		}
		state.rtcp.Mark(uint64(index))
		l.keys.keep(state)
	}
	l.learn(from, l.remote.sourceOf(rtcp))
	l.stats.rtcpReceived++
	l.in.last = t.now
	l.in.silent = false
	end := 4 + 4*int(binary.BigEndian.Uint16(p[2:]))
	blocks := 8
	if p[1] == senderReport {
		blocks = 28
	}
	if p[1] != senderReport && p[1] != receiverReport || end > n || end < blocks+24*int(p[0]&31) {
		l.stats.Invalid++
		return
	}
	l.noteReport(p, p[blocks:blocks+24*int(p[0]&31)], t.now)
	t.forwardRTCP(l, p, blocks, end)
}

// forwardRTCP passes a sender or receiver report to the other side, in the terms of the streams there and with our own CNAME. The other packets
// of a compound are dropped: a BYE would end our stream, which goes on, and a CNAME and extended reports name things of the peer's network.
//
// p holds a checked report of end octets, its reception reports from blocks on.
func (t *thread) forwardRTCP(l *leg, p []byte, blocks, end int) {
	o, b := l.other, binary.BigEndian
	if !o.out.allowed || !l.in.allowed || !o.remote.dest[o.remote.sourceOf(rtcp)].Known() {
		return
	}
	b.PutUint32(p[4:], o.out.stream.ssrc)
	if p[1] == senderReport {
		b.PutUint32(p[16:], b.Uint32(p[16:])+o.out.stream.tsDelta)
		b.PutUint32(p[20:], uint32(o.stats.sent))
		b.PutUint32(p[24:], uint32(o.stats.sentPayload))
		o.reports.own, o.reports.ownAt = b.Uint32(p[10:]), t.now // the answer to it measures the way from us to o's peer
	}
	for i := range int(p[0] & 31) {
		block := p[blocks+24*i:]
		if b.Uint32(block) == l.out.stream.ssrc { // what l hears of us is what the other side's peer sent
			b.PutUint32(block, o.in.heard.ssrc)
			if k := l.out.packing; k != nil && k.active {
				b.PutUint32(block[8:], o.in.heard.max) // our packets are others than those of the other side
			} else {
				b.PutUint16(block[10:], b.Uint16(block[10:])-l.out.stream.seqDelta)
			}
		}
	}
	end += o.putCNAME(p[end:cap(p)])
	t.sendRTCP(o, p, end)
}

// sendRTCP protects and sends a compound packet p[:n] to a side.
func (t *thread) sendRTCP(o *leg, p []byte, n int) {
	if o.keys.tx != nil {
		if o.out.stream.rtcpIndex >= 1<<31-1 {
			return // RFC 3711 section 9.2: no more under this key
		}
		o.out.stream.rtcpIndex++
		if n = o.keys.tx.ProtectRTCP(p[:cap(p)], n, o.out.stream.rtcpIndex); n == 0 {
			return
		}
	}
	o.stats.rtcpSent++
	o.reports.sent = t.now
	t.makeRoom()
	which := rtcp
	if o.remote.mux {
		which = rtp
	}
	t.send(o, which, p[:n])
}

// putCNAME appends an SDES packet with a CNAME made of our random SSRC, which gives nothing away (RFC 7022), and returns its
// length.
func (l *leg) putCNAME(b []byte) int {
	const hex = "0123456789abcdef"
	const length = 8
	clear(b[:20])
	b[0], b[1], b[3] = 0x81, description, 20/4-1
	binary.BigEndian.PutUint32(b[4:], l.out.stream.ssrc)
	b[8], b[9] = 1, length // CNAME
	for i := range length {
		b[10+i] = hex[l.out.stream.ssrc>>(28-4*i)&15]
	}
	return 20
}

// reportEvery is when a side gets a report of ours unless one of the other side was passed on. With a PBX that sends no RTCP, Teams would believe
// that the call's RTCP has died.
const reportEvery = 5 * time.Second

// reporting is the state between reports about a peer's stream (RFC 3550 section 6.4.1, A.3).
type reporting struct {
	sent               time.Duration // when the last report went out
	expected, received uint32        // of the peer's packets, up to the last report
	last               uint32        // middle of the NTP time in the peer's last sender report
	lastAt             time.Duration
	own                uint32 // the same of ours
	ownAt              time.Duration
	roundTrip          time.Duration
	peerLost           int64  // of our packets, by the peer's last report
	peerJitter         uint32 // in timestamp units
}

// reportIfDue sends a side a report of our own.
func (t *thread) reportIfDue(l *leg) {
	if !l.out.allowed || !l.remote.dest[l.remote.sourceOf(rtcp)].Known() || t.now-l.reports.sent < reportEvery || l.stats.sent == 0 && !l.in.heard.started {
		return
	}
	p := t.slotOfOurs()
	n := l.putReport(p, t.base.Add(t.now), t.now)
	n += l.putCNAME(p[n:])
	t.sendRTCP(l, p, n)
}

// ntpEpoch is 1 January 1900 in Unix seconds.
const ntpEpoch = -2208988800

// putReport writes a sender report, or a receiver report when nothing has been sent, and returns its length.
func (l *leg) putReport(p []byte, wall time.Time, now time.Duration) int {
	b, n := binary.BigEndian, 8
	p[0], p[1] = 0x80, receiverReport
	b.PutUint32(p[4:], l.out.stream.ssrc)
	if l.stats.sent > 0 {
		seconds, fraction := uint32(wall.Unix()-ntpEpoch), uint32(uint64(wall.Nanosecond())<<32/uint64(time.Second))
		p[1] = senderReport
		b.PutUint32(p[8:], seconds)
		b.PutUint32(p[12:], fraction)
		b.PutUint32(p[16:], l.out.stream.lastTS+uint32(units(now-l.out.stream.lastAt, l.formats.rate)))
		b.PutUint32(p[20:], uint32(l.stats.sent))
		b.PutUint32(p[24:], uint32(l.stats.sentPayload))
		l.reports.own, l.reports.ownAt = seconds<<16|fraction>>16, now
		n = 28
	}
	if l.in.heard.started {
		p[0] |= 1
		l.putReportBlock(p[n:n+24], now)
		n += 24
	}
	b.PutUint16(p[2:], uint16(n/4-1))
	return n
}

// putReportBlock writes a reception report about the peer's stream.
func (l *leg) putReportBlock(p []byte, now time.Duration) {
	b, h, r := binary.BigEndian, &l.in.heard, &l.reports
	expected := h.max - h.base + 1
	sinceExpected, sinceReceived := int64(int32(expected-r.expected)), int64(int32(h.received-r.received))
	r.expected, r.received = expected, h.received
	fraction := byte(0)
	if lost := sinceExpected - sinceReceived; sinceExpected > 0 && lost > 0 {
		fraction = byte(min(lost*256/sinceExpected, 255))
	}
	lost := uint32(max(min(h.lost()-h.before, 1<<23-1), -1<<23)) & 0xffffff
	b.PutUint32(p, h.ssrc)
	b.PutUint32(p[4:], uint32(fraction)<<24|lost)
	b.PutUint32(p[8:], h.max)
	b.PutUint32(p[12:], uint32(h.jitter>>4))
	b.PutUint32(p[16:], 0)
	b.PutUint32(p[20:], 0)
	if r.last != 0 {
		b.PutUint32(p[16:], r.last)
		b.PutUint32(p[20:], uint32((now-r.lastAt)*65536/time.Second))
	}
}

// noteReport remembers what a peer's report says about its own clock and ours. p is a checked sender or receiver report, blocks
// its reception reports.
func (l *leg) noteReport(p, blocks []byte, now time.Duration) {
	b, r := binary.BigEndian, &l.reports
	if p[1] == senderReport {
		r.last, r.lastAt = b.Uint32(p[10:]), now
	}
	for ; len(blocks) >= 24; blocks = blocks[24:] {
		if b.Uint32(blocks) != l.out.stream.ssrc {
			continue
		}
		r.peerLost, r.peerJitter = int64(int32(b.Uint32(blocks[4:])<<8)>>8), b.Uint32(blocks[12:])
		if last := b.Uint32(blocks[16:]); last != 0 && last == r.own {
			if trip := now - r.ownAt - time.Duration(b.Uint32(blocks[20:]))*time.Second/65536; trip >= 0 {
				r.roundTrip = trip
			}
		}
	}
}
