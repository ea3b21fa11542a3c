package peers

import (
	"reflect"
	"testing"
	"time"

	"viaduct/appliance/status"
)

func TestWhatIsSaidOfAPeer(t *testing.T) {
	now := time.Now()
	p := status.Peer{Interface: "if_teams", State: status.PeerDown, Messages: status.SIPTraffic{
		Received: status.SIPMessages{Requests: []status.SIPCount{{Of: "OPTIONS", N: 3}}, Responses: []status.SIPCount{{Of: "200", N: 4}}},
		Sent:     status.SIPMessages{Requests: []status.SIPCount{{Of: "INVITE", N: 5}, {Of: "OPTIONS", N: 6}}},
	}}
	old, fresh := &status.TLS{Subject: "CN=old", NotAfter: now.AddDate(1, 0, 0)}, &status.TLS{Subject: "CN=fresh", NotAfter: now.AddDate(0, 0, 3)}
	v := peerOf(p, []status.Connection{{Interface: "if_teams", Opened: now, TLS: fresh}, {Interface: "if_teams", Opened: now.Add(-time.Hour), TLS: old}, {Interface: "if_other", Opened: now.Add(time.Hour), TLS: old}},
		[]drainView{{Drain: status.Drain{What: "interface sip if_other"}}, {Drain: status.Drain{What: "interface sip if_teams"}}})
	if v.Kind != "error" || v.TLS != fresh || !v.Expiring || v.Drain == nil || v.Drain.What != "interface sip if_teams" {
		t.Errorf("%+v", v)
	}
	if want := []count{{"OPTIONS", 3, 6}, {"INVITE", 0, 5}, {"200", 4, 0}}; !reflect.DeepEqual(v.Counts, want) {
		t.Errorf("%v, want %v", v.Counts, want)
	}
}

func TestWhyARegistrationFails(t *testing.T) {
	for _, x := range []struct {
		r       status.Registration
		why, do string
	}{
		{status.Registration{State: status.Registered, Code: 200, Error: "of before"}, "", ""},
		{status.Registration{State: status.RegistrationFailed, Code: 403, Reason: "Forbidden"}, "403 Forbidden", "peers.do.password"},
		{status.Registration{State: status.RegistrationFailed, Code: 404, Reason: "Not Found", Error: "no such user"}, "no such user", "peers.do.account"},
		{status.Registration{State: status.RegistrationFailed, Error: "no answer"}, "no answer", "peers.do.reach"},
		{status.Registration{State: status.RegistrationFailed, Code: 503}, "503", "peers.do.server"},
		{status.Registration{State: status.Registering}, "", ""},
	} {
		if v := registrationOf(x.r); v.Why != x.why || v.Do != x.do {
			t.Errorf("%+v: %q %q", x.r, v.Why, v.Do)
		}
	}
}

func TestWhatTakesBackADrain(t *testing.T) {
	for what, want := range map[string]string{"the box": "no drain", "context cs SWITCH": "no drain context cs SWITCH", "interface sip if_pbx": "no drain interface sip if_pbx"} {
		if got := undrainLine(what); got != want {
			t.Errorf("%s: %s", what, got)
		}
	}
}
