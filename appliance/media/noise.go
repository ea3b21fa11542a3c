package media

import (
	"math/rand/v2"
	"time"

	"viaduct/appliance/audio"
)

// noise is a sound that we make for a side: comfort noise in the pauses of the other side, where its description (RFC 3389) is not
// understood and a PBX may take dead silence for a broken call, or the ringing tone of ring.go. Voice of the other side ends it.
type noise struct {
	active bool
	listed bool // in the thread's noisy
	ring   bool // the ringing tone; else noise
	tone   audio.Ringing
	hiss   audio.Noise
	next   time.Duration // when the next packet is due
	source uint32        // SSRC, before it joins the stream
	seq    uint16
	time   uint32 // timestamp
}

const noiseLag = 100 * time.Millisecond

// comfort begins noise towards a side, or gives it another level, in -dBov.
func (t *thread) comfort(o *leg, level uint8) {
	t.sound(o, false)
	o.noise.hiss.SetLevel(level)
}

// sound begins a sound towards a side, unless it is there.
func (t *thread) sound(o *leg, ring bool) {
	if o.noise == nil {
		o.noise = &noise{source: rand.Uint32() | 1, hiss: audio.NewNoise(rand.Uint32() | 1)}
	}
	n := o.noise
	if !n.active {
		n.active, n.next, n.tone = true, t.now, audio.Ringing{}
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
		if !n.active || !o.send || !o.other.receive && !n.ring || o.voice == nil || o.ports[rtp] == nil || !o.dest[rtp].known() {
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
		octets = o.voice.Size(usualPtime)
	}
	if o.noise.ring {
		o.noise.tone.Fill(p[header:header+octets], o.voice)
	} else {
		o.noise.hiss.Fill(p[header:header+octets], o.voice)
	}
	t.join(o.other, p, header+octets, header, o.noise.source, o.noise.seq, o.noise.time, o.out.Audio)
	o.noise.seq++
	o.noise.time += o.voice.Units(octets)
	return o.voice.Time(octets)
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
	return l.in.CN != NoPT && p[1]&0x7f == l.in.CN && l.other.voice != nil && n > header
}
