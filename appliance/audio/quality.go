package audio

import (
	"fmt"
	"math"
	"time"
)

// Quality is how a listener would rate a stream, by the E-model (ITU-T G.107) with its default values.
type Quality struct {
	R          float64 // transmission rating, 0 to 93.2
	MOS        float64 // the mean opinion score that belongs to R, 1 to 4.41; 0: not known for this codec, or nothing was heard
	BurstRatio float64 // length of the observed runs of lost packets over that of random loss; 1 when nothing was lost
}

// Impairment is what a codec takes from the rating (G.113 Appendix I).
type Impairment struct {
	equipment  float64 // Ie
	robustness float64 // Bpl, against loss at random
}

var (
	lossG711 = Impairment{0, 25.1} // with concealment of loss (G.711 Appendix I), which every peer of today has
	lossG729 = Impairment{11, 19}  // Annex A
)

// losses are what is known, by names in SDP.
var losses = map[string]Impairment{"PCMA": lossG711, "PCMU": lossG711, "G729": lossG729}

// LossOf is what a codec takes, by its name in SDP. The zero value: that is not known.
func LossOf(name string) Impairment { return losses[name] }

// MarshalText and UnmarshalText write an impairment for another box: its two numbers.
func (i Impairment) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%g %g", i.equipment, i.robustness), nil
}

func (i *Impairment) UnmarshalText(text []byte) error {
	if _, err := fmt.Sscanf(string(text), "%g %g", &i.equipment, &i.robustness); err != nil {
		return fmt.Errorf("impairment %q: %w", text, err)
	}
	return nil
}

// Delays between mouth and ear that the box cannot see: a packet has 20 ms of voice, and a jitter buffer holds another one at least.
const (
	packetDelay = 20 * time.Millisecond
	leastBuffer = 20 * time.Millisecond
)

// Rate computes the quality of a stream that lost a share (0 to 1) of its packets in runs of the burst ratio.
func (i Impairment) Rate(loss, burst float64, roundTrip, jitter time.Duration) Quality {
	delay := roundTrip/2 + packetDelay + max(leastBuffer, 2*jitter)
	q := Quality{BurstRatio: burst}
	percent := 100 * loss
	q.R = defaultRating - delayImpairment(delay) - (i.equipment + (95-i.equipment)*percent/(percent/burst+i.robustness))
	q.R = max(q.R, 0)
	q.MOS = opinion(q.R)
	return q
}

// defaultRating is Ro minus Is of G.107 with all default values.
const defaultRating = 93.2

// delayImpairment is Idd (G.107 section 7.4): what delay takes from the rating without echo, which both ends of an IP call cancel.
func delayImpairment(d time.Duration) float64 {
	ms := float64(d) / float64(time.Millisecond)
	if ms <= 100 {
		return 0
	}
	x := math.Log2(ms / 100)
	root := func(v float64) float64 { return math.Pow(1+math.Pow(v, 6), 1.0/6) }
	return 25 * (root(x) - 3*root(x/3) + 2)
}

// opinion turns R into MOS (G.107 Annex B).
func opinion(r float64) float64 {
	switch {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	}
	return max(1, 1+0.035*r+r*(r-60)*(100-r)*7e-6)
}
