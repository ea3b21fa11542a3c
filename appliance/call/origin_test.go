package call

import (
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/party"
	"viaduct/appliance/route"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
)

func TestCallsInACircleAreCounted(t *testing.T) {
	m := New(Options{})
	one := func(calling, called string) *call {
		return &call{m: m, props: route.Call{CallingE164: calling, CalledE164: called}}
	}
	var calls []*call
	in := &sipgw.Incoming{Interface: config.InterfaceID{Name: "teams"}}
	for n := range maxAlike {
		c := one("+491", "+492")
		if c.looping(in) {
			t.Fatalf("call %d is one too many", n)
		}
		calls = append(calls, c)
	}
	for _, x := range []struct {
		why    string
		c      *call
		in     string
		circle bool
	}{
		{"the same once more", one("+491", "+492"), "teams", true},
		{"another callee: a ring group", one("+491", "+493"), "teams", false},
		{"another caller", one("+494", "+492"), "teams", false},
		{"from the other side", one("+491", "+492"), "pbx", false},
		{"a caller without number", one("", "+492"), "teams", false},
	} {
		if got := x.c.looping(&sipgw.Incoming{Interface: config.InterfaceID{Name: x.in}}); got != x.circle {
			t.Errorf("%s: %v", x.why, got)
		}
		x.c.endRound()
	}
	calls[0].endRound() // answered
	calls[0].endRound() // and over
	if one("+491", "+492").looping(in) {
		t.Error("answered calls are counted")
	}
	for _, c := range calls[1:] {
		c.endRound()
	}
	if m.rounds[loopKey{config.InterfaceID{Name: "teams"}, "+491", "+492"}] != 1 || len(m.rounds) != 1 {
		t.Errorf("left over: %v", m.rounds)
	}
	if c := (&call{m: m, origin: origin{diverted: party.Diverted{Times: maxDiversions + 1}}}); !c.looping(in) {
		t.Error("forwarded for ever")
	}
}

func TestMaxForwardsGoesDown(t *testing.T) {
	for value, want := range map[string]int{"": 70, "Max-Forwards: 70": 69, "Max-Forwards: 1": 0, "Max-Forwards: x": 70} {
		message := "INVITE sip:a@b SIP/2.0\nVia: SIP/2.0/UDP b;branch=z9hG4bK1\nFrom: <sip:c@d>;tag=1\nTo: <sip:a@b>\nCall-ID: 1\nCSeq: 1 INVITE\nContact: <sip:c@d>\n" + value
		r, err := sipmsg.ParseRequest([]byte(strings.ReplaceAll(strings.TrimSuffix(message, "\n")+"\n\n", "\n", "\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		if got := originOf(&config.Switch{}, &sipgw.Incoming{Request: r}).forwards; got != want {
			t.Errorf("%q: %d, want %d", value, got, want)
		}
	}
}
