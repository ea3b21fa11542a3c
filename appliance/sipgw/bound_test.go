package sipgw

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

// twoSided is a gateway with an interface on the LAN and one on the WAN, the WAN's first: a peer of each trusts its own side only.
func twoSided(t *testing.T, f func(t *testing.T, b *bench, lan, wan *paper)) {
	onPaper(t, func(c *config.Config, pbx *config.SIPInterface) {
		ip := func(name, prefix string) *config.IPInterface {
			return &config.IPInterface{Name: name, Addresses: []config.IPAddress{{Name: name, Prefix: netip.MustParsePrefix(prefix)}}}
		}
		c.IP = []*config.IPContext{{Name: "ROUTER", Interfaces: []*config.IPInterface{ip("WAN", "203.0.113.5/24"), ip("LAN", "192.168.1.1/24")},
			Tables: []*config.RoutingTableIP{{Name: "DEFAULT", Routes: []config.IPRoute{{Prefix: prefix("0.0.0.0/0"), Gateway: addr("203.0.113.1")}}}}}}
		pbx.Remote = config.HostPort{Host: "pbx.example", Port: 5060}
		hub := *pbx
		hub.Name, hub.Remote = "hub", config.HostPort{Host: "198.51.100.9", Port: 5060}
		c.CS[0].Interfaces = append(c.CS[0].Interfaces, &hub)
	}, func(t *testing.T, b *bench) {
		b.s.opts.Resolver = fakeNames{"pbx.example": {addr("192.168.1.100")}}
		cfg := *b.s.cfg
		gw := *cfg.Gateways[0]
		second := *gw.Interfaces[0]
		second.Name = "second"
		gw.Interfaces, cfg.Gateways = append(gw.Interfaces, &second), []*config.SIPGateway{&gw}
		b.configure(&cfg, addr("203.0.113.5"), addr("192.168.1.1"))
		lan, wan := b.net.socks[addrPort("192.168.1.1:5060")], b.net.socks[addrPort("203.0.113.5:5060")]
		f(t, b, lan, wan)
	})
}

// only is the one message that a side has sent; the other has sent nothing.
func only(t *testing.T, p, other *paper, start string) string {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sent) != 1 || !strings.HasPrefix(p.sent[0], start) || len(other.sent) != 0 {
		t.Fatalf("sent %q and on the other side %q, want one %s", firstLines(p.sent), firstLines(other.sent), start)
	}
	m := p.sent[0]
	p.sent = nil
	return m
}

func TestEachSideIsToldItsOwnAddress(t *testing.T) {
	twoSided(t, func(t *testing.T, b *bench, lan, wan *paper) {
		for _, x := range []struct {
			iface, ours string
			p, other    *paper
		}{{"pbx", "192.168.1.1", lan, wan}, {"hub", "203.0.113.5", wan, lan}} {
			if got := b.s.LocalAddr(peerID(x.iface)); got != addr(x.ours) {
				t.Errorf("%s: media at %v, want %s", x.iface, got, x.ours)
			}
			var leg *Leg
			b.call.on(func() {
				leg = b.s.Invite(b.call, Invite{Interface: peerID(x.iface), RequestURI: "sip:100@peer", From: sipmsg.NameAddr{URI: "sip:a@b"}, To: sipmsg.NameAddr{URI: "sip:100@peer"},
					ContactUser: "user.01", Body: []byte("v=0")})
			})
			m := only(t, x.p, x.other, "INVITE ")
			if !strings.HasPrefix(field(m, "Via"), "SIP/2.0/UDP "+x.ours+":5060;") || field(m, "Contact") != "<sip:user.01@"+x.ours+":5060>" || leg.LocalAddr() != addr(x.ours) {
				t.Errorf("%s: Via %s, Contact %s, media %v", x.iface, field(m, "Via"), field(m, "Contact"), leg.LocalAddr())
			}
			b.call.on(func() { leg.Cancel() })
		}
	})
}

// uncached is a resolver that knows nothing by heart.
type uncached struct{ fakeNames }

func (uncached) Cached(string) []netip.Addr { return nil }

// A call belongs to the side by which its INVITE went, which is known when the name of its peer is.
func TestACallLivesAsLongAsItsOwnSide(t *testing.T) {
	twoSided(t, func(t *testing.T, b *bench, lan, wan *paper) {
		b.s.opts.Resolver = uncached{fakeNames{"pbx.example": {addr("192.168.1.100")}}}
		cfg := b.s.cfg
		b.configure(cfg, addr("203.0.113.5"), addr("192.168.1.1"))
		var leg *Leg
		b.call.on(func() {
			leg = b.s.Invite(b.call, Invite{Interface: peerID("pbx"), RequestURI: "sip:100@peer", From: sipmsg.NameAddr{URI: "sip:a@b"}, To: sipmsg.NameAddr{URI: "sip:100@peer"},
				ContactUser: "user.01", Body: []byte("v=0")})
		})
		m := only(t, lan, wan, "INVITE ")
		if field(m, "Contact") != "<sip:user.01@192.168.1.1:5060>" || leg.LocalAddr() != addr("192.168.1.1") {
			t.Errorf("Contact %s, media %v", field(m, "Contact"), leg.LocalAddr())
		}
		b.call.on(func() { leg.Cancel() })
	})
}

func TestWhatCameByASocketIsAnsweredWithItsAddress(t *testing.T) {
	twoSided(t, func(t *testing.T, b *bench, lan, wan *paper) {
		put := func(m string) {
			lan.put(addrPort("192.168.1.100:5060"), []byte(crlf(strings.NewReplacer("192.0.2.100", "192.168.1.100", "192.0.2.1", "192.168.1.1").Replace(m))))
		}
		put("OPTIONS sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKo;rport\nMax-Forwards: 70\nFrom: <sip:192.0.2.100>;tag=t\nTo: <sip:192.0.2.1>\n" +
			"Call-ID: o\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n")
		if m := only(t, lan, wan, "SIP/2.0 200 "); field(m, "Contact") != "<sip:192.168.1.1:5060>" {
			t.Errorf("OPTIONS: Contact %s", field(m, "Contact"))
		}
		put(inviteText("c1", "b1", "", "v=0"))
		only(t, lan, wan, "SIP/2.0 100 ")
		in := <-b.calls
		if in.Leg.LocalAddr() != addr("192.168.1.1") {
			t.Errorf("media at %v", in.Leg.LocalAddr())
		}
		b.call.on(func() { in.Leg.Answer([]byte("v=0")) })
		m := only(t, lan, wan, "SIP/2.0 200 ")
		if field(m, "Contact") != "<sip:+49711@192.168.1.1:5060>" {
			t.Errorf("INVITE: Contact %s", field(m, "Contact"))
		}
		put(inDialogText("ACK", "c1", "a1", tagOf(field(m, "To")), 1, "", ""))
		b.call.on(func() { in.Leg.Bye() })
		if m := only(t, lan, wan, "BYE "); !strings.HasPrefix(field(m, "Via"), "SIP/2.0/UDP 192.168.1.1:5060;") {
			t.Errorf("BYE: Via %s", field(m, "Via"))
		}
	})
}
