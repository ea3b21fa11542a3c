package sipgw

import (
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptx"
)

// Whatever is under way ends in silence: for the peer, and for the calls.
func TestADroppedStackIsSilent(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		leg, _ := b.arrived("c1", "") // established, with a request of ours and one of the peer's under way
		b.call.on(func() { leg.Request("INFO", "", nil); leg.Request("INFO", "", nil) })
		b.put(inDialogText("INFO", "c1", "i1", leg.dialog.LocalTag, 2, "", ""))
		want[Info](t, b.call)
		b.one("INFO ")
		b.dial(nil)                                      // called
		_, invite := b.dial(nil)                         // and one that rings
		b.put(reply(invite, "180 Ringing", "r", "", "")) //
		want[Progress](t, b.call)
		b.put(inviteText("c2", "b2", "", "v=0 offer")) // comes in
		<-b.calls
		b.put(inviteText("c3", "b3", "", "v=0 offer")) // is answered, and not acknowledged
		in := <-b.calls
		b.call.on(func() { in.Leg.Answer([]byte("v=0")) })
		b.put(inviteText("c4", "b4", "", "v=0 offer")) // is refused, and not acknowledged
		in = <-b.calls
		b.call.on(func() { in.Leg.Reject(486, "") })
		asked := make(chan error, 1)
		client, _ := b.s.Client("gw") // a request outside dialogs waits for its response
		req, err := client.NewRequest("OPTIONS", "sip:192.0.2.100", "sip:a@192.0.2.1", "sip:192.0.2.100", "", b.g.Peer(b.iface, ""))
		if err != nil {
			t.Fatal(err)
		}
		client.Begin(req, b.g.Peer(b.iface, ""), func(_ *sipmsg.Response, err error) { asked <- err })
		b.sent()

		b.s.DropAll()
		if err := <-asked; err == nil {
			t.Error("who waits for a response is not told")
		}
		synctest.Wait()
		if c := b.g.transactions.Count(); c != (siptx.Counts{}) {
			t.Errorf("transactions that are left: %+v", c)
		}
		b.call.on(func() {
			leg.Request("INFO", "", nil)
			leg.Reinvite(func() []byte { return []byte("v=0") })
			leg.Bye()
			in.Leg.Answer(nil)
		})
		time.Sleep(time.Hour)
		if list := b.sent(); len(list) != 0 {
			t.Errorf("it says %q", firstLines(list))
		}
		b.call.none(t)
		if l := b.s.Invite(b.call, Invite{Interface: peerID("pbx"), From: sipmsg.NameAddr{URI: "sip:a@b"}, To: sipmsg.NameAddr{URI: "sip:a@b"}, Urgent: true}); l.state != legOver {
			t.Error("a call begins at a box that is not the active one")
		}
	})
}

// Another Apply opens everything anew.
func TestADroppedStackCanComeBack(t *testing.T) {
	a := newBox(t, false, nil)
	p := a.connect("127.0.0.2", a.plain)
	p.write(overTCP(optionsText("o1", "")))
	p.want("SIP/2.0 200 ")
	a.s.DropAll()
	p.silent()
	if err := a.apply(); err != nil {
		t.Fatal(err)
	}
	p = a.connect("127.0.0.2", a.plain)
	p.write(overTCP(optionsText("o2", "")))
	p.want("SIP/2.0 200 ")
}
