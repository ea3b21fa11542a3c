package media

import (
	"math"
	"testing"
	"time"
)

func TestRatingByTheEModel(t *testing.T) {
	for _, c := range []struct {
		name                  string
		codec                 impairment
		loss, burst           float64
		trip, jitter          time.Duration
		wantRating, wantScore float64
	}{
		{"nothing wrong: G.107's default values", impairmentG711, 0, 1, 0, 0, 93.2, 4.41},
		{"G.729 at its best", impairmentG729, 0, 1, 0, 0, 82.2, 4.11},
		{"two in a hundred lost, at random", impairmentG711, 0.02, 1, 0, 0, 93.2 - 95*2/27.1, 4.23},
		{"as many lost, in runs of four", impairmentG711, 0.02, 4, 0, 0, 93.2 - 95*2/25.6, 4.22},
		{"every packet lost", impairmentG711, 1, 1, 0, 0, 93.2 - 95*100/125.1, 1.18},
		{"far away: 40 ms here, 360 ms there", impairmentG711, 0, 1, 720 * ms, 0, 69.1, 3.56},
		{"a jitter buffer counts as delay", impairmentG711, 0, 1, 0, 190 * ms, 69.1, 3.56},
	} {
		q := c.codec.rate(c.loss, c.burst, c.trip, c.jitter)
		if math.Abs(q.R-c.wantRating) > 0.1 || math.Abs(q.MOS-c.wantScore) > 0.02 {
			t.Errorf("%s: R %.2f, MOS %.2f; want %.2f, %.2f", c.name, q.R, q.MOS, c.wantRating, c.wantScore)
		}
	}
}

func TestBurstRatio(t *testing.T) {
	for _, c := range []struct {
		name string
		lost func(n int) bool
		want float64
	}{
		{"none", func(int) bool { return false }, 1},
		{"one in ten, evenly", func(n int) bool { return n%10 == 5 }, 1},
		{"four in a row of forty", func(n int) bool { return n%40 >= 10 && n%40 < 14 }, 3.6},
	} {
		var r reception
		for n := range 4000 {
			if !c.lost(n) {
				r.update(1, uint16(n+65000), uint32(160*n), time.Duration(n)*20*time.Millisecond, 8000)
			}
		}
		if got := r.burstRatio(); math.Abs(got-c.want) > 0.05 {
			t.Errorf("%s: %.3f, want %.2f", c.name, got, c.want)
		}
	}
}

func TestReorderingIsNoLoss(t *testing.T) {
	var r reception
	for _, n := range []int{0, 1, 3, 2, 4, 6, 7, 5, 8} {
		r.update(1, uint16(n), uint32(160*n), time.Duration(n)*20*time.Millisecond, 8000)
	}
	if r.lost() != 0 || r.missing != 0 || r.loss() != 0 {
		t.Errorf("%+v", r)
	}
}

func TestQualityOfACall(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
	c.pa.Law, c.pb.Law = ALaw, ALaw
	c.set(t)
	for n := range 50 {
		if n%10 == 4 || n%10 == 5 {
			c.a.packet(8)
		}
		c.talk(t)
	}
	a, b := c.Stats(A).Quality, c.Stats(B).Quality
	if b.MOS < 4.3 || b.BurstRatio != 1 || a.MOS > 3.8 || a.BurstRatio < 0.7 || a.R >= b.R {
		t.Errorf("%+v, %+v", a, b)
	}
}
