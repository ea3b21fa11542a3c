package sipgw

import (
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/status"
)

// Teams wants the connection of a 503 closed, and no call for the time of Retry-After (A.30).
func TestPeerThatSays503IsLeftAlone(t *testing.T) {
	var l net.Listener
	b := newBox(t, true, func(c *config.Config, i *config.SIPInterface) { l = remote(t, c); i.Remote.Host = "sip.example" })
	cert := b.root.pair(t, "sip.example", x509.ExtKeyUsageServerAuth)
	first := secureServer(t, l, cert, func() { b.invite(nil) })
	first.write(reply(first.want("INVITE "), "503 Service Unavailable", "z", "Retry-After: 1\n", ""))
	first.want("ACK ")
	if e := want[Failed](t, b.call); e.Code != 503 || e.Local || e.RetryAfter != time.Second {
		t.Errorf("%+v", e)
	}
	first.c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := first.r.ReadByte(); err == nil || isTimeout(err) {
		t.Errorf("the connection is still open: %v", err)
	}
	if b.s.Available("peer") {
		t.Error("available within Retry-After")
	}
	b.invite(nil)
	if e := want[Failed](t, b.call); e.Code != 503 || !e.Local {
		t.Errorf("a call within Retry-After: %+v", e)
	}
	urgent := secureServer(t, l, cert, func() { b.invite(func(i *Invite) { i.Urgent = true }) })
	urgent.write(reply(urgent.want("INVITE "), "486 Busy Here", "z", "", ""))
	want[Failed](t, b.call)
	for !b.s.Available("peer") {
		time.Sleep(10 * time.Millisecond)
	}
}

func TestPeerThatDoesNotAnswerACallIsLeftAlone(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.dial(nil)
		time.Sleep(transactionTimeout)
		if e := want[Failed](t, b.call); e.Code != 408 || !e.Local || b.s.Available("pbx") {
			t.Errorf("%+v", e)
		}
		time.Sleep(holdSilent)
		b.sent()
		if !b.s.Available("pbx") {
			t.Error("for ever")
		}
	})
	t.Run("but not where it has answered others meanwhile", func(t *testing.T) {
		onPaper(t, nil, func(t *testing.T, b *bench) {
			b.dial(nil) // lost in a flood
			time.Sleep(transactionTimeout / 2)
			b.sent()
			_, invite := b.dial(func(r *Invite) { r.RequestURI = "sip:101@192.0.2.100" })
			b.put(reply(invite, "486 Busy Here", "z", "", ""))
			want[Failed](t, b.call)
			time.Sleep(transactionTimeout)
			if e := want[Failed](t, b.call); e.Code != 408 || !b.s.Available("pbx") {
				t.Errorf("%+v", e)
			}
			b.sent()
		})
	})
	t.Run("but not for one call that was refused", func(t *testing.T) {
		onPaper(t, nil, func(t *testing.T, b *bench) {
			_, invite := b.dial(nil)
			b.put(reply(invite, "503 Service Unavailable", "z", "", ""))
			if want[Failed](t, b.call); !b.s.Available("pbx") {
				t.Error("without Retry-After, 503 is about this call")
			}
			b.sent()
		})
	})
}

// registering puts a registration in a state without a registrar.
func (b *bench) registering(identity, host string, st status.Registration) *registration {
	r := newRegistration(registrationSpec{gateway: "gw", service: "ls", identity: identity, to: target{host, 5060, "udp"}}, b.s.log)
	r.state = st
	if b.s.registrations.running == nil {
		b.s.registrations.running = map[string]*registration{}
	}
	b.s.registrations.running[r.spec.key()] = r
	return r
}

func TestLostRegistrationsRefuseCallsAtOnce(t *testing.T) {
	lost := status.Registration{State: status.RegistrationFailed, Code: 403, Error: "403 Forbidden"}
	onPaper(t, func(c *config.Config, _ *config.SIPInterface) {
		c.Gateways[0].Location = []config.Ref[config.LocationService]{{Name: "ls"}}
	}, func(t *testing.T, b *bench) {
		sound := status.Registration{State: status.Registered, Expires: time.Now().Add(time.Hour), Code: 200}
		call := func(identity string, urgent bool) []string {
			b.call.on(func() {
				b.s.Invite(b.call, Invite{Interface: "pbx", RequestURI: "sip:1@192.0.2.100", From: sipmsg.NameAddr{URI: "sip:a@b"}, To: sipmsg.NameAddr{URI: "sip:1@b"},
					Identity: identity, Urgent: urgent})
			})
			return b.sent()
		}
		one, two := b.registering("user.01", "192.0.2.100", lost), b.registering("user.02", "192.0.2.100", sound)
		b.registering("user.03", "elsewhere.example", lost)
		if m := call("user.01", false); len(m) != 0 {
			t.Errorf("sent %q", firstLines(m))
		}
		if e := want[Failed](t, b.call); e.Code != 503 || !e.Local || !strings.Contains(e.Err.Error(), "403 Forbidden") {
			t.Errorf("%+v", e)
		}
		for _, identity := range []string{"user.02", "user.03", ""} {
			if m := call(identity, false); len(m) != 1 {
				t.Errorf("%s: %q", identity, firstLines(m))
			}
		}
		if m := call("user.01", true); len(m) != 1 {
			t.Errorf("an urgent call: %q", firstLines(m))
		}
		if !b.s.Available("pbx") {
			t.Error("one lost registration is not a lost PBX")
		}
		two.change(func(s *status.Registration) { s.Error, s.Code = errTimeout.Error(), 0 }) // a refresh got no answer
		if b.s.Available("pbx") {
			t.Error("nobody is registered any more, or gets an answer")
		}
		one.change(func(s *status.Registration) { *s = status.Registration{State: status.Registering} })
		if !b.s.Available("pbx") {
			t.Error("what has just begun is not lost")
		}
		clear(b.s.registrations.running)
	})
}

func TestEmergencyCallsPassTheLimit(t *testing.T) {
	onPaper(t, func(c *config.Config, _ *config.SIPInterface) {
		c.Gateways[0].CallsPerSecond, c.CS[0].Emergency = 1, []string{"112"}
	}, func(t *testing.T, b *bench) {
		for i, want := range []string{"100", "503"} {
			id := string(rune('a' + i))
			b.put(inviteText(id, id, "", "v=0"))
			b.one("SIP/2.0 " + want)
		}
		b.put(strings.Replace(inviteText("z", "z", "", "v=0"), "INVITE sip:+49711@", "INVITE sip:+112@", 1))
		b.one("SIP/2.0 100")
	})
}

func TestAddressesThatDoNotAnswerComeLast(t *testing.T) {
	second := netip.MustParseAddr("192.0.2.101")
	onPaper(t, func(_ *config.Config, i *config.SIPInterface) {
		i.Remote = config.HostPort{Host: "pbx.example", Port: 5060}
	}, func(t *testing.T, b *bench) {
		b.s.opts.Resolver = fakeNames{"pbx.example": {peerAddr.Addr(), second}}
		where, _ := b.g.resolveNow(target{"pbx.example", 5060, "udp"})
		to := func() netip.Addr {
			way, err := b.g.way(where)
			if err != nil {
				t.Fatal(err)
			}
			return way.remote().Addr()
		}
		if a := to(); a != peerAddr.Addr() {
			t.Error("first to", a)
		}
		b.dial(nil)
		time.Sleep(transactionTimeout)
		want[Failed](t, b.call)
		if a := to(); a != second {
			t.Error("after a call without answer to", a)
		}
		time.Sleep(failingFor + time.Second)
		if a := to(); a != peerAddr.Addr() {
			t.Error("later to", a)
		}
		b.sent()
	})
}

// A name with several addresses: those that cannot be reached are passed over, and not tried first again.
func TestSeveralAddressesOfAName(t *testing.T) {
	var l net.Listener
	dead, alive, other := addr("127.0.0.3"), addr("127.0.0.2"), addr("127.0.0.4")
	b := newBox(t, true, func(c *config.Config, i *config.SIPInterface) { l = remote(t, c); i.Remote.Host = "sip.example" })
	b.names.Store(&fakeNames{"sip.example": {dead, alive}})
	cert := b.root.pair(t, "sip.example", x509.ExtKeyUsageServerAuth)
	refuse := func(p *peer) {
		p.write(reply(p.want("INVITE "), "486 Busy Here", "z", "", ""))
		p.want("ACK ")
		want[Failed](t, b.call)
	}
	first := secureServer(t, l, cert, func() { b.invite(nil) })
	refuse(first)
	b.invite(nil)
	refuse(first) // the same connection

	// The name moves: what comes next goes to where it is now.
	moved, err := net.Listen("tcp", netip.AddrPortFrom(other, addrPortOf(l.Addr()).Port()).String())
	if err != nil {
		t.Fatal(err)
	}
	defer moved.Close()
	b.names.Store(&fakeNames{"sip.example": {other}})
	refuse(secureServer(t, moved, cert, func() { b.invite(nil) }))
	first.c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := first.r.ReadByte(); err == nil || isTimeout(err) {
		t.Errorf("the connection to the old address is still open: %v", err)
	}
}

func TestOldSRVAnswersAreUsedWhileNewOnesAreAskedFor(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		names := &slowNames{asked: map[string]bool{}, hosts: fakeNames{"a.example": {peerAddr.Addr()}, "b.example": {addr("192.0.2.102")}},
			srv: map[string][]*net.SRV{"_sip._udp.example.org": {{Target: "a.example.", Port: 5070}, {Target: "b.example.", Port: 5080}}}}
		b.s.opts.Resolver = names
		to := target{"example.org", 0, "udp"}
		where, err := b.g.resolve(t.Context(), to)
		if want := []netip.AddrPort{addrPort("192.0.2.100:5070"), addrPort("192.0.2.102:5080")}; err != nil || !slices.Equal(where.addrs, want) {
			t.Fatalf("%v, %v", where, err)
		}
		names.srv["_sip._udp.example.org"] = []*net.SRV{{Target: "b.example.", Port: 5090}}
		time.Sleep(resolvedFor + time.Second)
		if where, ok := b.g.resolveNow(to); !ok || len(where.addrs) != 2 {
			t.Errorf("waits: %v", where)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if where, ok := b.g.resolveNow(to); !ok || !slices.Equal(where.addrs, []netip.AddrPort{addrPort("192.0.2.102:5090")}) {
			t.Errorf("not renewed: %v", where)
		}
	})
}

// One text for three causes sent people after OPTIONS that nobody had configured.
func TestUnavailableSaysWhy(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		if why := b.s.Unavailable("pbx"); why != "" {
			t.Errorf("before anything happened: %s", why)
		}
		b.s.holds.set("pbx", 90*time.Second, "has answered a call with 503")
		if why := b.s.Unavailable("pbx"); why != "has answered a call with 503, left alone for another 1m30s" {
			t.Errorf("held: %s", why)
		}
		time.Sleep(90 * time.Second)
		if why := b.s.Unavailable("pbx"); why != "" {
			t.Errorf("held for ever: %s", why)
		}

		r := newRegistration(registrationSpec{gateway: "gw", identity: "user.01", to: target{host: "192.0.2.100"}}, b.s.log)
		r.state.State, r.state.Error = status.RegistrationFailed, "403 Forbidden"
		b.s.registrations.running = map[string]*registration{"x": r}
		if why := b.s.Unavailable("pbx"); why != "registers none of our identities: 403 Forbidden" {
			t.Errorf("not registered: %s", why)
		}
		b.s.registrations.running = nil

		p := newProbe(probeSpec{name: "pbx"}, b.s.log)
		b.s.probes.running = map[string]*probe{"pbx": p}
		for reason, want := range map[string]string{
			"no response": "does not answer OPTIONS: no response",
			"dial 192.0.2.100:5060: connection refused": "does not answer OPTIONS: dial 192.0.2.100:5060: connection refused",
		} {
			p.settle(0, 0, reason)
			if why := b.s.Unavailable("pbx"); why != want {
				t.Errorf("boxed: %s, want %s", why, want)
			}
		}
		p.settle(503, time.Millisecond, "503 Service Unavailable")
		if why := b.s.Unavailable("pbx"); why != "answers OPTIONS with 503 Service Unavailable" {
			t.Errorf("boxed by 503: %s", why)
		}
		b.s.probes.running = nil
	})
}

// A peer that answers us and never asks has its way to us blocked; one that nobody asks is listed as such.
func TestPeersAreListedWithTheirLastRequest(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		list := b.s.PenaltyBox()
		if len(list) != 1 || list[0].Interface != "pbx" || list[0].State != status.PeerUnasked || list[0].Peer != "192.0.2.100:5060" || !list[0].Heard.IsZero() {
			t.Fatalf("%+v", list)
		}
		b.put("OPTIONS sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKh;rport\nMax-Forwards: 70\n" +
			"From: <sip:192.0.2.100>;tag=t\nTo: <sip:192.0.2.1>\nCall-ID: h\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n")
		b.one("SIP/2.0 200 ")
		if heard := b.s.PenaltyBox()[0].Heard; !heard.Equal(time.Now()) {
			t.Errorf("heard %v, now %v", heard, time.Now())
		}
	})
}
