package media

import (
	"fmt"
	"math"
)

// The ringing tone of ITU-T E.180 as most of Europe has it: 425 Hz, one second of five.
const (
	ringHz     = 425
	ringOn     = 8000     // samples
	ringPeriod = 5 * 8000 // samples
	ringPeak   = 7218     // -10 dBm0: a sine of full scale, 32767, has 3.14 dBm0
)

// tones holds whole periods of the tone, by ALaw and MuLaw: 17 are 320 samples.
var tones = makeTones()

func makeTones() (t [3][320]byte) {
	for i := range t[ALaw] {
		v := int(math.Round(ringPeak * math.Sin(2*math.Pi*ringHz*float64(i)/8000)))
		t[ALaw][i], t[MuLaw][i] = encodeALaw(v), encodeMuLaw(v)
	}
	return t
}

// ringing writes the tone from a sample of its five seconds on and returns the next one.
func ringing(octets []byte, law Law, from int) int {
	tone, silence := &tones[law], law.encode(0)
	for i := range octets {
		if octets[i] = silence; from < ringOn {
			octets[i] = tone[from%len(tone)]
		}
		if from++; from == ringPeriod {
			from = 0
		}
	}
	return from
}

// Ring plays the ringing tone to a side, or ends it. Voice of the other side ends it too. It fails when the side has no codec that we
// can make a tone of, G.711.
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
			if o.noise != nil && o.noise.ring {
				o.noise.active = false
			}
		case o.law == OtherCodec:
			err = fmt.Errorf("media side %s: no ringing tone in its codec", to)
		default:
			s.thread.sound(o, true)
		}
	})
	return err
}
