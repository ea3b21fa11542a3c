package call

import (
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/party"
	"viaduct/appliance/rounds"
	"viaduct/appliance/route"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
)

func TestCallThatWasForwardedForEverIsRefused(t *testing.T) {
	in := &sipgw.Incoming{Interface: config.InterfaceID{Name: "teams"}}
	for times, ok := range map[int]bool{maxDiversions: true, maxDiversions + 1: false} {
		if c := (&call{m: New(Options{}), origin: origin{diverted: party.Diverted{Times: times}}}); c.enterRound(in) != ok {
			t.Errorf("%d times: %v", times, !ok)
		}
	}
}

func TestCallThatGoesInACircleIsRefused(t *testing.T) {
	m, in := New(Options{}), &sipgw.Incoming{Interface: config.InterfaceID{Name: "teams"}}
	one := func() *call { return &call{m: m, props: route.Call{CallingE164: "+491", CalledE164: "+492"}} }
	first := one()
	for n := range rounds.MaxAlike {
		if c := one(); !c.enterRound(in) {
			t.Fatalf("call %d is one too many", n)
		} else if n == 0 {
			first = c
		}
	}
	if one().enterRound(in) {
		t.Error("it is not refused")
	}
	if first.origin.round.Leave(); !one().enterRound(in) {
		t.Error("an answered call is counted")
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
