package sipgw

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/sipdialog"
	"viaduct/appliance/siptransport"
)

// handOver has a call wait at one box, and another one take it in.
func handOver(t *testing.T, a *bench, in *Incoming, since time.Duration) (*bench, error) {
	t.Helper()
	var b []byte
	a.call.on(func() { b = in.Held() })
	if b == nil {
		t.Fatal("the call cannot be handed over")
	}
	a.sent()
	a.s.DropAll()
	x := newBench(t, nil)
	t.Cleanup(x.end)
	return x, x.s.TakeIn(b, since)
}

const oddHeaders = "X-Odd:   J\xfcrgen ; a=\"b,c\"\nRecord-Route: <sip:192.0.2.100;lr;x=\xff>\n"

func TestACallThatWasHeldGoesOnAtTheOtherBox(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, a *bench) {
		text := inviteText("c1", "b1", oddHeaders, "v=0 J\xfcrgen")
		a.put(text)
		in := <-a.calls
		a.one("SIP/2.0 100 ")
		b, err := handOver(t, a, in, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		there := <-b.calls
		if there.Interface != in.Interface || there.Hops != in.Hops || there.Request.URI != in.Request.URI || string(there.Request.Body) != "v=0 J\xfcrgen" || there.Request.Header("X-Odd") != in.Request.Header("X-Odd") {
			t.Errorf("it is another call: %+v", there)
		}
		b.one("SIP/2.0 100 ")
		b.put(text)
		b.one("SIP/2.0 100 ") // it is known
		b.call.on(func() { there.Leg.Provisional(180, "", nil) })
		ringing := b.one("SIP/2.0 180 ")
		if via := field(ringing, "Via"); via != "SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKb1;rport=5060;received=192.0.2.100" {
			t.Errorf("Via %q", via)
		}
		if tagOf(field(ringing, "To")) != in.Leg.dialog.LocalTag {
			t.Errorf("another tag: %s", ringing)
		}
		b.put(text)
		b.one("SIP/2.0 180 ")
		b.call.on(func() { there.Leg.Answer([]byte("v=0 answer")) })
		ok := b.one("SIP/2.0 200 ")
		if field(ok, "Record-Route") != "<sip:192.0.2.100;lr;x=\xff>" {
			t.Errorf("Record-Route %q", field(ok, "Record-Route"))
		}
		b.put(inDialogText("ACK", "c1", "ack", tagOf(field(ok, "To")), 1, "", ""))
		want[Acked](t, b.call)
		b.put(inDialogText("BYE", "c1", "bye", tagOf(field(ok, "To")), 2, "", ""))
		b.one("SIP/2.0 200 ")
		want[Ended](t, b.call)
	})
}

func TestTheCallerGivesAHeldCallUp(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, a *bench) {
		a.put(inviteText("c1", "b1", "", "v=0 offer"))
		in := <-a.calls
		a.call.on(func() { in.Leg.Provisional(180, "", nil) })
		b, err := handOver(t, a, in, 0)
		if err != nil {
			t.Fatal(err)
		}
		<-b.calls
		b.one("SIP/2.0 100 ")
		b.put(strings.NewReplacer("INVITE sip", "CANCEL sip", "1 INVITE", "1 CANCEL", "Content-Type: application/sdp\n", "", "Content-Length: 9", "Content-Length: 0", "v=0 offer", "").
			Replace(inviteText("c1", "b1", "", "v=0 offer")))
		list := b.starts("SIP/2.0 200 ", "SIP/2.0 487 ")
		want[Cancelled](t, b.call)
		b.put(inDialogText("ACK", "c1", "b1", tagOf(field(list[1], "To")), 1, "", ""))
		time.Sleep(time.Minute)
		if list := b.sent(); len(list) != 0 {
			t.Errorf("its ACK was not heard: %q", firstLines(list))
		}
	})
}

func TestWhatIsNotTakenIn(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, a *bench) {
		a.put(inviteText("c1", "b1", "", "v=0 offer"))
		in := <-a.calls
		b, err := handOver(t, a, in, time.Hour)
		if err == nil {
			t.Error("a call that its caller has given up long ago rings")
		}
		for _, text := range []string{"", "{}", `{"gw":"gone","transport":"udp","source":"192.0.2.100:5060","tag":"t","text":""}`, `{"gw":"gw","transport":"udp","source":"192.0.2.100:5060","tag":"t","text":"SU5WSVRF"}`} {
			if err := b.s.TakeIn([]byte(text), 0); err == nil {
				t.Errorf("%q was taken in", text)
			}
		}
		b.call.on(func() {})
		if list := b.sent(); len(list) != 0 || len(b.calls) != 0 {
			t.Errorf("sent %q", firstLines(list))
		}
	})
	for what, early := range map[string]func(*Leg){
		"early media": func(l *Leg) { l.Provisional(183, "", []byte("v=0 early")) },
		"an answer":   func(l *Leg) { l.Answer([]byte("v=0 answer")) },
		"a refusal":   func(l *Leg) { l.Reject(486, "") },
	} {
		onPaper(t, nil, func(t *testing.T, a *bench) {
			a.put(inviteText("c1", "b1", "", "v=0 offer"))
			in := <-a.calls
			a.call.on(func() {
				if early(in.Leg); in.Held() != nil {
					t.Errorf("a call with %s can be handed over", what)
				}
			})
			synctest.Wait()
		})
	}
}

// A re-INVITE that waits for our answer when the other box takes over is answered by that one.
func TestARequestThatWaitsGoesOnAtTheOtherBox(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, a *bench) {
		l, ok := a.arrived("c1", "")
		tag := tagOf(field(ok, "To"))
		again := inDialogText("INVITE", "c1", "again", tag, 5, "", "v=0 hold")
		a.put(inDialogText("INFO", "c1", "info", tag, 4, "", ""))
		a.put(again)
		a.one("SIP/2.0 100 ")
		info, offer := want[Info](t, a.call), want[Offered](t, a.call)
		b, l := passOn(t, a, l, nil, 0)
		for range 2 {
			switch e := (<-b.call.events).(type) {
			case Info:
				if e.ID != info.ID {
					t.Errorf("ID %s, was %s", e.ID, info.ID)
				}
				b.call.on(func() { l.Respond(e.ID, 200, "", nil) })
			case Offered:
				if e.ID != offer.ID || string(e.Body) != "v=0 hold" {
					t.Errorf("%+v, was %+v", e, offer)
				}
				b.call.on(func() { l.Respond(e.ID, 200, "", []byte("v=0 held")) })
			default:
				t.Errorf("%T", e)
			}
		}
		for _, m := range b.sent() {
			if !strings.HasPrefix(m, "SIP/2.0 200 ") {
				t.Errorf("sent %q", m)
			}
		}
		b.put(inDialogText("ACK", "c1", "ack5", tag, 5, "", ""))
		want[Acked](t, b.call)
		b.put(inDialogText("INVITE", "c1", "again6", tag, 6, "", "v=0 on"))
		b.one("SIP/2.0 100 ")
		want[Offered](t, b.call)
	})
}

func FuzzTakeIn(f *testing.F) {
	f.Add([]byte(`{"gw":"gw","transport":"udp","source":"192.0.2.100:5060","local":"192.0.2.1:5060","tag":"t","text":"SU5WSVRF"}`))
	whole := strings.ReplaceAll(inviteText("c1", "b1", "", "v=0"), "\n", "\r\n")
	text, err := json.Marshal(held{"gw", "", 0, sipdialog.Request{Transport: siptransport.UDP, Source: peerAddr, Local: boxAddr, Tag: "t", Text: []byte(whole)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	var b *bench
	f.Fuzz(func(t *testing.T, text []byte) {
		if b == nil {
			b = newBench(t, nil)
			b.s.opts.OnInvite = func(in *Incoming) { in.Leg.Reject(486, "") }
		}
		_ = b.s.TakeIn(text, 0)
	})
	if b != nil {
		b.end()
	}
}
