package reports

// Reception counts a peer's RTP stream as in RFC 3550 (appendices A.1, A.3 and A.8).
type Reception struct {
	SSRC     uint32
	Started  bool
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

// Totals are the figures of all streams of a leg.
type Totals struct {
	Lost, Heard, Gaps, Missing int64 // packets; runs of lost ones, and packets in those
	Jitter                     int64 // in 1/16 timestamp units
}

// maxDropout and maxMisorder are the gaps that RFC 3550 A.1 takes for loss and for reordering; anything else is a new beginning.
const (
	maxDropout  = 3000
	maxMisorder = 100
)

// Resume has the figures go on from those of another box. What was lost while nobody listened is not known, and so the stream begins anew.
func (r *Reception) Resume(ssrc uint32, t Totals) {
	*r = Reception{SSRC: ssrc, before: t.Lost, heard: t.Heard, gaps: t.Gaps, missing: t.Missing, jitter: t.Jitter}
}

// Update counts a packet that arrived at a time, in timestamp units. There are rate of those in a second.
func (r *Reception) Update(ssrc uint32, seq uint16, timestamp uint32, arrival, rate int64) {
	now := int64(uint32(arrival) - timestamp)
	switch delta := seq - uint16(r.max); {
	case !r.Started || ssrc != r.SSRC:
		r.restart(ssrc, seq, now)
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
		r.restart(ssrc, seq, now)
		return
	default:
		r.missing = max(r.missing-1, 0)
	}
	r.received++
	d := int64(int32(now - r.transit))
	r.transit = now
	if d = max(d, -d); d < 10*rate { // a timestamp that jumps is not jitter
		r.jitter += d - (r.jitter+8)>>4
	}
}

func (r *Reception) restart(ssrc uint32, seq uint16, transit int64) {
	*r = Reception{SSRC: ssrc, Started: true, base: uint32(seq), max: uint32(seq), received: 1, before: r.lost(), heard: r.heard + int64(r.received),
		gaps: r.gaps, missing: r.missing, transit: transit, jitter: r.jitter}
}

func (r *Reception) lost() int64 {
	if !r.Started {
		return r.before
	}
	return r.before + int64(r.max-r.base+1) - int64(r.received)
}

// Highest is the extended sequence number of the newest packet.
func (r *Reception) Highest() uint32 { return r.max }

// Totals of all streams so far.
func (r *Reception) Totals() Totals {
	return Totals{Lost: r.lost(), Heard: r.heard + int64(r.received), Gaps: r.gaps, Missing: r.missing, Jitter: r.jitter}
}

// Loss is the share of packets that did not come, 0 to 1.
func (t Totals) Loss() float64 {
	lost := float64(max(t.Lost, 0))
	return lost / max(lost+float64(t.Heard), 1)
}

// BurstRatio is the mean length of the runs of lost packets over the mean that loss at random would have, 1/(1-p) (G.107 section
// 7.5). It is 1 at least: one run says nothing about what is rarer than chance.
func (t Totals) BurstRatio() float64 {
	if t.Gaps == 0 {
		return 1
	}
	return max(1, float64(t.Missing)/float64(t.Gaps)*(1-t.Loss()))
}
