package sipgw

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/siptransport"
)

// parts begins to close the bench's gateway; the channel says when.
func (b *bench) parts() (done chan time.Time) {
	done = make(chan time.Time, 1)
	go func() {
		b.s.part([]*gateway{b.g}, func() {})
		done <- time.Now()
	}()
	return done
}

// BYE must not come before the ACK (RFC 3261 15).
func TestAClosingGatewayWaitsForTheACKAndForTheAnswerToBYE(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put(inviteText("c1", "b1", "", "v=0"))
		in := <-b.calls
		b.one("SIP/2.0 100 ")
		b.call.on(func() { in.Leg.Answer([]byte("v=0")) })
		tag := tagOf(field(b.one("SIP/2.0 200 "), "To"))
		began := time.Now()
		done := b.parts()
		time.Sleep(200 * time.Millisecond)
		b.put(inDialogText("ACK", "c1", "a1", tag, 1, "", ""))
		bye := b.one("BYE ")
		if e := want[Ended](t, b.call); e.Code != 503 {
			t.Errorf("%+v", e)
		}
		time.Sleep(200 * time.Millisecond)
		b.put(reply(bye, "200 OK", "", "", ""))
		if d := (<-done).Sub(began); d < 400*time.Millisecond || d > 420*time.Millisecond {
			t.Errorf("closed after %v", d)
		}
	})
}

func TestAClosingGatewayRefusesCallsAndWaitsForTheACK(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.put(inviteText("c1", "b1", "", "v=0"))
		<-b.calls
		b.one("SIP/2.0 100 ")
		done := b.parts()
		tag := tagOf(field(b.one("SIP/2.0 503 "), "To"))
		if e := want[Ended](t, b.call); e.Code != 503 {
			t.Errorf("%+v", e)
		}
		b.put(inviteText("c2", "b2", "", "v=0"))
		b.one("SIP/2.0 503 ")
		b.s.Invite(b.call, Invite{Interface: peerID("pbx"), RequestURI: "sip:1@192.0.2.100"})
		if e := want[Failed](t, b.call); e.Code != 503 || !e.Local {
			t.Errorf("%+v", e)
		}
		time.Sleep(100 * time.Millisecond)
		select {
		case <-done:
			t.Error("it did not wait for the ACK")
		default:
		}
		b.put(inDialogText("ACK", "c1", "b1", tag, 1, "", ""))
		<-done
		b.starts()
	})
}

// A peer that answers nothing does not keep the gateway.
func TestAClosingGatewayWaitsForNobodyForEver(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		leg, _ := b.established(nil, "")
		began := time.Now()
		done := b.parts()
		if d := (<-done).Sub(began); d != byeTime {
			t.Errorf("closed after %v", d)
		}
		if list := b.sent(); len(list) != 3 || !strings.HasPrefix(list[0], "BYE ") || list[2] != list[0] {
			t.Errorf("sent %q", firstLines(list))
		}
		b.call.on(func() {
			if leg.state != legOver {
				t.Error("the leg lives")
			}
		})
	})
}

// An address that is gone for a moment, as with DHCP, comes back as a rule. Another one in its place does not.
func TestCallsEndWhenTheirAddressHasGone(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.established(nil, "")
		now := func(a netip.Addr) {
			b.g.Close()
			c, _ := siptransport.NewConf(b.s.cfg, b.s.cfg.Gateways[0], func(config.AddressBind) netip.Addr { return a }, b.s.opts.Options, false)
			b.g.Configure(c)
			b.g.Open()
			b.g.endUnreachable()
			b.call.on(func() {})
		}
		now(boxAddr.Addr())
		now(netip.Addr{})
		b.call.none(t)
		now(netip.MustParseAddr("192.0.2.7"))
		if e := want[Ended](t, b.call); e.Code != 503 {
			t.Errorf("%+v", e)
		}
		b.paper = b.net.socks[netip.MustParseAddrPort("192.0.2.7:5060")]
		if bye := b.one("BYE "); !strings.HasPrefix(field(bye, "Via"), "SIP/2.0/UDP 192.0.2.7:5060;") {
			t.Errorf("Via %q", field(bye, "Via"))
		}
	})
}
