package media

import (
	"math"
	"testing"
	"time"

	"viaduct/appliance/srtp"
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
	c := call(t, running(t, Options{}), srtp.AES80)
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

// The figures of a leg, worked out by hand. 60 packets of 20 ms, ten of them lost in five runs of two, every second one 8 ms late:
//   - loss 10/60; a run is 2 packets long, by chance it would be 1/(1-1/6) = 1.2: burst ratio 1.667 (G.107 section 7.5)
//   - jitter: D is 64 units between neighbours of different lateness, so J goes towards 64 by a sixteenth each time (RFC 3550 A.8)
//   - round trip: the example of RFC 3550 section 6.4.1, received at b710:8000, sent at b705:2000, held 5.25 s: 6.125 s. That is
//     far more than a call bears, so MOS is asked with and without it.
//   - R without it: 93.2 - 95*16.667/(16.667/1.667+25.1) = 48.09, delay 20 + 20 ms and nothing to take off for it; MOS 2.475
//   - with it: Ta = 3062.5 + 20 + 20 ms, X = log2(31.025) = 4.955, Idd = 25*(4.9554 - 3*1.6651 + 2) = 49.01; R is below 0 then, MOS 1
func TestFiguresOfALegByHand(t *testing.T) {
	q := newQuietPath(t, none(Params{AudioPT: 8, Law: ALaw}), none(Params{AudioPT: 8, Law: ALaw}))
	voice := make([]byte, 160)
	n := 0
	for i := range 60 {
		if i%12 != 5 && i%12 != 6 {
			late := time.Duration(0)
			if n%2 == 1 {
				late = 8 * ms
			}
			q.t.now += late
			q.packet(B, 8, voice)
			q.t.now -= late
			n++
		} else {
			q.seq++
		}
		q.step(20 * ms)
	}
	l := &q.s.legs[B]
	want := 0.0
	for range 49 {
		want += (64 - want) / 16
	}
	s := l.figures(q.t.base)
	jitter := s.Jitter.Seconds() * 8000
	if s.Received != 50 || s.Lost != 10 || math.Abs(jitter-want) > 1 {
		t.Errorf("%d received, %d lost, jitter %.2f units, want %.2f", s.Received, s.Lost, jitter, want)
	}
	if g := s.Quality; math.Abs(g.BurstRatio-1.6667) > 0.001 || math.Abs(g.R-48.09) > 0.01 || math.Abs(g.MOS-2.475) > 0.001 {
		t.Errorf("%+v", g)
	}

	l.reports.own, l.reports.ownAt = 0xb7052000, q.t.now
	report := unhex(t, "81c90007"+"0000004d"+"00000000"+"00000000"+"00000000"+"00000000"+"b7052000"+"00054000")
	putSSRC := report[8:12]
	for i := range putSSRC {
		putSSRC[i] = byte(l.stream.ssrc >> (24 - 8*i))
	}
	l.noteReport(report, report[8:], q.t.now+11375*ms)
	s = l.figures(q.t.base)
	if d := s.RoundTrip - 6125*ms; d.Abs() > ms {
		t.Errorf("round trip %v", s.RoundTrip)
	}
	if idd := delayImpairment(3062500*time.Microsecond + 40*ms); math.Abs(idd-49.01) > 0.01 || s.Quality.MOS > 1.05 {
		t.Errorf("Idd %.2f, %+v", idd, s.Quality)
	}
}
