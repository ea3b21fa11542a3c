package media

import (
	"math"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/srtp"
)

func TestQualityOfACall(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.pa.Voice, c.pb.Voice = audio.ALaw, audio.ALaw
	c.pa.Loss, c.pb.Loss = audio.LossOf("PCMA"), audio.LossOf("PCMA")
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
	q := newQuietPath(t, none(Params{AudioPT: 8, Voice: audio.ALaw}), none(Params{AudioPT: 8, Voice: audio.ALaw, Loss: audio.LossOf("PCMA")}))
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

	l.reports.Told([]byte(strings.Repeat("\x00", 10)+"\xb7\x05\x20\x00"), q.t.now)
	report := []byte("\x81\xc9\x00\x07\x00\x00\x00\x4d" + strings.Repeat("\x00", 16) + "\xb7\x05\x20\x00\x00\x05\x40\x00")
	putSSRC := report[8:12]
	for i := range putSSRC {
		putSSRC[i] = byte(l.out.stream.ssrc >> (24 - 8*i))
	}
	l.reports.Note(report, report[8:], l.out.stream.ssrc, q.t.now+11375*ms)
	s = l.figures(q.t.base)
	if d := s.RoundTrip - 6125*ms; d.Abs() > ms {
		t.Errorf("round trip %v", s.RoundTrip)
	}
	if s.Quality.MOS > 1.05 {
		t.Errorf("%+v", s.Quality)
	}
}
