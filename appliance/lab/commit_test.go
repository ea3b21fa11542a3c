package lab

import (
	"strings"
	"testing"
)

// A change that goes back cuts no call: it is a change like any other, and calls keep what they were set up with. So it is for one that has
// nothing to do with the call, and for one that takes the call's own interface away; what comes next has what was there before.
func TestAChangeThatGoesBackLeavesCallsAlone(t *testing.T) {
	r := runBox(t, Setup{})
	before, err := r.box.Exec(r.ctx, "show running-config")
	if err != nil {
		t.Fatal(err)
	}
	out, in := r.fromTeams(Dial{})
	speak := func(when string) {
		t.Helper()
		wantTone(t, when+", Teams", out.Audio, StarfaceTone)
		wantTone(t, when+", STARFACE", in.Audio, TeamsTone)
	}
	speak("at first")
	for _, c := range []struct{ name, lines string }{
		{"a mapping table and another profile", "context cs SWITCH\nmapping-table called-e164 to called-e164 mt_teams2starface-b-internalCalls\nmap 1 to 2\nexit\nexit\nprofile voip other\ncodec 1 g722\nexit\n"},
		{"its interfaces", "context cs SWITCH\ninterface sip if_sip_starface\nremote other.meinefirma.de\nsession-timer 90\nexit\nservice hunt-group hg_microsoft-directrouting\nno route call 1\nexit\nno interface sip if_sip_microsoft-directrouting-primary\nexit\n" +
			"profile voip pf_voip_starface\nno codec 1\ncodec 1 g711ulaw64k\nexit\n"},
	} {
		if said, err := r.box.Paste(r.ctx, "enable\nconfigure confirm 5\n"+c.lines+"end\n"); err != nil || !strings.Contains(said, "goes back in 5 minutes") {
			t.Fatalf("%s: %v\n%s", c.name, err, said)
		}
		if now, err := r.box.Exec(r.ctx, "show running-config"); err != nil || now == before {
			t.Fatalf("%s: nothing has changed, %v", c.name, err)
		}
		speak(c.name + ", changed")
		if _, err := r.box.Exec(r.ctx, "no confirm"); err != nil {
			t.Fatal(err)
		}
		if now, err := r.box.Exec(r.ctx, "show running-config"); err != nil || now != before {
			t.Errorf("%s: %v, back it is\n%s", c.name, err, now)
		}
		speak(c.name + ", back")
	}
	if reply, err := out.Refresh(r.ctx); err != nil || !reply.Same {
		t.Errorf("a refresh: %+v, %v", reply, err)
	}
	r.end(out, in)
	r.ended()
	for _, side := range []*Call{out, in} {
		if s := side.Audio.Stats(); s.Lost > 0 || s.Bad > 0 || s.Foreign > 0 {
			t.Errorf("audio %+v", s)
		}
	}
	if err := r.Starface.WaitRegistered(r.ctx, 3); err != nil {
		t.Fatal(err)
	}
	if err := r.Teams.WaitActive(r.ctx); err != nil {
		t.Fatal(err)
	}
	out, in = r.fromTeams(Dial{})
	speak("afterwards")
	r.end(in, out)
	r.ended()
}

// A gateway that is shut down hangs up its calls before its sockets close, on both sides, and takes calls again when it is open.
func TestAGatewayThatIsShutDownHangsUp(t *testing.T) {
	t.Parallel() // registrations come back after a while
	r := runBox(t, Setup{})
	for _, gateway := range []string{"gw_sip_lan_5060", "gw_sip_wan_5062"} {
		change := func(word string) {
			t.Helper()
			if said, err := r.box.Paste(r.ctx, "enable\nconfigure\ncontext sip-gateway "+gateway+"\n"+word+"\nend\n"); err != nil {
				t.Fatalf("%s: %v\n%s", gateway, err, said)
			}
		}
		sockets := strings.Count(r.log.String(), "msg=listening gw="+gateway)
		out, in := r.fromTeams(Dial{})
		change("shutdown")
		for _, side := range []*Call{out, in} {
			if e, err := side.WaitOver(r.ctx); err != nil || !e.ByBox {
				t.Errorf("%s, the call ended %+v, %v", gateway, e, err)
			}
		}
		r.ended()
		change("no shutdown")
		r.wait(gateway+" again", func() bool {
			text, err := r.box.Exec(r.ctx, "show sip registrations")
			return err == nil && strings.Count(text, "State: registered") == 3 && strings.Count(r.log.String(), "msg=listening gw="+gateway) == 2*sockets
		})
		out, in = r.fromTeams(Dial{})
		r.end(in, out)
		r.ended()
	}
	records, err := r.box.WaitRecords(r.ctx, 4)
	if err != nil {
		t.Fatal(err)
	}
	for n, by := range []string{"box", "callee", "box", "callee"} {
		if rec := records[n]; rec.Code != 200 || string(rec.By) != by {
			t.Errorf("record %d: %+v", n, rec)
		}
	}
}
