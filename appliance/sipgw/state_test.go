package sipgw

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"viaduct/appliance/config"
	"viaduct/appliance/siptransport"
)

// passOn kills the box of a and has another one of the same configuration take its place: it returns that box, and the leg there. The state
// travels as text.
func passOn(t *testing.T, a *bench, l *Leg, change func(*config.Config, *config.SIPInterface), since time.Duration) (*bench, *Leg) {
	t.Helper()
	old := l
	var x LegState
	var ok bool
	a.call.on(func() { x, ok = l.State() })
	if !ok {
		t.Fatal("the leg is not one that can be kept")
	}
	text, err := cbor.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 1500 && len(x.Asked) == 0 {
		t.Errorf("a leg takes %d octets", len(text))
	}
	a.sent()
	a.s.DropAll()
	time.Sleep(time.Minute)
	if list := a.sent(); len(list) != 0 {
		t.Fatalf("a box that was dropped says %q", firstLines(list))
	}
	a.call.none(t)
	octets, err := cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode() // as the other box reads it
	if err != nil {
		t.Fatal(err)
	}
	var read LegState
	if err := octets.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, change)
	t.Cleanup(b.end)
	l, err = b.s.Restore(read, since, b.call)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.s.Restore(read, since, b.call); err == nil {
		t.Errorf("the same leg is there twice: %v", again)
	}
	b.call.on(func() {})
	peer, proxies := old.outline.Speakers()
	if p, x := l.outline.Speakers(); p != peer || !slices.Equal(x, proxies) {
		t.Errorf("%v and %q may speak, and it was %v and %q", p, x, peer, proxies)
	}
	return b, l
}

func seqOf(t *testing.T, m string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.Fields(field(m, "CSeq"))[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What the peer gave goes back to it byte for byte, UTF-8 or not.
const oddRoute = "<sip:proxy\xe4.example:5060;lr;ftag=\xff>"

func TestALegOfOursGoesOnAtTheOtherBox(t *testing.T) {
	transfers := func(_ *config.Config, i *config.SIPInterface) { i.TransferAccept = true }
	onPaper(t, transfers, func(t *testing.T, a *bench) {
		l, invite := a.established(func(r *Invite) { r.From.Name = "J\xfcrgen" }, "Record-Route: <sip:192.0.2.100:5060;lr;x=\xe4>\n")
		b, l := passOn(t, a, l, transfers, 0)

		b.call.on(func() { l.Request("INFO", "application/dtmf-relay", []byte("Signal=1")) })
		info := b.one("INFO sip:100@192.0.2.100:5060;p=1;q SIP/2.0\r\n")
		if field(info, "Route") != "<sip:192.0.2.100:5060;lr;x=\xe4>" || field(info, "From") != field(invite, "From") || field(info, "Call-ID") != field(invite, "Call-ID") || !strings.HasSuffix(field(info, "To"), ";tag=far") {
			t.Errorf("it is not the same dialog any more: %s", info)
		}
		if seqOf(t, info) <= seqOf(t, invite)+1 {
			t.Errorf("CSeq %d after %d", seqOf(t, info), seqOf(t, invite))
		}
		b.put(reply(info, "200 OK", "", "", ""))

		b.call.on(func() { l.Reinvite(func() []byte { return []byte("v=0 hold") }) })
		again := b.one("INVITE ")
		if field(again, "Contact") != field(invite, "Contact") {
			t.Errorf("our Contact was %q, and is %q", field(invite, "Contact"), field(again, "Contact"))
		}
		b.put(reply(again, "200 OK", "", peerContact, "v=0 held"))
		b.one("ACK ")
		want[Answered](t, b.call)

		theirs := func(method string, seq int, extra, body string) string {
			if body != "" {
				extra += "Content-Type: application/sdp\n"
			}
			return fmt.Sprintf("%s sip:x@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bK%s%d;rport\nMax-Forwards: 70\nFrom: <sip:100@192.0.2.100>;tag=far\nTo: %s\nCall-ID: %s\nCSeq: %d %s\n%sContent-Length: %d\n\n%s",
				method, method, seq, field(invite, "From"), field(invite, "Call-ID"), seq, method, extra, len(body), body)
		}
		b.put(theirs("UPDATE", 5, peerContact, ""))
		b.one("SIP/2.0 200 ")
		want[Refreshed](t, b.call)
		b.put(theirs("INFO", 4, "", ""))
		b.one("SIP/2.0 500 ")
		b.put(theirs("INFO", 6, "", ""))
		e := want[Info](t, b.call)
		b.call.on(func() { l.Respond(e.ID, 200, "", nil) })
		b.one("SIP/2.0 200 ")
		b.put(theirs("REFER", 7, peerContact+"Refer-To: <sip:200@192.0.2.100>\n", ""))
		refer := want[Refer](t, b.call)
		b.call.on(func() { l.Respond(refer.ID, 202, "", nil) })
		b.one("SIP/2.0 202 ")
		b.put(theirs("INVITE", 8, peerContact, "v=0 offer"))
		b.one("SIP/2.0 100 ")
		offer := want[Offered](t, b.call)
		b.call.on(func() { l.Respond(offer.ID, 200, "", []byte("v=0 answer")) })
		b.one("SIP/2.0 200 ")
		b.put(theirs("ACK", 8, "", ""))
		want[Acked](t, b.call)
		b.put(theirs("BYE", 9, "", ""))
		b.one("SIP/2.0 200 ")
		want[Ended](t, b.call)
	})
}

func TestALegOfThePeerGoesOnAtTheOtherBox(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, a *bench) {
		l, ok := a.arrived("c1", "Record-Route: "+strings.ReplaceAll(oddRoute, "proxy\xe4.example", "192.0.2.100")+"\n")
		b, l := passOn(t, a, l, nil, 0)
		b.put(inDialogText("INVITE", "c1", "again", tagOf(field(ok, "To")), 2, "", "v=0 hold"))
		b.one("SIP/2.0 100 ")
		e := want[Offered](t, b.call)
		b.call.on(func() { l.Respond(e.ID, 200, "", []byte("v=0 held")) })
		if got := b.one("SIP/2.0 200 "); field(got, "Contact") != field(ok, "Contact") {
			t.Errorf("our Contact was %q, and is %q", field(ok, "Contact"), field(got, "Contact"))
		}
		b.put(inDialogText("ACK", "c1", "ack2", tagOf(field(ok, "To")), 2, "", ""))
		want[Acked](t, b.call)
		b.call.on(func() { l.Bye() })
		bye := b.one("BYE sip:user.01@192.0.2.100:5060 SIP")
		if field(bye, "From") != field(ok, "To") || !strings.Contains(field(bye, "Route"), "\xff") {
			t.Errorf("it is not the same dialog any more: %s", bye)
		}
	})
}

// Who sends a request inside the dialog is judged as at the box before.
func TestAStrangerHasNoBusinessWithARestoredLeg(t *testing.T) {
	second := func(cfg *config.Config, i *config.SIPInterface) {
		other := *i
		other.Name, other.Remote.Host = "other", "192.0.2.200"
		cfg.CS[0].Interfaces = append(cfg.CS[0].Interfaces, &other)
	}
	onPaper(t, second, func(t *testing.T, a *bench) {
		l, ok := a.arrived("c1", "")
		b, _ := passOn(t, a, l, second, 0)
		bye := strings.ReplaceAll(inDialogText("BYE", "c1", "bye", tagOf(field(ok, "To")), 2, "", ""), "\n", "\r\n")
		b.paper.put(netip.MustParseAddrPort("192.0.2.200:5060"), []byte(bye))
		b.one("SIP/2.0 403 ")
		b.paper.put(netip.MustParseAddrPort("192.0.2.100:1234"), []byte(bye))
		b.one("SIP/2.0 200 ")
	})
}

func TestWhatIsLeftOfASessionTimer(t *testing.T) {
	const interval = 30 * time.Minute
	for name, x := range map[string]struct {
		refresher     string
		since         time.Duration
		least, atMost time.Duration // until the box refreshes; 0: it does not
	}{
		"ours, in time":          {"uac", 5 * time.Minute, 9 * time.Minute, 10 * time.Minute},
		"ours, late":             {"uac", 20 * time.Minute, time.Second, 12 * time.Second},
		"ours, long over":        {"uac", 3 * time.Hour, time.Second, 12 * time.Second},
		"the peer's, in time":    {"uas", 5 * time.Minute, 0, 0},
		"the peer's, nearly out": {"uas", 29 * time.Minute, time.Second, 12 * time.Second},
		"the peer's, over":       {"uas", 40 * time.Minute, time.Second, 12 * time.Second},
	} {
		timer := func(_ *config.Config, i *config.SIPInterface) { i.SessionTimer = interval }
		t.Run(name, func(t *testing.T) {
			onPaper(t, timer, func(t *testing.T, a *bench) {
				l, _ := a.established(nil, "Session-Expires: 1800;refresher="+x.refresher+"\n")
				b, _ := passOn(t, a, l, timer, x.since)
				time.Sleep(max(x.atMost, 11*time.Minute) + time.Second)
				list := b.sent()
				if x.atMost == 0 {
					if len(list) != 0 {
						t.Fatalf("it is the peer's turn, and the box says %q", firstLines(list))
					}
					time.Sleep(interval)
					want[Ended](t, b.call)
					return
				}
				if len(list) == 0 || !strings.HasPrefix(list[0], "INVITE ") || bodyOf(list[0]) != "v=0 offer" || !strings.Contains(field(list[0], "Session-Expires"), "refresher="+x.refresher) {
					t.Fatalf("no refresh: %q", list)
				}
			})
		})
	}
}

// A peer whose 2xx gets no ACK hangs up, and it does not know that there is another box now.
func TestTheACKOfAnAnswerToTheBoxBefore(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, a *bench) {
		l, _ := a.established(nil, "")
		a.call.on(func() { l.Reinvite(func() []byte { return []byte("v=0 hold") }) })
		again := a.one("INVITE ")
		b, _ := passOn(t, a, l, nil, 0)
		b.put(reply(again, "180 Ringing", "", "", ""))
		b.put(strings.Replace(reply(again, "200 OK", "", peerContact, "v=0 held"), ";tag=far", ";tag=other", 1))
		if list := b.sent(); len(list) != 0 {
			t.Fatalf("sent %q", firstLines(list))
		}
		b.put(reply(again, "200 OK", "", peerContact, "v=0 held"))
		if ack := b.one("ACK "); field(ack, "CSeq") != strings.Replace(field(again, "CSeq"), "INVITE", "ACK", 1) {
			t.Errorf("it acknowledges another one: %s", ack)
		}
		b.call.none(t)
	})
}

// What the peer has accepted as credentials is good at the other box, too.
func TestNoncesGoOn(t *testing.T) {
	onPaper(t, withAccount, func(t *testing.T, a *bench) {
		l, invite := a.dial(func(r *Invite) { r.Identity = "user.01" })
		a.put(reply(invite, "401 Unauthorized", "x", "WWW-Authenticate: Digest realm=\"r\xe4\", nonce=\"n1\", qop=\"auth\", opaque=\"\"\n", ""))
		again := a.starts("ACK ", "INVITE ")[1]
		a.put(reply(again, "200 OK", "far", peerContact, "v=0 answer"))
		a.one("ACK ")
		want[Answered](t, a.call)
		b, l := passOn(t, a, l, withAccount, 0)
		b.call.on(func() { l.Bye() })
		got := field(b.one("BYE "), "Authorization")
		for _, part := range []string{`realm="r` + "\xe4" + `"`, `nonce="n1"`, `opaque=""`, `nc=000000`, field2(field(again, "Authorization"), "cnonce=")} {
			if !strings.Contains(got, part) {
				t.Errorf("no %s in %s", part, got)
			}
		}
		if strings.Contains(got, "nc=00000001") || strings.Contains(got, "nc=00000002") {
			t.Errorf("a count comes twice: %s", got)
		}
	})
}

// field2 is the parameter of a header value that begins so.
func field2(value, start string) string {
	_, rest, _ := strings.Cut(value, start)
	rest, _, _ = strings.Cut(rest, ",")
	return start + rest
}

func TestWhatIsNoStateOfALeg(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		l, _ := b.dial(nil)
		b.call.on(func() {
			if _, ok := l.State(); ok {
				t.Error("a leg that is not answered can be kept")
			}
		})
		l, _ = b.established(nil, "")
		var x LegState
		b.call.on(func() {
			x, _ = l.State()
			l.Bye()
			if _, ok := l.State(); ok {
				t.Error("a leg that is over can be kept")
			}
		})
		b.sent()
		x.Dialog.LocalTag = "other"
		for what, change := range map[string]func(*LegState){
			"no interface": func(x *LegState) { x.Interface = "gone" },
			"no Call-ID":   func(x *LegState) { x.Dialog.CallID = "" },
			"no target":    func(x *LegState) { x.Dialog.Target = "" },
			"no transport": func(x *LegState) { x.Dialog.Transport = 0 },
			"CSeq is over": func(x *LegState) { x.Dialog.LocalSeq = 1<<31 - 1 },
		} {
			bad := x
			if change(&bad); true {
				if _, err := b.s.Restore(bad, 0, b.call); err == nil {
					t.Errorf("%s: it was taken", what)
				}
			}
		}
		if _, err := b.s.Restore(x, 0, b.call); err != nil {
			t.Error(err)
		}
	})
}

// A request that waits on the wire while the other box takes over finds its leg: there is no moment with a socket and without the leg.
func TestLegsAreThereBeforeSockets(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, a *bench) {
		l, ok := a.arrived("c1", "")
		var x LegState
		a.call.on(func() { x, _ = l.State() })
		net := &paperNet{socks: map[netip.AddrPort]*paper{}}
		s := New(Options{Options: siptransport.Options{Resolver: fakeNames{}, Network: net}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		defer func() { cancel(); <-done }()
		err := s.TakeOver(a.s.cfg, func(config.AddressBind) netip.Addr { return boxAddr.Addr() }, func() {
			if len(net.socks) > 0 {
				t.Error("a socket is open before its legs are there")
			}
			if _, err := s.Restore(x, 0, a.call); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		net.socks[boxAddr].put(peerAddr, []byte(strings.ReplaceAll(inDialogText("BYE", "c1", "bye", tagOf(field(ok, "To")), 2, "", ""), "\n", "\r\n")))
		want[Ended](t, a.call)
	})
}
