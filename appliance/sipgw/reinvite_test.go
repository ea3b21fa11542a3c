package sipgw

import (
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

func TestReinviteInEachDirection(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, ok := b.arrived("c1", "")
		tag := tagOf(field(ok, "To"))
		b.put(inDialogText("INVITE", "c1", "r1", tag, 2, "", "v=0 hold"))
		b.one("SIP/2.0 100 ")
		o := want[Offered](t, b.call)
		if o.Method != "INVITE" || string(o.Body) != "v=0 hold" {
			t.Errorf("%+v", o)
		}
		b.call.on(func() { l.Respond(o.ID, 200, "", []byte("v=0 held")) })
		if m := b.one("SIP/2.0 200 "); bodyOf(m) != "v=0 held" {
			t.Error(m)
		}
		time.Sleep(600 * time.Millisecond)
		b.one("SIP/2.0 200 ")
		b.put(inDialogText("ACK", "c1", "r1a", tag, 2, "", ""))
		b.starts()
		want[Acked](t, b.call)

		b.call.on(func() { l.Reinvite(offering("v=0 again")) })
		m := b.one("INVITE sip:user.01@192.0.2.100:5060 SIP/2.0") // the target was refreshed
		if bodyOf(m) != "v=0 again" || field(m, "Contact") == "" {
			t.Error(m)
		}
		b.put(reply(m, "200 OK", "", "Contact: <sip:new@192.0.2.100:5060>\n", "v=0 yes"))
		b.one("ACK sip:new@192.0.2.100:5060 ")
		if e := want[Answered](t, b.call); !e.Reinvite || string(e.Body) != "v=0 yes" {
			t.Errorf("%+v", e)
		}
	})
}

func TestRefusedReinviteLeavesTheCallAlone(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, _ := b.established(nil, "")
		b.call.on(func() { l.Reinvite(offering("v=0")) })
		b.put(reply(b.one("INVITE "), "488 Not Acceptable Here", "", "", ""))
		b.one("ACK ")
		if e := want[Failed](t, b.call); e.Code != 488 || !e.Reinvite {
			t.Errorf("%+v", e)
		}
		b.call.on(func() { l.Bye() })
		b.one("BYE ")
	})
}

func TestReinviteToADeadDialogEndsTheCall(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, _ := b.established(nil, "")
		b.call.on(func() { l.Reinvite(offering("v=0")) })
		b.put(reply(b.one("INVITE "), "481 No Such Call", "", "", ""))
		b.one("ACK ")
		if e := want[Ended](t, b.call); e.Code != 481 {
			t.Errorf("%+v", e)
		}
	})
}

func TestGlareIsResolved(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, ok := b.arrived("c1", "")
		tag := tagOf(field(ok, "To"))
		b.call.on(func() { l.Reinvite(offering("v=0 ours")) })
		ours := b.one("INVITE ")
		b.put(inDialogText("INVITE", "c1", "g1", tag, 2, "", "v=0 theirs"))
		b.starts("SIP/2.0 100 ", "SIP/2.0 491 ")
		b.put(inDialogText("ACK", "c1", "g1", tag, 2, "", ""))
		b.put(reply(ours, "491 Request Pending", "", "", ""))
		// The other side made the Call-ID, so it waits longer: ours comes again within 2 s, or at once.
		time.Sleep(2010 * time.Millisecond)
		sent := b.sent()
		if len(sent) < 2 || !strings.HasPrefix(sent[0], "ACK ") || !strings.HasPrefix(sent[1], "INVITE ") {
			t.Fatalf("sent %q", sent)
		}
		again := sent[1]
		if field(again, "CSeq") == field(ours, "CSeq") || bodyOf(again) != "v=0 ours" {
			t.Error(again)
		}
		b.put(reply(again, "200 OK", "", "", "v=0 yes"))
		b.one("ACK ")
		if e := want[Answered](t, b.call); !e.Reinvite {
			t.Errorf("%+v", e)
		}
	})
}

func TestSecondReinviteBeforeTheFirstIsAnswered(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, ok := b.arrived("c1", "")
		tag := tagOf(field(ok, "To"))
		b.put(inDialogText("INVITE", "c1", "r1", tag, 2, "", "v=0"))
		b.put(inDialogText("INVITE", "c1", "r2", tag, 3, "", "v=0"))
		list := b.starts("SIP/2.0 100 ", "SIP/2.0 100 ", "SIP/2.0 500 ")
		if field(list[2], "Retry-After") == "" {
			t.Error(list[2])
		}
		o := want[Offered](t, b.call)
		b.call.on(func() { l.Respond(o.ID, 488, "", nil) })
		b.one("SIP/2.0 488 ")
		b.call.on(func() { l.Respond(o.ID, 200, "", nil) }) // twice: nothing
		b.starts()
	})
}

func TestUpdate(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, ok := b.arrived("c1", "")
		tag := tagOf(field(ok, "To"))
		b.put(inDialogText("UPDATE", "c1", "u1", tag, 2, "", ""))
		b.one("SIP/2.0 200 ") // a refresh: nothing for the call to decide
		want[Refreshed](t, b.call)
		b.put(inDialogText("UPDATE", "c1", "u2", tag, 3, "", "v=0 o"))
		b.starts()
		o := want[Offered](t, b.call)
		if o.Method != "UPDATE" {
			t.Errorf("%+v", o)
		}
		b.call.on(func() { l.Respond(o.ID, 200, "", []byte("v=0 a")) })
		if m := b.one("SIP/2.0 200 "); bodyOf(m) != "v=0 a" {
			t.Error(m)
		}
		time.Sleep(5 * time.Second)
		b.starts() // no ACK is waited for
	})
}

func TestOtherRequestsInTheDialog(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, ok := b.arrived("c1", "")
		tag := tagOf(field(ok, "To"))
		b.put(inDialogText("INFO", "c1", "i1", tag, 2, "Content-Type: application/dtmf-relay\n", ""))
		i := want[Info](t, b.call)
		b.call.on(func() { l.Respond(i.ID, 200, "", nil) })
		b.one("SIP/2.0 200 ")
		b.put(inDialogText("REFER", "c1", "i2", tag, 3, "Refer-To: <sip:x@y>\n", ""))
		if m := b.one("SIP/2.0 405 "); strings.Contains(field(m, "Allow"), "REFER") {
			t.Error(m)
		}
		b.put(inDialogText("OPTIONS", "c1", "i3", tag, 4, "", ""))
		b.one("SIP/2.0 200 ")
		b.put(inDialogText("NOTIFY", "c1", "i4", tag, 5, "Event: x\n", ""))
		b.one("SIP/2.0 200 ")
		b.put(inDialogText("INFO", "c1", "i5", tag, 3, "", ""))
		b.one("SIP/2.0 500 ") // CSeq went back
		b.put(strings.Replace(inDialogText("INFO", "c1", "i6", tag, 6, "", ""), "tag=from-c1", "tag=other", 1))
		b.one("SIP/2.0 481 ")
		b.put(inDialogText("MESSAGE", "c1", "i7", tag, 7, "", ""))
		b.one("SIP/2.0 405 ")
	})
	t.Run("REFER where transfers are accepted", func(t *testing.T) {
		onPaper(t, func(_ *config.Config, i *config.SIPInterface) { i.TransferAccept = true }, func(t *testing.T, b *bench) {
			l, ok := b.arrived("c1", "")
			if !strings.Contains(field(ok, "Allow"), "REFER") {
				t.Error(ok)
			}
			b.put(inDialogText("REFER", "c1", "i2", tagOf(field(ok, "To")), 3, "Refer-To: <sip:x@y;x-m=1;x-t=a%20b>\nReferred-By: <sip:z>;q\n", ""))
			r := want[Refer](t, b.call)
			if r.ReferTo != "<sip:x@y;x-m=1;x-t=a%20b>" || r.ReferredBy != "<sip:z>;q" {
				t.Errorf("%+v", r)
			}
			b.call.on(func() { l.Respond(r.ID, 202, "", nil) })
			b.one("SIP/2.0 202 ")
			b.call.on(func() {
				l.Request("NOTIFY", "message/sipfrag", []byte("SIP/2.0 100 Trying"), sipmsg.Header{Name: "Event", Value: "refer"}, sipmsg.Header{Name: "Subscription-State", Value: "active"})
			})
			if m := b.one("NOTIFY "); field(m, "Content-Type") != "message/sipfrag" || field(m, "Contact") == "" {
				t.Error(m)
			}
		})
	})
}

func TestSessionTimerIsRefreshedByUs(t *testing.T) {
	onPaper(t, func(_ *config.Config, i *config.SIPInterface) { i.SessionTimer = 1800 * time.Second }, func(t *testing.T, b *bench) {
		_, invite := b.dial(nil)
		if field(invite, "Session-Expires") != "1800" || !strings.HasPrefix(field(invite, "Supported"), sipmsg.Extensions) {
			t.Error(invite)
		}
		b.put(reply(invite, "422 Session Interval Too Small", "z", "Min-SE: 2000\n", ""))
		second := b.starts("ACK ", "INVITE ")[1]
		if field(second, "Session-Expires") != "2000" || field(second, "Min-SE") != "2000" {
			t.Error(second)
		}
		b.put(reply(second, "200 OK", "z", peerContact+"Session-Expires: 2000;refresher=uac\n", "v=0"))
		b.one("ACK ")
		want[Answered](t, b.call)
		for range 3 {
			time.Sleep(1000*time.Second + 100*time.Millisecond)
			m := b.one("INVITE ")
			if bodyOf(m) != "v=0 offer" || field(m, "Session-Expires") != "2000;refresher=uac" {
				t.Error(m)
			}
			b.put(reply(m, "200 OK", "", "Session-Expires: 2000;refresher=uac\n", "v=0"))
			b.one("ACK ")
			want[Refreshed](t, b.call)
		}
		b.call.none(t)
		time.Sleep(1000*time.Second + 100*time.Millisecond)
		b.one("INVITE ")
		time.Sleep(33 * time.Second)
		b.sent()
		if e := want[Ended](t, b.call); e.Code != 408 {
			t.Errorf("%+v", e)
		}
	})
}

func TestSessionTimerIsRefreshedByThePeer(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put(inviteText("c0", "b0", "Supported: timer\nSession-Expires: 60\n", "v=0"))
		if m := b.one("SIP/2.0 422 "); field(m, "Min-SE") != "90" {
			t.Error(m)
		}
		l, ok := b.arrived("c1", "Supported: timer\nSession-Expires: 1800\n")
		if field(ok, "Session-Expires") != "1800;refresher=uac" || field(ok, "Require") != "timer" {
			t.Error(ok)
		}
		tag := tagOf(field(ok, "To"))
		time.Sleep(900 * time.Second)
		b.sent()
		b.put(inDialogText("INVITE", "c1", "r1", tag, 2, "Supported: timer\nx: 1800;refresher=uac\n", "v=0 offer"))
		o := want[Offered](t, b.call)
		b.call.on(func() { l.Respond(o.ID, 200, "", []byte("v=0 answer")) })
		if m := b.starts("SIP/2.0 100 ", "SIP/2.0 200 ")[1]; field(m, "Session-Expires") != "1800;refresher=uac" {
			t.Error(m)
		}
		b.put(inDialogText("ACK", "c1", "r1a", tag, 2, "", ""))
		want[Acked](t, b.call)
		time.Sleep(1760 * time.Second)
		b.starts()
		time.Sleep(10 * time.Second)
		if m := b.sent(); len(m) == 0 || !strings.HasPrefix(m[0], "BYE ") {
			t.Errorf("%q", firstLines(m))
		}
		if e := want[Ended](t, b.call); e.Code != 408 {
			t.Errorf("%+v", e)
		}
	})
}

func TestSessionTimerWithAPeerThatHasNone(t *testing.T) {
	onPaper(t, func(_ *config.Config, i *config.SIPInterface) { i.SessionTimer = 1800 * time.Second }, func(t *testing.T, b *bench) {
		_, ok := b.arrived("c1", "")
		if field(ok, "Session-Expires") != "1800;refresher=uas" || field(ok, "Require") != "" {
			t.Error(ok)
		}
		time.Sleep(900*time.Second + 100*time.Millisecond)
		m := b.one("INVITE ")
		b.put(reply(m, "481 Gone", "", "", ""))
		b.one("ACK ")
		if e := want[Ended](t, b.call); e.Code != 481 {
			t.Errorf("%+v", e)
		}
	})
}

// offering makes the same offer each time.
func offering(body string) func() []byte { return func() []byte { return []byte(body) } }

// The peer has not got the ACK of its call, or it was lost, and sends a re-INVITE to a leg that was hung up meanwhile: the BYE that
// waited for the ACK goes out.
func TestReinviteInPlaceOfTheACKAfterAHangUp(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put(inviteText("c1", "b1", "", "v=0"))
		in := <-b.calls
		b.call.on(func() { in.Leg.Answer([]byte("v=0")); in.Leg.Bye() })
		list := b.starts("SIP/2.0 100 ", "SIP/2.0 200 ")
		b.put(inDialogText("INVITE", "c1", "r1", tagOf(field(list[1], "To")), 2, "", "v=0"))
		b.starts("SIP/2.0 100 ", "SIP/2.0 487 ", "BYE ")
	})
}

// An offer of the peer in an UPDATE has not been answered: ours waits for that (RFC 3311 5.1).
func TestReinviteWaitsForTheAnswerToAnUPDATE(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, ok := b.arrived("c1", "")
		b.put(inDialogText("UPDATE", "c1", "u1", tagOf(field(ok, "To")), 2, "", "v=0 theirs"))
		o := want[Offered](t, b.call)
		b.call.on(func() { l.Reinvite(offering("v=0 ours")) })
		b.starts()
		b.call.on(func() { l.Respond(o.ID, 200, "", []byte("v=0")) })
		b.starts("SIP/2.0 200 ", "INVITE ")
	})
}
