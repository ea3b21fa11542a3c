package lab

import (
	"context"
	"strings"
	"testing"
	"time"
)

// `ringback local`: the PBX hears 425 Hz while Teams rings, and the callee once it has answered.
func TestTheBoxPlaysTheRingingTone(t *testing.T) {
	r := runBox(t, Setup{}, "    early-disconnect\n    no call-transfer accept\n    no call-transfer emit\n    address-complete",
		"    early-disconnect\n    ringback local\n    no call-transfer accept\n    no call-transfer emit\n    address-complete")
	r.Teams.Behave(Behaviour{Manual: true})
	out, in := r.pbxRings(Ring{})
	<-out.Ringing()
	if p := out.Provisionals(); len(p) == 0 || p[len(p)-1].Code != 183 || !p[len(p)-1].Media {
		t.Errorf("the PBX was told %+v", p)
	}
	ctx, stop := context.WithTimeout(r.ctx, hangs)
	defer stop()
	for { // it sounds for one second of five
		tone, err := out.Audio.Listen(ctx, 300*time.Millisecond)
		if err == nil && tone.Hz > 424 && tone.Hz < 426 && tone.DBm0 > -10.5 && tone.DBm0 < -9.5 {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("no ringing tone: %v %v", tone, err)
		}
	}
	if err := in.Answer(); err != nil {
		t.Fatal(err)
	}
	r.up(out, in)
	wantTone(t, "PBX", out.Audio, TeamsTone)
	wantTone(t, "Teams", in.Audio, StarfaceTone)
	r.end(out, in)
	r.ended()
}

// `srtp renegotiate-on-connect`, which the reference configuration has towards Teams: a call from and one to Teams get a new key
// and go on.
func TestANewKeyOnceACallIsConnected(t *testing.T) {
	r := runBox(t, Setup{})
	for n, call := range []func() (out, in *Call){
		func() (*Call, *Call) { return r.fromPBX(Ring{}) },
		func() (*Call, *Call) { return r.fromTeams(Dial{}) },
	} {
		out, in := call()
		r.wait("the new key", func() bool { return strings.Count(r.log.String(), "srtp key renewed") > n })
		wantTone(t, "caller", out.Audio, []float64{TeamsTone, StarfaceTone}[n])
		wantTone(t, "callee", in.Audio, []float64{StarfaceTone, TeamsTone}[n])
		r.end(out, in)
		r.ended()
		for _, side := range []*Call{out, in} {
			if s := side.Audio.Stats(); s.Lost > 0 || s.Foreign > 0 || s.Bad > 0 {
				t.Errorf("audio %+v", s)
			}
		}
	}
}
