package media

import (
	"math"
	"testing"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/srtp"
)

// goertzel is the power of a frequency in samples, as the mean square of a sine.
func goertzel(samples []int16, hz float64) float64 {
	w := 2 * math.Cos(2*math.Pi*hz/8000)
	var a, b float64
	for _, v := range samples {
		a, b = float64(v)+w*a-b, a
	}
	n := float64(len(samples))
	return 2 * (a*a + b*b - w*a*b) / n / n
}

// ITU-T E.180: 425 Hz, one second of five, -10 dBm0, in either law and in packets as long as the caller wants.
func TestRingingTone(t *testing.T) {
	for _, c := range []struct {
		voice *audio.Codec
		ptime time.Duration
	}{{audio.ALaw, 0}, {audio.MuLaw, 30 * ms}} {
		q := newQuietPath(t, none(Params{AudioPT: 8, Voice: c.voice, Ptime: c.ptime}), none(Params{AudioPT: 8, Voice: c.voice}))
		if err := q.s.Ring(A, true); err != nil {
			t.Fatal(err)
		}
		q.t.now = time.Second // Ring has looked at the clock
		q.s.legs[A].out.noise.next = q.t.now
		var samples []int16
		var last []byte
		for range 6000 {
			q.t.sendNoise()
			for _, p := range q.left() {
				if last != nil && (seqOf(p) != seqOf(last)+1 || tsOf(p)-tsOf(last) != uint32(len(payload(last))) || p[1] != 8) {
					t.Fatalf("%x after %x", p[:12], last[:12])
				}
				part := make([]int16, len(payload(p)))
				c.voice.Decode(part, payload(p))
				samples = append(samples, part...)
				last = p
			}
			q.step(ms)
		}
		if len(samples) < 47000 || c.ptime == 30*ms && len(payload(last)) != 240 {
			t.Fatalf("%d samples, packets of %d", len(samples), len(payload(last)))
		}
		full := 32767.0 * 32767 / 2
		for second := range 5 {
			part := samples[8000*second : 8000*(second+1)]
			level := 10*math.Log10(goertzel(part, 425)/full+1e-12) + 3.14
			if second == 0 && math.Abs(level+10) > 0.3 || second > 0 && level > -60 {
				t.Errorf("%s, second %d: 425 Hz at %.1f dBm0", c.voice.Name, second, level)
			}
			var all float64
			for _, v := range part {
				all += float64(v) * float64(v) / 8000
			}
			if second == 0 && goertzel(part, 425) < 0.98*all {
				t.Errorf("%s: %.0f %% of it is the tone", c.voice.Name, 100*goertzel(part, 425)/all)
			}
		}
	}
}

func TestAVoiceTakesThePlaceOfTheRingingTone(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.pa.Voice, c.pb.Voice = audio.ALaw, audio.ALaw
	before := c.pb
	c.pb.Receive, c.pb.Send = false, false // the callee has said nothing yet
	c.set(t)
	if err := c.Ring(A, true); err != nil {
		t.Fatal(err)
	}
	var last []byte
	for range 10 {
		if last = c.a.receive(); audio.ALaw.Level(payload(last)) > 17 {
			t.Fatal("no tone")
		}
	}
	c.pb = before
	c.set(t)
	sent := c.b.send(8)
	for began := time.Now(); ; {
		got := c.a.receive()
		if seqOf(got) != seqOf(last)+1 {
			t.Errorf("number %d after %d", seqOf(got), seqOf(last))
		}
		if last = got; string(payload(got)) == string(payload(sent)) {
			break
		}
		if time.Since(began) > patience {
			t.Fatal("the voice does not come")
		}
	}
	c.a.nothing("the tone goes on under the voice")

	if err := c.Ring(A, true); err != nil {
		t.Fatal(err)
	}
	c.a.receive()
	if err := c.Ring(A, false); err != nil {
		t.Fatal(err)
	}
	for c.a.read(c.a.rtp, rest) != nil { // one may have been under way
	}
	c.a.nothing("the tone has been ended")
}

func TestRingingToneNeedsG711(t *testing.T) {
	r := running(t, Options{})
	c := call(t, r, "")
	if err := c.Ring(A, true); err == nil {
		t.Error("a tone in a codec that we do not speak")
	}
	fresh := r.NewSession()
	if err := fresh.Ring(A, true); err == nil {
		t.Error("a tone for a side without ports")
	}
	fresh.Close()
	if err := fresh.Ring(A, true); err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}
