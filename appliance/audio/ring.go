package audio

import (
	"math"
	"time"
)

// The ringing tone of ITU-T E.180 as most of Europe has it: 425 Hz, one second of five.
const (
	ringHz     = 425
	ringOn     = time.Second
	ringPeriod = 5 * time.Second
	ringPeak   = 7218 // -10 dBm0: a sine of full scale, 32767, has 3.14 dBm0
)

// toneLength holds whole periods of the tone: 17.
const toneLength = 40 * time.Millisecond

func (c *Codec) makeTones() {
	samples := make([]int16, int(toneLength*time.Duration(c.Rate)/time.Second))
	c.ring, c.silence = make([]byte, c.Size(toneLength)), make([]byte, c.Size(toneLength))
	c.Encode(c.silence, samples)
	for i := range samples {
		samples[i] = int16(math.Round(ringPeak * math.Sin(2*math.Pi*ringHz*float64(i)/float64(c.Rate))))
	}
	c.Encode(c.ring, samples)
}

// Ringing is a ringing tone. The zero value is at its beginning.
type Ringing struct {
	at int // octets since the tone began last
}

// Fill writes the next octets of the tone.
func (r *Ringing) Fill(octets []byte, c *Codec) {
	on, period := c.Size(ringOn), c.Size(ringPeriod)
	for i := range octets {
		from := c.silence
		if r.at < on {
			from = c.ring
		}
		octets[i] = from[r.at%len(from)]
		if r.at++; r.at == period {
			r.at = 0
		}
	}
}
