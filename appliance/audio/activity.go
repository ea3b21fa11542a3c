package audio

import "time"

// Voice activity detection compares the mean square of a packet with the background, which it follows quickly downwards and slowly upwards.
// Loud sound always counts as voice, so that music and tones pass.

// Levels as mean squares of 16-bit samples; 0 dBov is 1<<30.
const (
	loud       = (1 << 30) / 10_000     // -40 dBov: always voice
	faint      = (1 << 30) / 3_162_278  // -65 dBov: never voice
	background = (1 << 30) / 100_000    // -50 dBov: no background is louder
	hangover   = 200 * time.Millisecond // that still counts as voice: the ends of words are faint
	refresh    = time.Second            // a description is repeated so often, or at once when the level moves by 3 dB
)

// Activity detects the pauses in a stream of voice. The zero value is at its beginning.
type Activity struct {
	floor   uint32 // mean square of the background
	last    uint16 // sequence number of the newest packet
	started bool
	level   uint8         // of the last description, in -dBov
	hang    time.Duration // of the hangover that is left
	told    time.Duration // when the level was described last
}

// Verdict says what to do with a packet.
type Verdict int

const (
	Speech   Verdict = iota
	Onset            // speech after a pause
	Describe         // the packet is a pause: send the level in its place
	Withhold         // the packet is a pause that has been described
	Stale            // the packet is late or a second copy, in a pause
)

// Level is the level of the last description, in -dBov.
func (a *Activity) Level() uint8 { return a.level }

// Judge looks at the next packet of voice.
func (a *Activity) Judge(octets []byte, c *Codec, seq uint16, now time.Duration) Verdict {
	paused := a.started && a.hang == 0
	if a.started && int16(seq-a.last) <= 0 {
		if paused {
			return Stale
		}
		return Speech
	}
	mean := c.meanSquare(octets)
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
			return Onset
		}
		return Speech
	}
	if a.hang > 0 {
		if a.hang = max(a.hang-c.Time(len(octets)), 0); a.hang > 0 {
			return Speech
		}
		a.told = 0
	}
	level := levelOf(mean)
	if a.told != 0 && now-a.told < refresh && max(level, a.level)-min(level, a.level) < 3 {
		return Withhold
	}
	a.level, a.told = level, now
	return Describe
}
