package audio

import (
	"math"
	"testing"
	"time"
)

const ms = time.Millisecond

func TestRatingByTheEModel(t *testing.T) {
	for _, c := range []struct {
		name                  string
		codec                 Impairment
		loss, burst           float64
		trip, jitter          time.Duration
		wantRating, wantScore float64
	}{
		{"nothing wrong: G.107's default values", lossG711, 0, 1, 0, 0, 93.2, 4.41},
		{"G.729 at its best", lossG729, 0, 1, 0, 0, 82.2, 4.11},
		{"two in a hundred lost, at random", lossG711, 0.02, 1, 0, 0, 93.2 - 95*2/27.1, 4.23},
		{"as many lost, in runs of four", lossG711, 0.02, 4, 0, 0, 93.2 - 95*2/25.6, 4.22},
		{"every packet lost", lossG711, 1, 1, 0, 0, 93.2 - 95*100/125.1, 1.18},
		{"far away: 40 ms here, 360 ms there", lossG711, 0, 1, 720 * ms, 0, 69.1, 3.56},
		{"a jitter buffer counts as delay", lossG711, 0, 1, 0, 190 * ms, 69.1, 3.56},
	} {
		q := c.codec.Rate(c.loss, c.burst, c.trip, c.jitter)
		if math.Abs(q.R-c.wantRating) > 0.1 || math.Abs(q.MOS-c.wantScore) > 0.02 {
			t.Errorf("%s: R %.2f, MOS %.2f; want %.2f, %.2f", c.name, q.R, q.MOS, c.wantRating, c.wantScore)
		}
	}
}

// 3,062.5 ms and the delays of packet and jitter buffer: X = log2(31.025) = 4.955.
func TestDelayImpairmentByHand(t *testing.T) {
	if idd := delayImpairment(3062500*time.Microsecond + 40*ms); math.Abs(idd-49.01) > 0.01 {
		t.Errorf("%.2f", idd)
	}
}
