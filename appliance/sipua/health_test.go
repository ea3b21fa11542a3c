package sipua

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptransport/siptransporttest"
	"viaduct/appliance/status"
)

// No call for the time of Retry-After (teams.md A.30), but an urgent one.
func TestPeerThatSays503IsLeftAlone(t *testing.T) {
	onPaper(t, siptransporttest.Literals{}, nil, func(t *testing.T, b *bench) {
		invite := b.invite("", false)[0]
		b.put(reply(invite, "503 Service Unavailable", "Retry-After: 1\n"))
		b.one("ACK ")
		if e := want[sipgw.Failed](t, b.call); e.Code != 503 || e.Local || e.RetryAfter != time.Second {
			t.Errorf("%+v", e)
		}
		if b.a.available("pbx") {
			t.Error("available within Retry-After")
		}
		if m := b.invite("", false); len(m) != 0 {
			t.Errorf("sent %q", m)
		}
		if e := want[sipgw.Failed](t, b.call); e.Code != 503 || !e.Local {
			t.Errorf("a call within Retry-After: %+v", e)
		}
		urgent := b.invite("", true)[0]
		b.put(reply(urgent, "486 Busy Here", ""))
		want[sipgw.Failed](t, b.call)
		time.Sleep(time.Second)
		if !b.a.available("pbx") {
			t.Error("left alone for longer than it asked")
		}
	})
}

func TestPeerThatDoesNotAnswerACallIsLeftAlone(t *testing.T) {
	onPaper(t, siptransporttest.Literals{}, nil, func(t *testing.T, b *bench) {
		b.invite("", false)
		time.Sleep(transactionTimeout)
		if e := want[sipgw.Failed](t, b.call); e.Code != 408 || !e.Local || b.a.available("pbx") {
			t.Errorf("%+v", e)
		}
		time.Sleep(holdSilent)
		if !b.a.available("pbx") {
			t.Error("for ever")
		}
	})
	t.Run("but not where it has answered others meanwhile", func(t *testing.T) {
		onPaper(t, siptransporttest.Literals{}, nil, func(t *testing.T, b *bench) {
			b.invite("", false) // lost in a flood
			time.Sleep(transactionTimeout / 2)
			b.sent(boxAddr)
			invite := b.invite("", false)[0]
			b.put(reply(invite, "486 Busy Here", ""))
			want[sipgw.Failed](t, b.call)
			time.Sleep(transactionTimeout)
			if e := want[sipgw.Failed](t, b.call); e.Code != 408 || !b.a.available("pbx") {
				t.Errorf("%+v", e)
			}
		})
	})
	t.Run("but not for one call that was refused", func(t *testing.T) {
		onPaper(t, siptransporttest.Literals{}, nil, func(t *testing.T, b *bench) {
			invite := b.invite("", false)[0]
			b.put(reply(invite, "503 Service Unavailable", ""))
			if want[sipgw.Failed](t, b.call); !b.a.available("pbx") {
				t.Error("without Retry-After, 503 is about this call")
			}
		})
	})
}

// stuck is a registration that has a state and never gets an answer.
func (b *bench) stuck(identity, host string, st status.Registration) *registration {
	spec := registrationSpec{via: &scripted{delay: 1000 * time.Hour}, uri: "sip:" + host, aor: "sip:" + identity + "@" + host, gateway: "gw", service: "ls", identity: identity, to: siptransport.Target{Host: host, Port: 5060, Transport: siptransport.UDP}}
	b.a.register(append(specsOf(b.a), spec)...)
	time.Sleep(Spread(len(specsOf(b.a)))) // now it waits
	r, _ := b.a.registrations.Find(spec.Key())
	r.Change(func(s *status.Registration) { *s = st })
	return r
}

func TestLostRegistrationsRefuseCallsAtOnce(t *testing.T) {
	lost := status.Registration{State: status.RegistrationFailed, Code: 403, Error: "403 Forbidden"}
	onPaper(t, siptransporttest.Literals{}, func(c *config.Config, _ *config.SIPInterface) {
		c.Gateways[0].Location = []config.Ref[config.Config, config.LocationService]{{Name: "ls"}}
	}, func(t *testing.T, b *bench) {
		sound := status.Registration{State: status.Registered, Expires: time.Now().Add(time.Hour), Code: 200}
		one, two := b.stuck("user.01", "192.0.2.100", lost), b.stuck("user.02", "192.0.2.100", sound)
		b.stuck("user.03", "elsewhere.example", lost)
		if m := b.invite("user.01", false); len(m) != 0 {
			t.Errorf("sent %q", m)
		}
		if e := want[sipgw.Failed](t, b.call); e.Code != 503 || !e.Local || !strings.Contains(e.Err.Error(), "403 Forbidden") {
			t.Errorf("%+v", e)
		}
		for _, identity := range []string{"user.02", "user.03", ""} {
			if m := b.invite(identity, false); len(m) != 1 {
				t.Errorf("%s: %q", identity, m)
			}
		}
		if m := b.invite("user.01", true); len(m) != 1 {
			t.Errorf("an urgent call: %q", m)
		}
		if !b.a.available("pbx") {
			t.Error("one lost registration is not a lost PBX")
		}
		two.Change(func(s *status.Registration) { s.Error, s.Code = sipdialog.ErrTimeout.Error(), 0 }) // a refresh got no answer
		if b.a.available("pbx") {
			t.Error("nobody is registered any more, or gets an answer")
		}
		one.Change(func(s *status.Registration) { *s = status.Registration{State: status.Registering} })
		if !b.a.available("pbx") {
			t.Error("what has just begun is not lost")
		}
	})
}

// idle is a probe that asks nothing.
func (b *bench) idle() *probe {
	spec := probeSpec{iface: peerID("pbx"), waits: true}
	b.a.probe(spec)
	synctest.Wait()
	p, _ := b.a.probes.Find(spec.Key())
	return p
}

// Nobody waits for Retry-After or the next probe once the peer is known to be well.
func TestReleasedPeersGetCallsAtOnce(t *testing.T) {
	onPaper(t, siptransporttest.Literals{}, nil, func(t *testing.T, b *bench) {
		b.a.holds.set(peerID("pbx"), time.Hour, "has answered a call with 503")
		if n := b.a.Release(peerID("other")); n != 0 || b.a.available("pbx") {
			t.Errorf("%d released for another interface", n)
		}
		if n := b.a.Release(peerID("pbx")); n != 1 || !b.a.available("pbx") {
			t.Errorf("%d released of a peer that is held", n)
		}
		p := b.idle()
		p.record(0, 0, "no response")
		if n := b.a.Release(config.InterfaceID{}); n != 1 || !b.a.available("pbx") || len(p.kick) != 1 {
			t.Errorf("%d released of a peer in the penalty box, asked: %d", n, len(p.kick))
		}
		if n := b.a.Release(config.InterfaceID{}); n != 0 {
			t.Errorf("%d released when none was held", n)
		}
	})
}

// One text for three causes sent people after OPTIONS that nobody had configured.
func TestUnavailableSaysWhy(t *testing.T) {
	onPaper(t, siptransporttest.Literals{}, nil, func(t *testing.T, b *bench) {
		if why := b.a.Unavailable(peerID("pbx")); why != "" {
			t.Errorf("before anything happened: %s", why)
		}
		b.a.holds.set(peerID("pbx"), 90*time.Second, "has answered a call with 503")
		if why := b.a.Unavailable(peerID("pbx")); why != "has answered a call with 503, left alone for another 1m30s" {
			t.Errorf("held: %s", why)
		}
		time.Sleep(90 * time.Second)
		if why := b.a.Unavailable(peerID("pbx")); why != "" {
			t.Errorf("held for ever: %s", why)
		}

		b.stuck("user.01", "192.0.2.100", status.Registration{State: status.RegistrationFailed, Error: "403 Forbidden"})
		if why := b.a.Unavailable(peerID("pbx")); why != "registers none of our identities: 403 Forbidden" {
			t.Errorf("not registered: %s", why)
		}

		p := b.idle()
		for reason, want := range map[string]string{
			"no response": "does not answer OPTIONS: no response",
			"dial 192.0.2.100:5060: connection refused": "does not answer OPTIONS: dial 192.0.2.100:5060: connection refused",
		} {
			p.record(0, 0, reason)
			if why := b.a.Unavailable(peerID("pbx")); why != want {
				t.Errorf("boxed: %s, want %s", why, want)
			}
		}
		p.record(503, time.Millisecond, "503 Service Unavailable")
		if why := b.a.Unavailable(peerID("pbx")); why != "answers OPTIONS with 503 Service Unavailable" {
			t.Errorf("boxed by 503: %s", why)
		}
	})
}

// What calls are kept away for is more than a peer that is gone: a survival goes by its probe and its registrations alone.
func TestGone(t *testing.T) {
	onPaper(t, siptransporttest.Literals{}, nil, func(t *testing.T, b *bench) {
		is := func(when, want string, wantKnown bool) {
			t.Helper()
			if why, known := b.a.Gone(peerID("pbx")); why != want || known != wantKnown {
				t.Errorf("%s: %q, known: %v", when, why, known)
			}
		}
		is("it has neither probe nor registrations", "", false)
		b.a.holds.set(peerID("pbx"), time.Hour, "has answered a call with 503")
		is("it wants to be left alone", "", false)
		if why, known := b.a.Gone(peerID("other")); why != "" || known {
			t.Errorf("an interface that is not there: %q, known: %v", why, known)
		}

		one := b.stuck("user.01", "192.0.2.100", status.Registration{State: status.Registering})
		is("a registration has begun", "", false)
		two := b.stuck("user.02", "192.0.2.100", status.Registration{State: status.RegistrationFailed, Code: 403, Error: "403 Forbidden"})
		is("one has begun, one has failed", "", false)
		one.Change(func(s *status.Registration) {
			*s = status.Registration{State: status.Registered, Code: 200, Expires: time.Now().Add(time.Hour)}
		})
		is("one is well, one has failed", "", true)
		one.Change(func(s *status.Registration) { s.Code, s.Error = 0, sipdialog.ErrTimeout.Error() })
		two.Change(func(s *status.Registration) { s.Code, s.Error = 0, sipdialog.ErrTimeout.Error() })
		is("neither gets an answer", "registers none of our identities: "+sipdialog.ErrTimeout.Error(), true)

		p := b.idle()
		is("its probe has not asked yet", "registers none of our identities: "+sipdialog.ErrTimeout.Error(), true)
		p.record(0, 0, "no response")
		is("its probe gets no answer either", "does not answer OPTIONS: no response", true)
		p.record(200, time.Millisecond, "")
		is("its probe gets one", "registers none of our identities: "+sipdialog.ErrTimeout.Error(), true)
		for _, r := range []*registration{one, two} {
			r.Change(func(s *status.Registration) { *s = status.Registration{State: status.Registering} })
		}
		is("they begin anew", "", true)
		p.record(403, time.Millisecond, "")
		is("it refuses the name in our Contact", "", true)
	})
}

// A peer that answers us and never asks has its way to us blocked; one that nobody asks is listed as such.
func TestPeersAreListedWithTheirLastRequest(t *testing.T) {
	onPaper(t, siptransporttest.Literals{}, nil, func(t *testing.T, b *bench) {
		list := b.a.Peers()
		if len(list) != 1 || list[0].Interface != "pbx" || list[0].State != status.PeerUnasked || list[0].Peer != "192.0.2.100:5060" || !list[0].Heard.IsZero() {
			t.Fatalf("%+v", list)
		}
		b.put("OPTIONS sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKh;rport\nMax-Forwards: 70\n" +
			"From: <sip:192.0.2.100>;tag=t\nTo: <sip:192.0.2.1>\nCall-ID: h\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n")
		b.one("SIP/2.0 200 ")
		if heard := b.a.Peers()[0].Heard; !heard.Equal(time.Now()) {
			t.Errorf("heard %v, now %v", heard, time.Now())
		}
	})
}

// The name of a registrar may not be known when its registration is made: what we say of ourselves is right all the same.
func TestRegistrationNamesTheSideOfItsRegistrar(t *testing.T) {
	lan, wan := netip.MustParseAddrPort("192.168.1.1:5060"), netip.MustParseAddrPort("203.0.113.5:5060")
	registrar := netip.MustParseAddr("192.168.1.100")
	names := &lazyNames{names: map[string]netip.Addr{"pbx.example": registrar}, asked: map[string]bool{}}
	onPaper(t, names, func(c *config.Config, pbx *config.SIPInterface) {
		ip := func(name, prefix string) *config.IPInterface {
			return &config.IPInterface{Name: name, Addresses: []config.IPAddress{{Name: name, Prefix: netip.MustParsePrefix(prefix)}}}
		}
		c.IP = []*config.IPContext{{Name: "ROUTER", Interfaces: []*config.IPInterface{ip("WAN", "203.0.113.5/24"), ip("LAN", "192.168.1.1/24")},
			Tables: []*config.RoutingTableIP{{Name: "DEFAULT", Routes: []config.IPRoute{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("203.0.113.1")}}}}}}
		bind := func(name string) *config.GatewayInterface {
			return &config.GatewayInterface{Name: name, UDPTCP: 5060, Bind: config.AddressBind{Context: config.Ref[config.Config, config.IPContext]{Name: "ROUTER"}, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: name}, Address: name}}
		}
		c.Gateways[0].Interfaces = []*config.GatewayInterface{bind("WAN"), bind("LAN")} // the WAN's first
		c.Gateways[0].Location = []config.Ref[config.Config, config.LocationService]{{Name: "ls"}}
		reg := &config.Registration{Auto: true, Registrar: config.HostPort{Host: "pbx.example", Port: 5060}}
		reg.SetDefaults()
		c.Location = []*config.LocationService{{Name: "ls", Domains: []config.Domain{{Index: 1, Host: "pbx.example"}},
			Identities: []*config.Identity{{Name: "user.01", IdentitySettings: config.IdentitySettings{Registration: reg}}}}}
		pbx.Remote.Host = ""
	}, func(t *testing.T, b *bench) {
		time.Sleep(startSpread)
		list := b.sent(lan)
		if len(list) != 1 || len(b.sent(wan)) != 0 {
			t.Fatalf("sent %q", list)
		}
		m := list[0]
		if field(m, "Contact") != "<sip:user.01@192.168.1.1:5060>" || !strings.HasPrefix(field(m, "Via"), "SIP/2.0/UDP 192.168.1.1:5060;") {
			t.Errorf("Contact %s, Via %s", field(m, "Contact"), field(m, "Via"))
		}
		b.putAt(lan, netip.AddrPortFrom(registrar, 5060), reply(m, "200 OK", ""))
		if st := b.a.Registrations(); len(st) != 1 || st[0].State != status.Registered {
			t.Errorf("%+v", st)
		}
	})
}

// Whose credentials a PBX has refused in a call registers at once: the password may be another one there.
func TestWhoIsRefusedInACallRegistersAnew(t *testing.T) {
	auth := &config.AuthOutbound{Services: []config.Authenticate{{Service: config.Ref[config.Config, config.AuthService]{Name: "accounts"}}}}
	onPaper(t, siptransporttest.Literals{}, func(c *config.Config, _ *config.SIPInterface) {
		c.Auth = []*config.AuthService{{Name: "accounts", Users: []config.Credential{account("user.01", "old"), account("user.02", "right")}}}
		c.Location = []*config.LocationService{{Name: "ls", Domains: []config.Domain{{Index: 1, Host: "192.0.2.100"}}, Identities: []*config.Identity{
			{Name: "user.01", IdentitySettings: config.IdentitySettings{AuthOutbound: auth}}, {Name: "user.02", IdentitySettings: config.IdentitySettings{AuthOutbound: auth}},
		}}}
		c.Gateways[0].Location = []config.Ref[config.Config, config.LocationService]{{Name: "ls"}}
	}, func(t *testing.T, b *bench) {
		sound := status.Registration{State: status.Registered, Expires: time.Now().Add(time.Hour), Code: 200}
		one, two := b.stuck("user.01", "192.0.2.100", sound), b.stuck("user.02", "192.0.2.100", sound)
		// call has the peer challenge an INVITE, and then say final.
		call := func(identity, final string) {
			t.Helper()
			b.put(reply(b.invite(identity, false)[0], "401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\n"))
			sent := b.sent(boxAddr)
			again := sent[len(sent)-1]
			if !strings.Contains(again, "\r\nAuthorization: ") {
				t.Fatalf("sent %q", sent)
			}
			b.put(reply(again, final, ""))
			want[sipgw.Failed](t, b.call)
			b.sent(boxAddr)
		}
		call("user.02", "486 Busy Here")
		call("user.01", "403 Forbidden")
		if len(one.kick) != 1 || len(two.kick) != 0 {
			t.Errorf("user.01 is to register %d times, user.02 %d", len(one.kick), len(two.kick))
		}
	})
}
