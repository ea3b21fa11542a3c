package media

import (
	"fmt"
	"math/rand/v2"
	"time"

	"viaduct/appliance/audio"
)

// noise is a sound that we make for a side: the ringing tone, or comfort noise in the pauses of the other side. A side that has not agreed
// on descriptions of noise (RFC 3389) hears it, because a PBX may take dead silence for a broken call. Voice of the other side ends the
// sound.
type noise struct {
	active bool
	listed bool // in the thread's noisy
	ring   bool // the ringing tone; else noise
	tone   audio.Ringing
	white  audio.Noise
	level  uint8         // of white
	next   time.Duration // when the next packet is due
	source uint32        // SSRC, before it joins the stream
	seq    uint16
	time   uint32 // timestamp
}

// noiseLag is how late a packet of a sound may be sent.
const noiseLag = 100 * time.Millisecond

// startNoise begins noise towards a side, or gives it another level, in -dBov.
func (t *thread) startNoise(o *leg, level uint8) {
	t.startSound(o, false)
	o.out.noise.level = level
	o.out.noise.white.SetLevel(level)
}

// startSound begins a sound towards a side, or changes to the other sound.
func (t *thread) startSound(o *leg, ring bool) {
	if o.out.noise == nil {
		o.out.noise = &noise{source: rand.Uint32() | 1, white: audio.NewNoise(rand.Uint32() | 1)}
	}
	n := o.out.noise
	if !n.active {
		n.active, n.next, n.tone = true, t.now, audio.Ringing{}
		o.out.stream.restart = true // timestamps go on from now
	}
	if n.ring = ring; !n.listed {
		n.listed = true
		t.noisy = append(t.noisy, o)
	}
}

// sendNoise sends the packets of sounds that are due. It runs when t.noisy is not empty.
func (t *thread) sendNoise() {
	kept := t.noisy[:0]
	for _, o := range t.noisy {
		n := o.out.noise
		if !n.active || !o.out.allowed || !o.other.in.allowed && !n.ring || o.formats.voice == nil || o.local.ports[rtp] == nil || !o.remote.dest[rtp].Known() {
			n.active, n.listed = false, false
			continue
		}
		if t.now-n.next > noiseLag {
			n.next = t.now // the thread had no processor: what was due is too late now
		}
		for n.next <= t.now {
			n.next += t.sendNoisePacket(o)
		}
		kept = append(kept, o)
	}
	clear(t.noisy[len(kept):])
	t.noisy = kept
}

// sendNoisePacket sends a packet as long as the side wants and returns how much time it holds.
func (t *thread) sendNoisePacket(o *leg) time.Duration {
	p := t.slotOfOurs()
	p[0], p[1] = 0x80, 0
	const header = 12
	octets := o.out.size
	if octets == 0 {
		octets = o.formats.voice.Size(usualPtime)
	}
	if o.out.noise.ring {
		o.out.noise.tone.Fill(p[header:header+octets], o.formats.voice)
	} else {
		o.out.noise.white.Fill(p[header:header+octets], o.formats.voice)
	}
	t.sendInStream(o.other, p, header+octets, header, o.out.noise.source, o.out.noise.seq, o.out.noise.time, o.formats.wanted.Audio)
	o.out.noise.seq++
	o.out.noise.time += o.formats.voice.Units(octets)
	return o.formats.voice.Time(octets)
}

// untilNoise is how long the thread may sleep before the next packet of a sound, at most until the next housekeeping.
func (t *thread) untilNoise() time.Duration {
	wait := housekeeping
	for _, o := range t.noisy {
		wait = min(wait, o.out.noise.next-t.now)
	}
	return max(wait, time.Millisecond)
}

// describesNoise reports whether a packet of l describes noise, which the other side has not agreed on but can be played.
func (l *leg) describesNoise(p []byte, n, header int) bool {
	return l.formats.received.CN != NoPT && p[1]&0x7f == l.formats.received.CN && l.other.formats.voice != nil && n > header
}

// Ring plays the ringing tone to a side, or ends it. Voice of the other side ends it too. It fails when the box cannot
// encode the side's codec.
func (s *Session) Ring(to Side, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.opened[to] == nil:
		return fmt.Errorf("media side %s: not open", to)
	}
	var err error
	s.thread.do(func() {
		o := &s.legs[to]
		switch {
		case !on:
			if o.out.noise != nil && o.out.noise.ring {
				o.out.noise.active = false
			}
		case o.formats.voice == nil:
			err = fmt.Errorf("media side %s: no ringing tone in its codec", to)
		default:
			s.thread.startSound(o, true)
		}
	})
	return err
}
