package media

import (
	"encoding/binary"

	"viaduct/appliance/srtp"
)

// RTCP packet types (RFC 3550 section 12.1).
const (
	senderReport   = 200
	receiverReport = 201
	description    = 202
)

// receiveRTCP checks and decrypts a compound packet and passes its report on.
func (t *thread) receiveRTCP(l *leg, p []byte, from address) {
	if len(p) < 8 || p[0]>>6 != 2 {
		l.stats.invalid++
		return
	}
	n := len(p)
	if l.keys.rx != nil {
		state := l.keys.inbound(binary.BigEndian.Uint32(p[4:]), &t.empty)
		var index uint32
		var ok bool
		if n, index, ok = l.keys.rx.UnprotectRTCP(p); !ok {
			l.stats.authFailed++
			return
		}
		if state.rtcp.Check(uint64(index)) != srtp.Fresh {
			l.stats.replayed++
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
		l.stats.invalid++
		return
	}
	l.noteReport(p, p[blocks:blocks+24*int(p[0]&31)], t.now)
	t.forwardRTCP(l, p, blocks, end)
}

// forwardRTCP passes a sender or receiver report to the other side in the terms of the streams there, with a name of ours.
// What else a compound holds stays behind: a BYE would end a stream of ours that goes on, a peer's CNAME and its extended
// reports name things of its network.
//
// p holds a checked report of end octets, its reception reports from blocks on.
func (t *thread) forwardRTCP(l *leg, p []byte, blocks, end int) {
	o, b := l.other, binary.BigEndian
	if !o.out.allowed || !l.in.allowed || !o.remote.dest[o.remote.sourceOf(rtcp)].known() {
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

// putCNAME appends an SDES packet with a CNAME made of our random SSRC, which says nothing about anybody (RFC 7022), and returns its
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
