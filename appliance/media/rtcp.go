package media

import (
	"encoding/binary"
	"time"

	"viaduct/appliance/media/reports"
	"viaduct/appliance/media/wire"
	"viaduct/appliance/srtp"
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
	blocks, end, ok := reports.Check(p[:n])
	if !ok {
		l.stats.Invalid++
		return
	}
	l.reports.Note(p, reports.Blocks(p, blocks), l.out.stream.ssrc, t.now)
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
	if p[1] == reports.SenderReport {
		b.PutUint32(p[16:], b.Uint32(p[16:])+o.out.stream.tsDelta)
		b.PutUint32(p[20:], uint32(o.stats.sent))
		b.PutUint32(p[24:], uint32(o.stats.sentPayload))
		o.reports.Told(p, t.now)
	}
	reports.About(reports.Blocks(p, blocks), l.out.stream.ssrc, func(block []byte) { // what l hears of us is what the other side's peer sent
		b.PutUint32(block, o.in.heard.SSRC)
		if k := l.out.packing; k != nil && k.active {
			b.PutUint32(block[8:], o.in.heard.Highest()) // our packets are others than those of the other side
		} else {
			b.PutUint16(block[10:], b.Uint16(block[10:])-l.out.stream.seqDelta)
		}
	})
	end += reports.PutCNAME(p[end:cap(p)], o.out.stream.ssrc)
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
	o.reports.Sent = t.now
	t.makeRoom()
	which := rtcp
	if o.remote.mux {
		which = rtp
	}
	t.send(o, which, p[:n])
}

// reportEvery is when a side gets a report of ours unless one of the other side was passed on. With a PBX that sends no RTCP, Teams would believe
// that the call's RTCP has died.
const reportEvery = 5 * time.Second

// reportIfDue sends a side a report of our own.
func (t *thread) reportIfDue(l *leg) {
	if !l.out.allowed || !l.remote.dest[l.remote.sourceOf(rtcp)].Known() || t.now-l.reports.Sent < reportEvery || l.stats.sent == 0 && !l.in.heard.Started {
		return
	}
	p, s := t.slotOfOurs(), &l.out.stream
	own := reports.Own{SSRC: s.ssrc, Timestamp: s.lastTS + uint32(units(t.now-s.lastAt, l.formats.rate)), Sent: l.stats.sent, Payload: l.stats.sentPayload}
	n := l.reports.Put(p, own, &l.in.heard, t.base.Add(t.now), t.now)
	n += reports.PutCNAME(p[n:], s.ssrc)
	t.sendRTCP(l, p, n)
}
