package sipgw

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

var (
	otherAddr = addrPort("198.51.100.9:5060")  // trusted, by another interface
	hubAddr   = addrPort("192.0.2.150:5060")   // trusted by the interface of the call
	proxyAddr = addrPort("198.51.100.77:5060") // trusted by another interface, and in the route set of the call
)

// twoPeers adds an interface whose peer is somebody else.
func twoPeers(c *config.Config, i *config.SIPInterface) {
	i.Trust = append(i.Trust, config.Source{Prefix: prefix("192.0.2.128/25")})
	other := *i
	other.Name, other.Remote = "other", config.HostPort{Host: "198.51.100.9", Port: 5060}
	other.Trust = []config.Source{{Remote: true}, {Prefix: prefix("198.51.100.64/26")}}
	c.CS[0].Interfaces = append(c.CS[0].Interfaces, &other)
}

// putFrom is a datagram of somebody.
func (b *bench) putFrom(from netip.AddrPort, m string) {
	head, body, _ := strings.Cut(m, "\n\n")
	b.paper.put(from, []byte(strings.ReplaceAll(head, "\n", "\r\n")+"\r\n\r\n"+body))
}

func TestADialogBelongsToItsPeer(t *testing.T) {
	onPaper(t, twoPeers, func(t *testing.T, b *bench) {
		l, ok := b.arrived("c1", "Record-Route: <sip:198.51.100.77;lr>\n")
		tag := tagOf(field(ok, "To"))
		for n, method := range []string{"BYE", "INVITE", "UPDATE", "INFO", "NOTIFY", "REFER", "PRACK", "OPTIONS", "MESSAGE"} {
			kept := func() int { c := b.g.transactions.Count(); return c.Servers + c.Lingering }
			before := kept()
			b.putFrom(otherAddr, inDialogText(method, "c1", "x"+itoa(n), tag, 4000, "", "v=0 stolen"))
			b.one("SIP/2.0 403 ")
			b.call.none(t)
			var state legState
			b.call.on(func() { state = l.state })
			if kept() != before || state != legConfirmed {
				t.Errorf("%s of somebody else changed something", method)
			}
		}
		// The peer's own numbers still count, from each address that is the peer's.
		for n, from := range []netip.AddrPort{peerAddr, hubAddr, proxyAddr} {
			b.putFrom(from, inDialogText("INFO", "c1", "y"+itoa(n), tag, 2+n, "", ""))
			e := want[Info](t, b.call)
			b.call.on(func() { l.Respond(e.ID, 200, "", nil) })
			b.one("SIP/2.0 200 ")
		}
		b.putFrom(hubAddr, inDialogText("BYE", "c1", "bye", tag, 9, "", ""))
		b.one("SIP/2.0 200 ")
		want[Ended](t, b.call)
	})
}

func TestOnlyThePeerAcknowledges(t *testing.T) {
	onPaper(t, twoPeers, func(t *testing.T, b *bench) {
		b.put(inviteText("c1", "c1", "", "v=0 offer"))
		in := <-b.calls
		b.one("SIP/2.0 100 ")
		b.call.on(func() { in.Leg.Answer([]byte("v=0 answer")) })
		tag := tagOf(field(b.one("SIP/2.0 200 "), "To"))
		b.putFrom(otherAddr, inDialogText("ACK", "c1", "x", tag, 1, "", "v=0 stolen"))
		b.starts()
		b.call.none(t)
		b.put(inDialogText("ACK", "c1", "y", tag, 1, "", ""))
		b.starts()
		want[Acked](t, b.call)

		b.put(inviteText("c2", "c2", "", "v=0 offer"))
		in = <-b.calls
		b.one("SIP/2.0 100 ")
		b.call.on(func() { in.Leg.Reject(486, "") })
		busy := b.one("SIP/2.0 486 ")
		ack := strings.Replace(inviteText("c2", "c2", "", ""), "INVITE", "ACK", 2)
		ack = strings.Replace(strings.Replace(ack, "CSeq: 1 INVITE", "CSeq: 1 ACK", 1), "To: <sip:+49711@192.0.2.1>", "To: "+field(busy, "To"), 1)
		b.putFrom(otherAddr, ack)
		b.sent()
		time.Sleep(time.Second)
		b.one("SIP/2.0 486 ") // still repeated
		b.put(ack)
		b.sent()
		time.Sleep(10 * time.Second)
		b.starts()
	})
}

func TestOnlyTheCallerCancels(t *testing.T) {
	onPaper(t, twoPeers, func(t *testing.T, b *bench) {
		invite := inviteText("c1", "c1", "", "v=0 offer")
		b.put(invite)
		in := <-b.calls
		b.one("SIP/2.0 100 ")
		cancel := strings.ReplaceAll(strings.Replace(invite, "Content-Type: application/sdp\n", "", 1), "INVITE", "CANCEL")
		b.putFrom(otherAddr, cancel)
		b.one("SIP/2.0 403 ")
		b.putFrom(otherAddr, invite) // and nobody else repeats it
		b.one("SIP/2.0 403 ")
		b.call.none(t)
		b.call.on(func() { in.Leg.Provisional(180, "", nil) })
		b.one("SIP/2.0 180 ")
		b.put(cancel)
		b.starts("SIP/2.0 200 ", "SIP/2.0 487 ")
		want[Cancelled](t, b.call)
	})
}

func TestOnlyWhoWasAskedAnswers(t *testing.T) {
	onPaper(t, twoPeers, func(t *testing.T, b *bench) {
		_, invite := b.dial(nil)
		for _, status := range []string{"180 Ringing", "486 Busy Here", "200 OK", "302 Moved"} {
			b.putFrom(otherAddr, reply(invite, status, "thief", peerContact, "v=0 stolen"))
			b.starts()
			b.call.none(t)
		}
		b.putFrom(hubAddr, reply(invite, "200 OK", "far", peerContact, "v=0 answer"))
		b.one("ACK ")
		want[Answered](t, b.call)
	})
}

func TestDialogsOfOthersAreNotReplaced(t *testing.T) {
	onPaper(t, twoPeers, func(t *testing.T, b *bench) {
		l, ok := b.arrived("c1", "")
		r := sipmsg.Replaces{CallID: "c1", ToTag: tagOf(field(ok, "To")), FromTag: "from-c1"}
		b.putFrom(otherAddr, inviteText("n1", "n1", "Replaces: "+r.String()+"\n", "v=0 offer"))
		b.one("SIP/2.0 403 ")
		if len(b.calls) != 0 {
			t.Error("it became a call")
		}
		if b.s.Dialog(peerID("other"), r) != nil || b.s.Dialog(peerID("pbx"), r) != l {
			t.Error("a REFER may speak of the dialogs of its own peer only")
		}
		b.putFrom(hubAddr, inviteText("n2", "n2", "Replaces: "+r.String()+"\n", "v=0 offer"))
		b.one("SIP/2.0 100 ")
		if in := <-b.calls; in.Replaces != l {
			t.Error("the leg was not found")
		} else {
			b.call.on(func() { in.Leg.Reject(486, "") })
		}
		b.one("SIP/2.0 486 ")
	})
}

// A datagram with the address of a Teams hub says nothing: addresses of connections cannot be forged.
func TestWhatBeganOverTLSGoesOnOverTLS(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, _ := b.arrived("c1", "")
		l.dialog.Transport = siptransport.TLS
		peer := peerAddr.Addr()
		for transport, want := range map[siptransport.Transport]bool{siptransport.UDP: false, siptransport.TCP: false, siptransport.TLS: true} {
			if l.heeds(siptransport.Origin{Transport: transport, Addr: peer}) != want || b.g.Kin(siptransport.Origin{Transport: siptransport.TLS, Addr: peer}, siptransport.Origin{Transport: transport, Addr: peer}) != want {
				t.Errorf("%s: want %v", transport, want)
			}
		}
	})
}

// What is refused out of hand leaves the CSeq alone, so that what the peer sent before, and what comes after, is still in order.
func TestRefusedRequestsDoNotMoveTheCSeq(t *testing.T) {
	for name, refused := range map[string]struct{ method, extra, body, code string }{
		"a method that is not for dialogs":  {"MESSAGE", "", "", "405"},
		"a subscription in a call":          {"SUBSCRIBE", "Event: dialog\n", "", "489"},
		"a transfer that is not allowed":    {"REFER", "Refer-To: <sip:300@192.0.2.100>\n", "", "405"},
		"a PRACK for nothing":               {"PRACK", "RAck: 1 1 INVITE\n", "", "481"},
		"an interval that is too short":     {"UPDATE", "Supported: timer\nSession-Expires: 10\n", "v=0", "422"},
		"a re-INVITE with the same":         {"INVITE", "Supported: timer\nSession-Expires: 10\n", "v=0", "422"},
		"an offer that meets ours":          {"INVITE", "", "v=0", "491"},
		"something that nobody understands": {"INFO", "Require: nothing\n", "", "420"},
		"a body of an unknown kind":         {"INVITE", "Content-Encoding: gzip\n", "v=0", "415"},
	} {
		t.Run(name, func(t *testing.T) {
			onPaper(t, nil, func(t *testing.T, b *bench) {
				l, ok := b.arrived("c1", "")
				tag := tagOf(field(ok, "To"))
				if refused.code == "491" {
					b.call.on(func() { l.Reinvite(func() []byte { return []byte("v=0 ours") }) })
					b.one("INVITE ")
				}
				b.put(inDialogText(refused.method, "c1", "far", tag, 2000000000, refused.extra, refused.body))
				if list := b.sent(); !strings.HasPrefix(list[len(list)-1], "SIP/2.0 "+refused.code+" ") {
					t.Fatalf("sent %q, want %s", firstLines(list), refused.code)
				}
				b.put(inDialogText("BYE", "c1", "bye", tag, 2, "", ""))
				b.one("SIP/2.0 200 ")
				want[Ended](t, b.call)
				b.call.none(t)
			})
		})
	}
}
