package media

import (
	"math"
	"time"
)

// Voice activity detection. A packet of G.711 towards a side that agreed on comfort noise is passed on while somebody speaks; of a
// pause the first packet becomes a description of the background (RFC 3389) and the rest stays behind.
//
// Whether somebody speaks is told from a packet's mean square against the background, which is followed quickly downwards and
// slowly upwards. What is loud counts as voice, so that music and tones pass whatever they are.

// Levels as mean squares of 16-bit samples; 0 dBov is 1<<30.
const (
	loud       = (1 << 30) / 10_000    // -40 dBov: always voice
	faint      = (1 << 30) / 3_162_278 // -65 dBov: never voice
	background = (1 << 30) / 100_000   // -50 dBov: the most that the background is taken for
	hangover   = 1600                  // samples that are passed after the last packet with voice: the ends of words are faint
	refresh    = time.Second           // the description is repeated so often, or at once when the level moves by 3 dB
)

// activity is what the detection keeps of one side's voice.
type activity struct {
	floor   uint32 // mean square of the background
	last    uint16 // sequence number of the newest packet
	hang    uint16 // samples of the hangover that are left
	level   uint8  // told last, in -dBov
	started bool
	told    time.Duration
}

type judgement int

const (
	speech   judgement = iota
	onset              // speech after a pause
	describe           // a pause: send the level
	withhold           // a pause, which was described
	stale              // a late packet or a second copy, in a pause
)

// judge looks at the next packet of voice.
func (a *activity) judge(octets []byte, law Law, seq uint16, now time.Duration) judgement {
	paused := a.started && a.hang == 0
	if a.started && int16(seq-a.last) <= 0 {
		if paused {
			return stale
		}
		return speech
	}
	mean := meanSquare(octets, law)
	if !a.started {
		a.started, a.floor, a.hang = true, min(mean, background), hangover
	}
	a.last = seq
	switch {
	case mean < a.floor:
		a.floor = (a.floor + mean) / 2
	default:
		a.floor = min(a.floor+a.floor/64+1, background)
	}
	if mean > loud || mean > faint && mean > 4*a.floor {
		a.hang = hangover
		if paused {
			return onset
		}
		return speech
	}
	if a.hang > 0 {
		if a.hang -= uint16(min(len(octets), int(a.hang))); a.hang > 0 {
			return speech
		}
		a.told = 0
	}
	level := levelOf(mean)
	if a.told != 0 && now-a.told < refresh && max(level, a.level)-min(level, a.level) < 3 {
		return withhold
	}
	a.level, a.told = level, now
	return describe
}

func meanSquare(octets []byte, law Law) uint32 {
	if len(octets) == 0 {
		return 0
	}
	var sum uint64
	squares := &laws[law].squares
	for _, o := range octets {
		sum += uint64(squares[o])
	}
	return uint32(sum / uint64(len(octets)))
}

// levelOf is the noise level of RFC 3389 section 3.1 in -dBov, 0 to 127.
func levelOf(mean uint32) uint8 {
	return uint8(min(127, math.Round(10*math.Log10((1<<30)/float64(max(mean, 1))))))
}

// voice prepares a packet of G.711 for the other side of l: silence suppression, and another law where to is one. It returns the packet's
// new length and payload type, NoPT when it stays behind.
func (t *thread) voice(l *leg, p []byte, n, header int, ssrc uint32, seq uint16, pt uint8, from, to Law) (int, uint8) {
	o := l.other
	if o.noise != nil {
		o.noise.active = false
	}
	suppress, convert := o.suppress && o.out.CN != NoPT, to != OtherCodec && to != from
	if !suppress && !convert && o.octets == 0 {
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
	if suppress && !o.stream.restart && ssrc == o.stream.from {
		switch l.spoken.judge(octets, from, seq, t.now) {
		case onset:
			o.stream.marker = true
		case describe:
			p[header] = l.spoken.level
			return header + 1, o.out.CN
		case withhold:
			o.stream.seqDelta-- // it leaves no gap in the numbers
			return n, NoPT
		case stale:
			return n, NoPT
		}
	} else {
		l.spoken = activity{} // another source
	}
	if convert {
		table := &laws[from].other
		for i, v := range octets {
			octets[i] = table[v]
		}
	}
	return n, pt
}
