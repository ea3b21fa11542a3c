package sipgw

import (
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

func TestParseReplaces(t *testing.T) {
	for _, x := range []struct {
		text string
		want sipmsg.Replaces
		ok   bool
	}{
		{"a@b;to-tag=1;from-tag=2", sipmsg.Replaces{CallID: "a@b", ToTag: "1", FromTag: "2", EarlyOnly: false}, true},
		{" a@b ; From-Tag=2 ;early-only; to-tag = 1", sipmsg.Replaces{CallID: "a@b", ToTag: "1", FromTag: "2", EarlyOnly: true}, true},
		{"a@b;to-tag=1", sipmsg.Replaces{CallID: "a@b", ToTag: "1"}, false},
		{";to-tag=1;from-tag=2", sipmsg.Replaces{ToTag: "1", FromTag: "2"}, false},
		{"a;to-tag=1;from-tag=2, b;to-tag=1;from-tag=2", sipmsg.Replaces{}, false},
		{"", sipmsg.Replaces{}, false},
	} {
		got, ok := sipmsg.ParseReplaces(x.text)
		if ok != x.ok || ok && got != x.want {
			t.Errorf("%q: %+v %v", x.text, got, ok)
		}
		if again, _ := sipmsg.ParseReplaces(got.String()); ok && again != got {
			t.Errorf("%q: printed as %q", x.text, got)
		}
	}
}

func TestWhatAnINVITEWithReplacesFinds(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		old, ok := b.arrived("c1", "")
		tag := tagOf(field(ok, "To"))
		try := func(branch, replaces string) string {
			b.put(inviteText("n"+branch, branch, replaces, "v=0 offer"))
			list := b.sent()
			return strings.TrimPrefix(list[len(list)-1], "SIP/2.0 ")[:3]
		}
		for n, x := range []struct{ why, headers, code string }{
			{"no such Call-ID", "Replaces: c2;to-tag=" + tag + ";from-tag=from-c1\n", "481"},
			{"another tag of the peer", "Replaces: c1;to-tag=" + tag + ";from-tag=other\n", "481"},
			{"another tag of ours", "Replaces: c1;to-tag=other;from-tag=from-c1\n", "481"},
			{"early-only, and it is established", "Replaces: c1;to-tag=" + tag + ";from-tag=from-c1;early-only\n", "486"},
			{"two of them", "Replaces: c1;to-tag=" + tag + ";from-tag=from-c1\nReplaces: c1;to-tag=" + tag + ";from-tag=from-c1\n", "400"},
			{"Join beside it", "Replaces: c1;to-tag=" + tag + ";from-tag=from-c1\nJoin: c1;to-tag=1;from-tag=2\n", "400"},
			{"no tags", "Replaces: c1\n", "400"},
		} {
			if got := try("b"+itoa(n), x.headers); got != x.code {
				t.Errorf("%s: %s, want %s", x.why, got, x.code)
			}
		}
		b.put(inviteText("good", "good", "Require: replaces\nReplaces: c1;from-tag=from-c1;to-tag="+tag+"\n", "v=0 offer"))
		in := <-b.calls
		b.one("SIP/2.0 100 ")
		if in.Replaces != old || in.Replaces.Owner() != b.call {
			t.Error("the leg was not found")
		}
		if l := b.s.Dialog(peerID("pbx"), sipmsg.Replaces{CallID: "c1", ToTag: tag, FromTag: "from-c1"}); l != old {
			t.Error("the dialog was not found")
		}
		b.call.on(func() { old.Bye() })
		b.one("BYE ")
		if got := try("late", "Replaces: c1;to-tag="+tag+";from-tag=from-c1\n"); got != "603" {
			t.Errorf("a dialog that is over: %s", got)
		}
		b.call.on(func() { in.Leg.Reject(480, "") })
		b.one("SIP/2.0 480 ")
	})
}

func TestAnEarlyDialogIsReplacedByWhoRings(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, invite := b.dial(nil)
		b.put(reply(invite, "180 Ringing", "phone1", "", ""))
		b.put(reply(invite, "180 Ringing", "phone2", "", ""))
		b.starts()
		want[Progress](t, b.call)
		want[Progress](t, b.call)
		b.put(inviteText("n1", "n1", "Replaces: "+field(invite, "Call-ID")+";to-tag="+tagOf(field(invite, "From"))+";from-tag=phone2;early-only\n", "v=0"))
		if in := <-b.calls; in.Replaces != l {
			t.Error("not found by the second tag")
		} else {
			b.call.on(func() { in.Leg.Reject(486, "") })
		}
		b.starts("SIP/2.0 100 ", "SIP/2.0 486 ")
		b.put(inviteText("n2", "n2", "Replaces: "+field(invite, "Call-ID")+";to-tag="+tagOf(field(invite, "From"))+";from-tag=phone3\n", "v=0"))
		b.one("SIP/2.0 481 ")

		// One that the peer began and we ring for is not the peer's to replace (RFC 3891 3).
		b.put(inviteText("in", "in", "", "v=0"))
		in := <-b.calls
		b.call.on(func() { in.Leg.Provisional(180, "", nil) })
		ringing := b.starts("SIP/2.0 100 ", "SIP/2.0 180 ")[1]
		b.put(inviteText("n3", "n3", "Replaces: in;to-tag="+tagOf(field(ringing, "To"))+";from-tag=from-in\n", "v=0"))
		b.one("SIP/2.0 481 ")
		b.call.on(func() { in.Leg.Reject(486, ""); l.Cancel() })
	})
}

func TestReferOfOurs(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, ok := b.arrived("c1", "")
		tag := tagOf(field(ok, "To"))
		b.call.on(func() { l.Refer("<sip:300@192.0.2.100?Replaces=x>") })
		m := b.one("REFER ")
		if field(m, "Refer-To") != "<sip:300@192.0.2.100?Replaces=x>" || field(m, "Contact") == "" {
			t.Error(m)
		}
		b.put(reply(m, "202 Accepted", "", "", ""))
		b.call.none(t)
		notify := func(branch string, seq int, state, body string) {
			b.put(strings.Replace(inDialogText("NOTIFY", "c1", branch, tag, seq, "Event: refer;id=1\nSubscription-State: "+state+"\n", body), "application/sdp", "message/sipfrag", 1))
			b.one("SIP/2.0 200 ")
		}
		notify("n1", 2, "active;expires=60", "SIP/2.0 100 Trying\r\n")
		if e := want[Notified](t, b.call); e.Code != 100 || e.Final {
			t.Errorf("%+v", e)
		}
		notify("n2", 3, "terminated;reason=noresource", "SIP/2.0 200 OK")
		if e := want[Notified](t, b.call); e.Code != 200 || !e.Final {
			t.Errorf("%+v", e)
		}
		notify("n3", 4, "terminated", "nonsense")
		if e := want[Notified](t, b.call); e.Code != 0 || !e.Final {
			t.Errorf("%+v", e)
		}
		b.put(inDialogText("NOTIFY", "c1", "n4", tag, 5, "Event: message-summary\n", ""))
		b.one("SIP/2.0 200 ")
		b.call.none(t)

		b.call.on(func() { l.Refer("<sip:300@192.0.2.100>") })
		b.put(reply(b.one("REFER "), "603 Decline", "", "", ""))
		if e := want[Notified](t, b.call); e.Code != 603 || !e.Final {
			t.Errorf("%+v", e)
		}
		b.call.on(func() { l.Bye(); l.Refer("<sip:300@192.0.2.100>") })
		b.one("BYE ")
		if e := want[Notified](t, b.call); e.Code != 481 {
			t.Errorf("%+v", e)
		}
	})
}

func TestACallThatComesBackIsCounted(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		for hops := range maxHops + 3 {
			_, invite := b.dial(func(r *Invite) { r.Hops = hops })
			id := field(invite, "Call-ID")
			b.put(strings.ReplaceAll(inviteText("x", id, "", "v=0"), "Call-ID: x", "Call-ID: "+id))
			if hops > maxHops {
				b.one("SIP/2.0 482 ")
				continue
			}
			in := <-b.calls
			if in.Hops != hops {
				t.Errorf("%d hops, want %d", in.Hops, hops)
			}
			b.call.on(func() { in.Leg.Reject(486, "") })
			b.starts("SIP/2.0 100 ", "SIP/2.0 486 ")
		}
	})
}

func TestResponsesCopyWhatTheRequestSaid(t *testing.T) {
	for _, x := range []struct{ why, via, from, to, cseq string }{
		{"plain", "SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bK1", "<sip:a@b>;tag=1", "<sip:c@d>", "1 INVITE"},
		{"a quoted parameter", `SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bK2;x="a;b,c";y="d e"`, `"A, <B>; \"C\"" <sip:a@b;x=Y>;x="1;2";tag=Ab`, "<sip:c#@d;u=p>", "2147483647 INVITE"},
		{"unknown and empty parameters", "SIP/2.0/UDP 192.0.2.100:5060;x;branch=z9hG4bK3;ttl=16;Q=1", "sip:a@b;tag=1", "sip:c@d", "1 INVITE"},
		{"a hidden host", "SIP/2.0/UDP pbx.example:5060;rport=5060;branch=z9hG4bK4;received=192.0.2.100", "<sip:a@b>;tag=1", "<sip:c@d>", "1 INVITE"},
	} {
		t.Run(x.why, func(t *testing.T) {
			onPaper(t, nil, func(t *testing.T, b *bench) {
				b.put("INVITE sip:+49711@192.0.2.1 SIP/2.0\nVia: " + x.via + "\nVia: SIP/2.0/TCP 10.0.0.9;branch=below;y=1\nMax-Forwards: 70\nFrom: " + x.from + "\nTo: " + x.to +
					"\nCall-ID: Id@Host\nCSeq: " + x.cseq + "\nTimestamp: 54.2\nRecord-Route: <sip:p1;lr;x=\"1\">, <sip:p2>\nRecord-Route: <sip:p3;lr>\n" +
					"Contact: <sip:a@192.0.2.100>\nContent-Length: 0\n\n")
				in := <-b.calls
				b.call.on(func() {
					in.Leg.Provisional(180, "", nil)
					in.Leg.Reject(486, "")
				})
				list := b.starts("SIP/2.0 100 ", "SIP/2.0 180 ", "SIP/2.0 486 ")
				tag := tagOf(field(list[1], "To"))
				for n, m := range list {
					to := x.to
					if n > 0 {
						to += ";tag=" + tag
					}
					for name, want := range map[string]string{"Via": x.via, "From": x.from, "To": to, "Call-ID": "Id@Host", "CSeq": x.cseq} {
						if got := field(m, name); got != want {
							t.Errorf("%s: %q, want %q", name, got, want)
						}
					}
					if !strings.Contains(m, "Via: SIP/2.0/TCP 10.0.0.9;branch=below;y=1\r\n") {
						t.Errorf("the second Via is gone:\n%s", m)
					}
					if got := field(m, "Timestamp"); (got == "54.2") != (n == 0) {
						t.Errorf("Timestamp %q in %s", got, firstLines(list[n:n+1]))
					}
					if got := strings.Count(m, "Record-Route: "); got != []int{0, 2, 0}[n] {
						t.Errorf("%d Record-Routes in %s", got, firstLines(list[n:n+1]))
					}
				}
			})
		})
	}
}

func TestReferOutsideACallIsForbidden(t *testing.T) {
	onPaper(t, func(_ *config.Config, i *config.SIPInterface) { i.TransferAccept = true }, func(t *testing.T, b *bench) {
		b.put(strings.ReplaceAll(inviteText("a", "a", "Refer-To: <sip:x@y>\n", ""), "INVITE", "REFER"))
		b.one("SIP/2.0 403 ")
	})
}

func TestRequireReplacesIsUnderstood(t *testing.T) {
	onPaper(t, func(_ *config.Config, i *config.SIPInterface) { i.TransferAccept = true }, func(t *testing.T, b *bench) {
		b.put(inviteText("a", "a", "Require: replaces, join\n", "v=0"))
		if m := b.one("SIP/2.0 420 "); field(m, "Unsupported") != "join" {
			t.Error(m)
		}
	})
}
