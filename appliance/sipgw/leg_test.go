package sipgw

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptx"
)

// onPaper runs a test in virtual time.
func onPaper(t *testing.T, change func(*config.Config, *config.SIPInterface), f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, change)
		defer b.end()
		f(t, b)
	})
}

func TestIncomingCallIsAnsweredAndEndedByThePeer(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put(inviteText("c1", "b1", "Record-Route: <sip:p2.example;lr;x=\"a,b\">, <sip:p1.example;lr>\n", "v=0 offer"))
		in := <-b.calls
		b.one("SIP/2.0 100 ")
		if in.Interface != peerID("pbx") || in.Request.From.User() != "user.01" || in.Request.From.Name != "A" || string(in.Request.Body) != "v=0 offer" {
			t.Errorf("request %+v", in.Request)
		}
		b.call.on(func() { in.Leg.Provisional(180, "", nil) })
		r := b.one("SIP/2.0 180 Ringing")
		if field(r, "Record-Route") != "<sip:p2.example;lr;x=\"a,b\">, <sip:p1.example;lr>" {
			t.Errorf("Record-Route %q", field(r, "Record-Route"))
		}
		b.call.on(func() { in.Leg.Answer([]byte("v=0 answer")) })
		ok := b.one("SIP/2.0 200 OK")
		if got := field(ok, "Contact"); got != "<sip:+49711@192.0.2.1:5060>" {
			t.Errorf("Contact %q", got)
		}
		if got := field(ok, "Allow"); strings.Contains(got, "REFER") || !strings.Contains(got, "NOTIFY") {
			t.Errorf("Allow %q", got)
		}
		tag := tagOf(field(ok, "To"))
		if tag == "" || tag != tagOf(field(r, "To")) {
			t.Error("the tag changed")
		}
		b.put(inDialogText("ACK", "c1", "a1", tag, 1, "", ""))
		b.sent()
		want[Acked](t, b.call)
		b.put(inDialogText("BYE", "c1", "b2", tag, 2, "Reason: Q.850;cause=16\n", ""))
		b.one("SIP/2.0 200 OK")
		if e := want[Ended](t, b.call); e.Reason != "Q.850;cause=16" || e.Code != 0 {
			t.Errorf("%+v", e)
		}
		b.put(inDialogText("BYE", "c1", "b2", tag, 2, "", ""))
		b.one("SIP/2.0 200 OK") // a retransmission
		time.Sleep(time.Minute)
		b.put(inDialogText("INFO", "c1", "b3", tag, 3, "", ""))
		b.one("SIP/2.0 481 ")
		c := b.g.transactions.Count()
		if n := legsOf(b.g) + c.Servers + c.Merged + c.Lingering; n > 1 {
			t.Errorf("%d things left", n)
		}
	})
}

func TestAnswerIsRepeatedUntilItsACK(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put(inviteText("c1", "b1", "", "v=0"))
		in := <-b.calls
		b.one("SIP/2.0 100 ")
		b.call.on(func() { in.Leg.Answer([]byte("v=0")) })
		ok := b.one("SIP/2.0 200 ")
		time.Sleep(4 * time.Second) // 0.5, 1.5, 3.5
		for _, m := range b.starts("SIP/2.0 200 ", "SIP/2.0 200 ", "SIP/2.0 200 ") {
			if m != ok {
				t.Error("a repeated 200 differs")
			}
		}
		b.put(inviteText("c1", "b1", "", "v=0")) // RFC 6026: absorbed
		b.starts()
		time.Sleep(time.Minute)
		list := b.sent()
		if e := want[Ended](t, b.call); e.Code != 408 {
			t.Errorf("%+v", e)
		}
		bye := ""
		for _, m := range list {
			if strings.HasPrefix(m, "BYE ") {
				bye = m
			}
		}
		if bye == "" {
			t.Fatal("no BYE when the ACK did not come")
		}
	})
}

func TestByeWaitsForTheACK(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put(inviteText("c1", "b1", "", "v=0"))
		in := <-b.calls
		b.one("SIP/2.0 100 ")
		b.call.on(func() {
			in.Leg.Answer([]byte("v=0"))
			in.Leg.Bye(sipmsg.Header{Name: "Reason", Value: "Q.850;cause=16"})
		})
		ok := b.one("SIP/2.0 200 ")
		b.put(inDialogText("ACK", "c1", "a1", tagOf(field(ok, "To")), 1, "", ""))
		bye := b.one("BYE sip:user.01@192.0.2.100:5060;x=1;x=2 SIP/2.0") // byte for byte
		if field(bye, "Reason") != "Q.850;cause=16" || tagOf(field(bye, "To")) != "from-c1" || tagOf(field(bye, "From")) != tagOf(field(ok, "To")) {
			t.Errorf("%s", bye)
		}
		b.put(reply(bye, "200 OK", "", "", ""))
		b.starts()
	})
}

func TestCancelEndsAnIncomingCall(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put(inviteText("c1", "b1", "", "v=0"))
		<-b.calls
		b.one("SIP/2.0 100 ")
		cancel := strings.ReplaceAll(inviteText("c1", "b1", "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\n", ""), "INVITE", "CANCEL")
		b.put(cancel)
		list := b.starts("SIP/2.0 200 ", "SIP/2.0 487 ")
		if e := want[Cancelled](t, b.call); e.Reason != `SIP;cause=200;text="Call completed elsewhere"` {
			t.Errorf("%+v", e)
		}
		time.Sleep(600 * time.Millisecond)
		b.one("SIP/2.0 487 ") // until its ACK
		b.put(strings.ReplaceAll(strings.ReplaceAll(inviteText("c1", "b1", "", ""), "INVITE", "ACK"), "To: <sip:+49711@192.0.2.1>", "To: "+field(list[1], "To")))
		time.Sleep(time.Minute)
		b.starts()
		b.put(cancel)
		b.one("SIP/2.0 481 ")
	})
}

func TestCancelAfterTheAnswerChangesNothing(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put(inviteText("c1", "b1", "", "v=0"))
		in := <-b.calls
		b.call.on(func() { in.Leg.Answer([]byte("v=0")) })
		b.starts("SIP/2.0 100 ", "SIP/2.0 200 ")
		b.put(strings.ReplaceAll(inviteText("c1", "b1", "", ""), "INVITE", "CANCEL"))
		b.one("SIP/2.0 200 ")
		b.call.none(t)
	})
}

func TestUntakenCallIsRefused(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.s.opts.OnInvite = func(*Incoming) {}
		b.put(inviteText("c1", "b1", "", "v=0"))
		b.starts("SIP/2.0 100 ", "SIP/2.0 500 ")
		b.s.opts.OnInvite = func(i *Incoming) { i.Leg.Reject(404, "", sipmsg.Header{Name: "Reason", Value: "Q.850;cause=1"}) }
		b.put(inviteText("c2", "b2", "", "v=0"))
		if m := b.starts("SIP/2.0 100 ", "SIP/2.0 404 Not Found"); field(m[1], "Reason") != "Q.850;cause=1" {
			t.Error(m[1])
		}
	})
}

func TestOutgoingCall(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, invite := b.dial(func(r *Invite) { r.Headers = []sipmsg.Header{{Name: "P-Asserted-Identity", Value: "<sip:+49@x>"}} })
		if field(invite, "Via") == "" || !strings.HasPrefix(field(invite, "Via"), "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK") ||
			field(invite, "Contact") != "<sip:user.01@192.0.2.1:5060>" || field(invite, "P-Asserted-Identity") != "<sip:+49@x>" || bodyOf(invite) != "v=0 offer" {
			t.Errorf("%s", invite)
		}
		b.put(reply(invite, "100 Trying", "", "", ""))
		b.put(reply(invite, "180 Ringing", "x", "", ""))
		b.put(reply(invite, "183 Session Progress", "y", "", "v=0 early"))
		b.put(reply(invite, "200 OK", "z", peerContact+"Record-Route: <sip:192.0.2.100;lr;a=1>, <sip:b.example;lr;x-c=q/1>\n", "v=0 answer"))
		for _, code := range []int{100, 180, 183} {
			if e := want[Progress](t, b.call); e.Code != code {
				t.Fatalf("%+v", e)
			}
		}
		if e := want[Answered](t, b.call); string(e.Body) != "v=0 answer" {
			t.Errorf("%+v", e)
		}
		// The route set is reversed, and its first hop decides where the ACK goes; b.example does not resolve here.
		b.sent()
		if got := strings.Join(l.dialog.Routes, "|"); got != "<sip:b.example;lr;x-c=q/1>|<sip:192.0.2.100;lr;a=1>" {
			t.Errorf("routes %q", got)
		}
	})
}

func TestRequestsInTheDialogAreByteForByte(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, invite := b.dial(nil)
		b.put(reply(invite, "200 OK", "z", "Contact: \"x\" <sip:api.example:443;x-i=5;x-c=a/b;flag;x-i=6>;isfocus\nRecord-Route: <sip:192.0.2.100:5070;lr;transport=udp;x>\n", "v=0"))
		ack := b.one("ACK sip:api.example:443;x-i=5;x-c=a/b;flag;x-i=6 SIP/2.0")
		if field(ack, "Route") != "<sip:192.0.2.100:5070;lr;transport=udp;x>" || field(ack, "CSeq") != strings.Replace(field(invite, "CSeq"), "INVITE", "ACK", 1) {
			t.Error(ack)
		}
		b.put(reply(invite, "200 OK", "z", "", "v=0"))
		if again := b.one("ACK "); again != ack {
			t.Errorf("another ACK for a retransmitted 200:\n%s\n%s", ack, again)
		}
		b.call.on(func() { l.Bye() })
		b.one("BYE sip:api.example:443;x-i=5;x-c=a/b;flag;x-i=6 SIP/2.0")
	})
}

func TestStrictRouterIsServed(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		_, invite := b.dial(nil)
		b.put(reply(invite, "200 OK", "z", peerContact+"Record-Route: <sip:192.0.2.100:5060>\n", "v=0"))
		if ack := b.one("ACK sip:192.0.2.100:5060 SIP/2.0"); field(ack, "Route") != "<sip:100@192.0.2.100:5060;p=1;q>" {
			t.Error(ack)
		}
	})
}

func TestCancelOnlyAfterAProvisional(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, invite := b.dial(nil)
		b.call.on(func() { l.Cancel(sipmsg.Header{Name: "Reason", Value: "SIP;cause=200"}) })
		b.starts()
		b.put(reply(invite, "100 Trying", "", "", ""))
		cancel := b.one("CANCEL ")
		if field(cancel, "Via") != field(invite, "Via") || field(cancel, "Reason") != "SIP;cause=200" || field(cancel, "To") != field(invite, "To") {
			t.Error(cancel)
		}
		b.put(reply(cancel, "200 OK", "", "", ""))
		b.put(reply(invite, "487 Request Terminated", "z", "", ""))
		b.one("ACK ")
		if e := want[Failed](t, b.call); e.Code != 487 {
			t.Errorf("%+v", e)
		}
		time.Sleep(2 * time.Minute)
		b.starts()
	})
}

func TestAnswerCrossingOurCancelIsAcknowledgedAndEnded(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, invite := b.dial(nil)
		b.put(reply(invite, "180 Ringing", "z", "", ""))
		want[Progress](t, b.call)
		b.call.on(func() { l.Cancel(); b.call.End() }) // the owner does not wait for what follows
		cancel := b.one("CANCEL ")
		b.put(reply(invite, "200 OK", "z", peerContact, "v=0"))
		list := b.starts("ACK ", "BYE ")
		if field(list[1], "To") == "" || tagOf(field(list[1], "To")) != "z" {
			t.Error(list[1])
		}
		b.put(reply(cancel, "481 No", "z", "", ""))
		b.put(reply(invite, "200 OK", "z", peerContact, "v=0"))
		b.one("ACK ")
		b.put(reply(list[1], "200 OK", "", "", ""))
		time.Sleep(2 * time.Minute)
		b.starts()
		if n := legsOf(b.g) + b.g.transactions.Count().Clients; n != 0 {
			t.Errorf("%d things left", n)
		}
	})
}

func TestSecondForkIsEnded(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		_, invite := b.established(nil, "")
		b.put(reply(invite, "200 OK", "other", "Contact: <sip:other@192.0.2.100:5060>\n", "v=0"))
		list := b.starts("ACK sip:other@", "BYE sip:other@")
		if tagOf(field(list[0], "To")) != "other" || tagOf(field(list[1], "To")) != "other" {
			t.Error(list)
		}
		b.put(reply(invite, "200 OK", "other", "Contact: <sip:other@192.0.2.100:5060>\n", "v=0"))
		b.one("ACK sip:other@")
		b.put(reply(list[1], "200 OK", "", "", ""))
		b.call.none(t)
	})
}

// Legs that have ended share a timer, and each stays as long as a BYE may cross ours.
func TestEndedLegsAreForgottenInTheirOrder(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		for _, want := range []int{1, 2, 3} {
			l, _ := b.established(nil, "")
			b.call.on(func() { l.Bye() })
			bye := b.one("BYE ")
			b.put(reply(bye, "200 OK", "", "", ""))
			r := sipmsg.Replaces{CallID: l.dialog.CallID, ToTag: l.dialog.LocalTag, FromTag: l.dialog.RemoteTag}
			if past, state := b.g.find(r); past == nil || past == l || state != legOver {
				t.Errorf("what is left of a leg is %v in state %v", past, state)
			}
			if n := legsOf(b.g); n != want {
				t.Errorf("%d are known, not %d", n, want)
			}
			time.Sleep(time.Second)
		}
		for _, want := range []int{3, 2, 1, 0} { // the first ended three seconds ago
			if n := legsOf(b.g); n != want {
				t.Errorf("%d are known, not %d", n, want)
			}
			time.Sleep(time.Second + time.Second/4) // as long as the next look waits
			if want == 3 {
				time.Sleep(time.Second)
			}
		}
		if _, past := b.g.legs.Count(); past != 0 {
			t.Error(past)
		}
	})
}

// A fork may answer when the call is over and its leg forgotten.
func TestLateForkIsEnded(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, invite := b.established(nil, "")
		b.call.on(func() { l.Bye() })
		bye := b.one("BYE ")
		b.put(reply(bye, "200 OK", "", "", ""))
		time.Sleep(10 * time.Second)
		if n := legsOf(b.g) + b.g.transactions.Count().Clients; n != 0 {
			t.Errorf("%d things left", n)
		}
		b.put(reply(invite, "200 OK", tagOf(field(bye, "To")), peerContact, "v=0"))
		b.one("ACK ")
		other := reply(invite, "200 OK", "other", "Contact: <sip:other@192.0.2.100:5060>\n", "v=0")
		b.put(other)
		list := b.starts("ACK sip:other@", "BYE sip:other@")
		for _, m := range list {
			if tagOf(field(m, "To")) != "other" || field(m, "From") != field(invite, "From") || field(m, "Call-ID") != field(invite, "Call-ID") {
				t.Error(m)
			}
		}
		if seq, _, _ := strings.Cut(field(invite, "CSeq"), " "); field(list[0], "CSeq") != seq+" ACK" {
			t.Error(list[0])
		}
		b.put(other)
		if again := b.one("ACK sip:other@"); again != list[0] {
			t.Error(again)
		}
		b.put(reply(list[1], "200 OK", "", "", ""))
		if c := b.g.transactions.Count(); c.Clients != 0 || c.Settled != 2 {
			t.Errorf("%+v", c)
		}
		time.Sleep(time.Minute)
		b.put(other)
		b.starts()
		if c := b.g.transactions.Count(); c.Settled != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// A 2xx comes again from where the INVITE went, wherever its Record-Route leads the ACK.
func TestALostACKIsRepeatedThoughItGoesElsewhere(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		_, invite := b.dial(nil)
		ok := reply(invite, "200 OK", "far", peerContact+"Record-Route: <sip:198.51.100.77;lr>\n", "v=0 answer")
		b.put(ok)
		ack := b.one("ACK ")
		b.put(ok)
		if again := b.one("ACK "); again != ack {
			t.Error(again)
		}
	})
}

// Whoever answers an INVITE again and again, with a new tag each time, makes the box end a few dialogs only: while the leg remembers
// the INVITE, since other early dialogs are known, and afterwards.
func TestForksHaveABound(t *testing.T) {
	for _, ringing := range []string{"", "180 Ringing"} {
		onPaper(t, nil, func(t *testing.T, b *bench) {
			_, invite := b.dial(nil)
			if ringing != "" {
				b.put(reply(invite, ringing, "early", peerContact, ""))
			}
			b.put(reply(invite, "200 OK", "far", peerContact, "v=0 answer"))
			b.one("ACK ")
			for n := range 10 * siptx.MaxForks {
				b.put(reply(invite, "200 OK", "other"+itoa(n), "Contact: <sip:other@192.0.2.100:5060>\n", "v=0"))
			}
			ended := 0
			for _, m := range b.sent() {
				if strings.HasPrefix(m, "BYE ") && strings.Contains(field(m, "CSeq"), " BYE") {
					ended++
				}
			}
			if c := b.g.transactions.Count(); ended == 0 || c.Clients > siptx.MaxForks+1 || c.Settled > siptx.MaxForks+1 {
				t.Errorf("%s: %d BYE, %+v", ringing, ended, c)
			}
		})
	}
}

func TestInviteIsRepeatedAndGivenUp(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		start := time.Now()
		b.dial(nil)
		time.Sleep(31 * time.Second)
		if n := len(b.sent()); n != 5 { // 0.5 1.5 3.5 7.5 15.5
			t.Errorf("%d retransmissions", n)
		}
		if e := want[Failed](t, b.call); e.Code != 408 || !e.Local || time.Since(start) < 32*time.Second {
			t.Errorf("%+v after %v", e, time.Since(start))
		}
		time.Sleep(time.Minute)
		b.sent()
		b.starts()
	})
}

func TestRefusalIsReadAndAcknowledged(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		_, invite := b.dial(nil)
		b.put(reply(invite, "503 Service Unavailable", "z", "Reason: SIP;cause=503, Q.850;cause=34;text=\"no circuit\"\nRetry-After: 7 (busy)\n", ""))
		ack := b.one("ACK ")
		if field(ack, "Via") != field(invite, "Via") || tagOf(field(ack, "To")) != "z" {
			t.Error(ack)
		}
		if e := want[Failed](t, b.call); e.Code != 503 || e.Cause != 34 || e.RetryAfter != 7*time.Second || e.Local {
			t.Errorf("%+v", e)
		}
		b.put(reply(invite, "503 Service Unavailable", "z", "", ""))
		if b.one("ACK ") != ack {
			t.Error("another ACK")
		}
	})
}

func TestTimerC(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		_, invite := b.dial(nil)
		b.put(reply(invite, "180 Ringing", "z", "", ""))
		want[Progress](t, b.call)
		time.Sleep(3 * time.Minute)
		b.put(reply(invite, "180 Ringing", "z", "", ""))
		want[Progress](t, b.call)
		time.Sleep(3 * time.Minute)
		b.starts()
		time.Sleep(10 * time.Second)
		if m := b.sent(); len(m) == 0 || !strings.HasPrefix(m[0], "CANCEL ") {
			t.Fatalf("%q", firstLines(m))
		}
		if e := want[Failed](t, b.call); e.Code != 408 {
			t.Errorf("%+v", e)
		}
	})
}

func TestByeBeforeTheAnswer(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		_, invite := b.dial(nil)
		b.put("BYE sip:user.01@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKq;rport\nMax-Forwards: 70\nFrom: " + field(invite, "To") +
			";tag=z\nTo: " + field(invite, "From") + "\nCall-ID: " + field(invite, "Call-ID") + "\nCSeq: 1 BYE\nContent-Length: 0\n\n")
		b.one("SIP/2.0 200 ")
		want[Failed](t, b.call)
		b.put(reply(invite, "200 OK", "z", peerContact, "v=0"))
		b.one("ACK ")
	})
}

func TestOfferlessInviteIsAcknowledgedByTheCall(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, invite := b.dial(func(r *Invite) { r.Body = nil })
		b.put(reply(invite, "200 OK", "z", peerContact, "v=0 offer"))
		b.starts()
		want[Answered](t, b.call)
		b.call.on(func() { l.Ack([]byte("v=0 mine")) })
		if m := b.one("ACK "); bodyOf(m) != "v=0 mine" || field(m, "Content-Type") != "application/sdp" {
			t.Error(m)
		}
	})
}

func TestUncleanHeadersAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Invite){
		"in a header":       func(r *Invite) { r.Headers = []sipmsg.Header{{Name: "X", Value: "a\r\nVia: b"}} },
		"in a header name":  func(r *Invite) { r.Headers = []sipmsg.Header{{Name: "X\r\nY", Value: "a"}} },
		"in the URI":        func(r *Invite) { r.RequestURI = "sip:1\r\n2@x" },
		"a blank in it":     func(r *Invite) { r.RequestURI = "sip:1 2@x" },
		"in From":           func(r *Invite) { r.From.URI = "sip:a\r\nb@x" },
		"in a display name": func(r *Invite) { r.From.Name = "a\r\nb" },
		"in the Contact":    func(r *Invite) { r.ContactUser = "a\r\nb" },
	} {
		t.Run(name, func(t *testing.T) {
			onPaper(t, nil, func(t *testing.T, b *bench) {
				r := Invite{Interface: peerID("pbx"), RequestURI: "sip:100@192.0.2.100", From: sipmsg.NameAddr{URI: "sip:a@b"}, To: sipmsg.NameAddr{URI: "sip:100@192.0.2.100"}}
				change(&r)
				b.call.on(func() { b.s.Invite(b.call, r) })
				if e := want[Failed](t, b.call); !e.Local || e.Err == nil {
					t.Errorf("%+v", e)
				}
				b.starts()
			})
		})
	}
}

func TestUnknownInterfaceFails(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		var l *Leg
		b.call.on(func() { l = b.s.Invite(b.call, Invite{Interface: peerID("nobody")}) })
		if e := want[Failed](t, b.call); e.Code != 503 || !e.Local {
			t.Errorf("%+v", e)
		}
		b.call.on(func() {
			l.Bye()
			l.Cancel()
			l.Reinvite(nil)
			l.Answer(nil)
			l.Reject(500, "")
			l.Info()
		})
	})
}

// withAccount gives the gateway a location service with an account.
func withAccount(c *config.Config, _ *config.SIPInterface) {
	c.Auth = []*config.AuthService{{Name: "as", Users: []config.Credential{{Username: "user.01", Password: "secret"}}}}
	c.Location = []*config.LocationService{{Name: "ls", Identities: []*config.Identity{{Name: "user.01", IdentitySettings: config.IdentitySettings{
		AuthOutbound: &config.AuthOutbound{Services: []config.Authenticate{{Service: config.Ref[config.Config, config.AuthService]{Name: "as"}}}}}}}}}
	c.Gateways[0].Location = []config.Ref[config.Config, config.LocationService]{{Name: "ls"}}
}

func TestChallengeIsAnswered(t *testing.T) {
	const challenge = "WWW-Authenticate: Digest realm=\"asterisk\",nonce=\"abc\",algorithm=MD5,qop=\"auth\"\n"
	onPaper(t, withAccount, func(t *testing.T, b *bench) {
		l, invite := b.dial(func(r *Invite) { r.Identity = "user.01" })
		b.put(reply(invite, "401 Unauthorized", "z", challenge, ""))
		list := b.starts("ACK ", "INVITE ")
		second := list[1]
		if !strings.Contains(field(second, "Authorization"), `username="user.01"`) || field(second, "Via") == field(invite, "Via") ||
			field(second, "Call-ID") != field(invite, "Call-ID") || field(second, "CSeq") == field(invite, "CSeq") || field(second, "From") != field(invite, "From") {
			t.Error(second)
		}
		b.put(reply(second, "200 OK", "z", peerContact, "v=0"))
		if ack := b.one("ACK "); field(ack, "Authorization") != field(second, "Authorization") {
			t.Error(ack)
		}
		want[Answered](t, b.call)
		b.call.on(func() { l.Bye() })
		bye := b.one("BYE ")
		b.put(reply(bye, "401 Unauthorized", "", strings.Replace(challenge, "abc", "def", 1), ""))
		if again := b.one("BYE "); !strings.Contains(field(again, "Authorization"), `nonce="def"`) || field(again, "CSeq") == field(bye, "CSeq") {
			t.Error(again)
		}
	})
	t.Run("a wrong password is not repeated", func(t *testing.T) {
		onPaper(t, withAccount, func(t *testing.T, b *bench) {
			_, invite := b.dial(func(r *Invite) { r.Identity = "user.01" })
			b.put(reply(invite, "401 Unauthorized", "z", challenge, ""))
			second := b.starts("ACK ", "INVITE ")[1]
			b.put(reply(second, "401 Unauthorized", "z", strings.Replace(challenge, "abc", "def", 1), ""))
			b.one("ACK ")
			if e := want[Failed](t, b.call); e.Code != 401 {
				t.Errorf("%+v", e)
			}
		})
	})
}

func TestLegWithoutOwnerIsHungUp(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		_, ok := b.arrived("c1", "")
		b.call.End()
		b.starts()
		b.put(inDialogText("INFO", "c1", "i1", tagOf(field(ok, "To")), 2, "", ""))
		list := b.sent()
		if len(list) != 2 || !strings.HasPrefix(list[0], "SIP/2.0 481 ") || !strings.HasPrefix(list[1], "BYE ") {
			t.Errorf("%q", firstLines(list))
		}
		b.s.Invite(b.call, Invite{Interface: peerID("pbx"), RequestURI: "sip:1@192.0.2.100", From: sipmsg.NameAddr{URI: "sip:a@b"}, To: sipmsg.NameAddr{URI: "sip:1@b"}})
		if m := b.sent(); len(m) > 1 || len(m) == 1 && !strings.HasPrefix(m[0], "BYE ") {
			t.Errorf("%q", firstLines(m))
		}
	})
}
