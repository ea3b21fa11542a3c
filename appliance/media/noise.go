package media

import (
	"math"
	"math/rand/v2"
	"time"
)

// noise is a sound that we make for a side: comfort noise in the pauses of the other side, where its description (RFC 3389) is not
// understood and a PBX may take dead silence for a broken call, or the ringing tone of ring.go. Voice of the other side ends it.
type noise struct {
	active bool
	listed bool          // in the thread's noisy
	ring   bool          // the ringing tone; else noise
	played int           // samples of the ringing tone
	peak   int           // of the noise's samples, which are evenly distributed
	next   time.Duration // of the next packet
	source uint32        // SSRC, before it joins the stream
	seq    uint16
	time   uint32 // timestamp
	random uint32
}

const noiseLag = 100 * time.Millisecond

// comfort begins noise towards a side, or gives it another level, in -dBov. Spectral coefficients are not used: the noise is white.
func (t *thread) comfort(o *leg, level uint8) {
	t.sound(o, false)
	o.noise.peak = int(32768 * math.Sqrt(3) * math.Pow(10, -float64(level&0x7f)/20))
}

// sound begins a sound towards a side, unless it is there.
func (t *thread) sound(o *leg, ring bool) {
	if o.noise == nil {
		o.noise = &noise{source: rand.Uint32() | 1, random: rand.Uint32() | 1}
	}
	n := o.noise
	if !n.active {
		n.active, n.next, n.played = true, t.now, 0
		o.stream.restart = true // timestamps go on from now
	}
	if n.ring = ring; !n.listed {
		n.listed = true
		t.noisy = append(t.noisy, o)
	}
}

// hiss sends the packets of noise that are due. It runs when t.noisy is not empty.
func (t *thread) hiss() {
	kept := t.noisy[:0]
	for _, o := range t.noisy {
		n := o.noise
		if !n.active || !o.send || !o.other.receive && !n.ring || o.law == OtherCodec || o.ports[rtp] == nil || !o.dest[rtp].known() {
			n.active, n.listed = false, false
			continue
		}
		if t.now-n.next > noiseLag {
			n.next = t.now // we slept: what is past is past
		}
		for n.next <= t.now {
			n.next += t.sendNoise(o)
		}
		kept = append(kept, o)
	}
	clear(t.noisy[len(kept):])
	t.noisy = kept
}

// sendNoise sends a packet as long as the side wants and returns how much time it holds.
func (t *thread) sendNoise(o *leg) time.Duration {
	if t.input.next == slots {
		t.flush()
	}
	t.slot = t.input.next
	t.input.next++
	p := t.input.slot(t.slot)[headroom:]
	p[0], p[1] = 0x80, 0
	const header = 12
	octets := o.octets
	if octets == 0 {
		octets = voiceOctets(usualPtime)
	}
	o.noise.fill(p[header:header+octets], o.law)
	t.join(o.other, p, header+octets, header, o.noise.source, o.noise.seq, o.noise.time, o.out.Audio)
	o.noise.seq++
	o.noise.time += uint32(octets)
	return time.Duration(octets) * time.Second / 8000
}

// fill writes the ringing tone, or white noise; its generator is Marsaglia's xorshift, whose period is longer than any call.
func (n *noise) fill(octets []byte, law Law) {
	if n.ring {
		n.played = ringing(octets, law, n.played)
		return
	}
	for i := range octets {
		n.random ^= n.random << 13
		n.random ^= n.random >> 17
		n.random ^= n.random << 5
		octets[i] = law.encode(int(int64(int32(n.random)) * int64(n.peak) >> 31))
	}
}

// untilNoise is how long the thread may sleep before the next packet of noise, at most a second.
func (t *thread) untilNoise() time.Duration {
	wait := second
	for _, o := range t.noisy {
		wait = min(wait, o.noise.next-t.now)
	}
	return max(wait, time.Millisecond)
}

// describes reports whether a packet of l is comfort noise that the other side cannot take but can be played.
func (l *leg) describes(p []byte, n, header int) bool {
	return l.in.CN != NoPT && p[1]&0x7f == l.in.CN && l.other.law != OtherCodec && n > header
}
