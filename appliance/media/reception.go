package media

import "time"

// reception counts a peer's RTP stream as in RFC 3550 (appendices A.1, A.3 and A.8).
type reception struct {
	ssrc     uint32
	started  bool
	base     uint32 // first extended sequence number
	max      uint32 // highest
	received uint32 // since base
	bad      uint32 // next number of a stream that may have begun anew, plus 1<<16; 0 none
	before   int64  // lost in earlier streams of this leg
	heard    int64  // received in them
	gaps     int64  // runs of packets that did not come in order, in all streams
	missing  int64  // packets in these runs, without the late ones
	transit  int64  // of the packet before, in timestamp units
	jitter   int64  // in 1/16 timestamp units
}

// maxDropout and maxMisorder are the gaps that RFC 3550 A.1 takes for loss and for reordering; anything else is a new beginning.
const (
	maxDropout  = 3000
	maxMisorder = 100
)

// update counts a packet that arrived at a time since the thread's start.
func (r *reception) update(ssrc uint32, seq uint16, timestamp uint32, arrival time.Duration, rate int64) {
	switch delta := seq - uint16(r.max); {
	case !r.started || ssrc != r.ssrc:
		r.restart(ssrc, seq, transit(timestamp, arrival, rate))
		return
	case delta < maxDropout:
		if delta > 1 {
			r.gaps++
			r.missing += int64(delta - 1)
		}
		r.max += uint32(delta)
	case delta <= 0xffff-maxMisorder:
		if r.bad != uint32(seq)+1<<16 {
			r.bad = uint32(seq+1) + 1<<16
			return
		}
		r.restart(ssrc, seq, transit(timestamp, arrival, rate))
		return
	default:
		r.missing = max(r.missing-1, 0)
	}
	r.received++
	now := transit(timestamp, arrival, rate)
	d := int64(int32(now - r.transit))
	r.transit = now
	if d = max(d, -d); d < 10*rate { // a timestamp that jumps is not jitter
		r.jitter += d - (r.jitter+8)>>4
	}
}

func transit(timestamp uint32, arrival time.Duration, rate int64) int64 {
	return int64(uint32(units(arrival, rate)) - timestamp)
}

func (r *reception) restart(ssrc uint32, seq uint16, transit int64) {
	*r = reception{ssrc: ssrc, started: true, base: uint32(seq), max: uint32(seq), received: 1, before: r.lost(), heard: r.heard + int64(r.received),
		gaps: r.gaps, missing: r.missing, transit: transit, jitter: r.jitter}
}

func (r *reception) lost() int64 {
	if !r.started {
		return r.before
	}
	return r.before + int64(r.max-r.base+1) - int64(r.received)
}

// loss is the share of packets that did not come, 0 to 1.
func (r *reception) loss() float64 {
	lost := float64(max(r.lost(), 0))
	return lost / max(lost+float64(r.heard)+float64(r.received), 1)
}

// burstRatio is the mean length of the runs of lost packets over the mean that loss at random would have, 1/(1-p) (G.107 section
// 7.5). It is 1 at least: one run says nothing about what is rarer than chance.
func (r *reception) burstRatio() float64 {
	if r.gaps == 0 {
		return 1
	}
	return max(1, float64(r.missing)/float64(r.gaps)*(1-r.loss()))
}
