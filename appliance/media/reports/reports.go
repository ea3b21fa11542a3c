// Package reports is what RTCP says about RTP streams (RFC 3550 section 6): what is counted of a peer's stream, the reports that we make of
// it and of ours, and what a peer's reports tell of our stream.
//
// It owns the counting, the form of reports, and what one needs of the report before. It does not own when reports are sent, to whom and how they
// are protected, nor which packets count: package media. It has no goroutines: only the thread of a leg touches its values.
package reports

import (
	"encoding/binary"
	"time"
)

// RTCP packet types (RFC 3550 section 12.1).
const (
	SenderReport   = 200
	ReceiverReport = 201
	description    = 202
)

// blockSize is the length of a reception report.
const blockSize = 24

// Check finds the reception reports in p, a compound packet of eight octets at least. They begin at blocks, and end is where the report ends
// with which a compound begins.
func Check(p []byte) (blocks, end int, ok bool) {
	end, blocks = 4+4*int(binary.BigEndian.Uint16(p[2:])), 8
	if p[1] == SenderReport {
		blocks = 28
	}
	return blocks, end, (p[1] == SenderReport || p[1] == ReceiverReport) && end <= len(p) && end >= blocks+blockSize*int(p[0]&31)
}

// Blocks are the reception reports of a checked report.
func Blocks(p []byte, blocks int) []byte { return p[blocks : blocks+blockSize*int(p[0]&31)] }

// About calls f with each of some reception reports that is about a stream.
func About(blocks []byte, ssrc uint32, f func(block []byte)) {
	for ; len(blocks) >= blockSize; blocks = blocks[blockSize:] {
		if binary.BigEndian.Uint32(blocks) == ssrc {
			f(blocks[:blockSize])
		}
	}
}

// Own is our stream to a peer, as a sender report has it.
type Own struct {
	SSRC          uint32
	Timestamp     uint32 // of now
	Sent, Payload uint64 // packets, and octets of payload in them
}

// Log is what one report needs of those before it, and what the peer's have told (RFC 3550 section 6.4.1, A.3).
type Log struct {
	Sent               time.Duration // when the last report went out
	expected, received uint32        // of the peer's packets, up to the last report
	last               uint32        // middle of the NTP time in the peer's last sender report
	lastAt             time.Duration
	own                uint32 // the same of ours
	ownAt              time.Duration
	RoundTrip          time.Duration
	PeerLost           int64  // of our packets, by the peer's last report
	PeerJitter         uint32 // in timestamp units
}

// ntpEpoch is 1 January 1900 in Unix seconds.
const ntpEpoch = -2208988800

// Put writes a sender report, or a receiver report when nothing has been sent, and returns its length. It is now by both clocks.
func (l *Log) Put(p []byte, o Own, r *Reception, wall time.Time, now time.Duration) int {
	b, n := binary.BigEndian, 8
	p[0], p[1] = 0x80, ReceiverReport
	b.PutUint32(p[4:], o.SSRC)
	if o.Sent > 0 {
		seconds, fraction := uint32(wall.Unix()-ntpEpoch), uint32(uint64(wall.Nanosecond())<<32/uint64(time.Second))
		p[1] = SenderReport
		b.PutUint32(p[8:], seconds)
		b.PutUint32(p[12:], fraction)
		b.PutUint32(p[16:], o.Timestamp)
		b.PutUint32(p[20:], uint32(o.Sent))
		b.PutUint32(p[24:], uint32(o.Payload))
		l.Told(p, now)
		n = 28
	}
	if r.Started {
		p[0] |= 1
		l.putBlock(p[n:n+blockSize], r, now)
		n += blockSize
	}
	b.PutUint16(p[2:], uint16(n/4-1))
	return n
}

// putBlock writes a reception report about the peer's stream.
func (l *Log) putBlock(p []byte, r *Reception, now time.Duration) {
	b := binary.BigEndian
	expected := r.max - r.base + 1
	sinceExpected, sinceReceived := int64(int32(expected-l.expected)), int64(int32(r.received-l.received))
	l.expected, l.received = expected, r.received
	fraction := byte(0)
	if lost := sinceExpected - sinceReceived; sinceExpected > 0 && lost > 0 {
		fraction = byte(min(lost*256/sinceExpected, 255))
	}
	lost := uint32(max(min(r.lost()-r.before, 1<<23-1), -1<<23)) & 0xffffff
	b.PutUint32(p, r.SSRC)
	b.PutUint32(p[4:], uint32(fraction)<<24|lost)
	b.PutUint32(p[8:], r.max)
	b.PutUint32(p[12:], uint32(r.jitter>>4))
	b.PutUint32(p[16:], 0)
	b.PutUint32(p[20:], 0)
	if l.last != 0 {
		b.PutUint32(p[16:], l.last)
		b.PutUint32(p[20:], uint32((now-l.lastAt)*65536/time.Second))
	}
}

// Told notes a sender report that goes to the peer: its answer measures the way there.
func (l *Log) Told(p []byte, now time.Duration) {
	l.own, l.ownAt = binary.BigEndian.Uint32(p[10:]), now
}

// Note remembers what a peer's report says about its own clock and our stream. p is a checked report with its reception reports.
func (l *Log) Note(p, blocks []byte, ssrc uint32, now time.Duration) {
	b := binary.BigEndian
	if p[1] == SenderReport {
		l.last, l.lastAt = b.Uint32(p[10:]), now
	}
	About(blocks, ssrc, func(block []byte) {
		l.PeerLost, l.PeerJitter = int64(int32(b.Uint32(block[4:])<<8)>>8), b.Uint32(block[12:])
		if last := b.Uint32(block[16:]); last != 0 && last == l.own {
			if trip := now - l.ownAt - time.Duration(b.Uint32(block[20:]))*time.Second/65536; trip >= 0 {
				l.RoundTrip = trip
			}
		}
	})
}

// PutCNAME writes an SDES packet with a CNAME made of our random SSRC, which gives nothing away (RFC 7022), and returns its length.
func PutCNAME(b []byte, ssrc uint32) int {
	const hex = "0123456789abcdef"
	const length = 8
	clear(b[:20])
	b[0], b[1], b[3] = 0x81, description, 20/4-1
	binary.BigEndian.PutUint32(b[4:], ssrc)
	b[8], b[9] = 1, length // CNAME
	for i := range length {
		b[10+i] = hex[ssrc>>(28-4*i)&15]
	}
	return 20
}
