package media

import (
	"math/rand/v2"
	"time"

	"viaduct/appliance/srtp"
)

// stream is the one RTP stream that we send to a side for the whole call. The sources of the other side may change (a fork, a transfer, music).
// Their packets leave with one SSRC, and sequence numbers and timestamps go on: a strict receiver keeps to the first source that it hears, and
// SRTP counts roll-overs per SSRC.
type stream struct {
	ssrc      uint32
	from      uint32      // SSRC of the source that passes now
	seqDelta  uint16      // added to its sequence numbers
	tsDelta   uint32      // added to its timestamps
	restart   bool        // the next packet begins a new source even if its SSRC is the same
	marker    bool        // the next packet begins a talk spurt
	sent      srtp.Window // which indexes went out: none may ever go out twice with different contents (RFC 3711 section 9.1)
	base      uint64      // first index of the present source
	odd       uint32      // next number of a source that may have begun anew, plus 1<<16; 0 none
	resumed   bool        // the source went on while another box gave the stream up to this one: see resume
	lastSeq   uint16      // the highest sent; before the first, where the stream begins
	lastTS    uint32
	lastAt    time.Duration
	rtcpIndex uint32 // of SRTCP, 31 bits
	underKey  uint64 // packets sent under the present key
	pace      uint64 // the most that lately went out in a second, as housekeeping counts it
	counted   uint64 // underKey at that count
	far       uint64 // index that is so far from the last marks that new ones should be taken; nowhere: nobody takes them
}

// newStream chooses where a stream begins. Its numbers begin under 2^15, so that the first roll-over is not missed (RFC 3711 3.3.1).
func newStream() stream {
	return stream{ssrc: rand.Uint32(), restart: true, lastSeq: uint16(rand.Uint32()>>17) - 1, lastTS: rand.Uint32(), far: nowhere}
}

// assign finds the index for a packet of the other side and notes it as sent, unless it came twice or too late.
func (o *stream) assign(ssrc uint32, seq uint16, timestamp uint32, now time.Duration, rate int64) (index uint64, v srtp.Verdict) {
	if o.restart || ssrc != o.from {
		o.rebase(ssrc, seq, timestamp, now, rate)
	}
	if o.resumed {
		o.rejoin(ssrc, seq, timestamp, now, rate)
	}
	index, v = o.find(seq)
	if v == srtp.TooOld { // two in a row: the source began to count anew (RFC 3550 A.1)
		if o.odd != uint32(seq)+1<<16 {
			o.odd = uint32(seq+1) + 1<<16
			return 0, v
		}
		o.rebase(ssrc, seq, timestamp, now, rate)
		index, v = o.find(seq)
	}
	if v == srtp.Fresh {
		o.odd = 0
		o.mark(index, timestamp, now)
	}
	return index, v
}

func (o *stream) find(seq uint16) (index uint64, v srtp.Verdict) {
	index, ok := o.sent.Estimate(seq + o.seqDelta)
	if !ok || index < o.base {
		return 0, srtp.TooOld
	}
	return index, o.sent.Check(index)
}

// rebase lets a source begin where the source before it ended.
func (o *stream) rebase(ssrc uint32, seq uint16, timestamp uint32, now time.Duration, rate int64) {
	if o.sent.Started() {
		o.base = o.sent.Top() + 1
	}
	o.from, o.restart, o.resumed, o.marker, o.odd = ssrc, false, false, true, 0
	o.seqDelta, o.tsDelta = o.lastSeq+1-seq, o.nextTS(now, rate)-timestamp
}

// nextTS is the timestamp of a packet that does not belong to the one before.
func (o *stream) nextTS(now time.Duration, rate int64) uint32 {
	return o.lastTS + uint32(max(units(now-o.lastAt, rate), 1))
}

// units is by how much a time moves an RTP timestamp. It counts whole microseconds, so that a box that runs for years does not overflow.
func units(d time.Duration, rate int64) int64 { return int64(d/time.Microsecond) * rate / 1_000_000 }

// mark notes a packet as sent.
func (o *stream) mark(index uint64, timestamp uint32, now time.Duration) {
	if !o.sent.Started() || index > o.sent.Top() {
		o.lastSeq, o.lastTS, o.lastAt = uint16(index), timestamp+o.tsDelta, now
	}
	o.sent.Mark(index)
	o.underKey++
}

// rekey begins to count at roll-over counter 0 (RFC 3711 section 3.3.1: the counter belongs to the key).
func (o *stream) rekey() {
	o.sent, o.base, o.rtcpIndex, o.underKey, o.counted, o.far = srtp.Window{}, 0, 0, 0, 0, nowhere
}
