package sipgw

import (
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"
)

// Teams wants the connection of a 503 closed, and no call for as long as the health of the peer says (A.30).
func TestPeerThatSays503IsLeftAlone(t *testing.T) {
	var l net.Listener
	b := newBox(t, true, func(c *config.Config, i *config.SIPInterface) { l = remote(t, c); i.Remote.Host = "sip.example" })
	h := &holding{}
	b.call.on(func() { b.s.Attach(h, followers{}) }) // it is asked and told there
	cert := b.root.pair(t, "sip.example", x509.ExtKeyUsageServerAuth)
	first := secureServer(t, l, cert, func() { b.invite(nil) })
	first.write(reply(first.want("INVITE "), "503 Service Unavailable", "z", "Retry-After: 1\n", ""))
	first.want("ACK ")
	if e := want[Failed](t, b.call); e.Code != 503 || e.Local || e.RetryAfter != time.Second {
		t.Errorf("%+v", e)
	}
	first.c.SetReadDeadline(time.Now().Add(patience))
	if _, err := first.r.ReadByte(); err == nil || isTimeout(err) {
		t.Errorf("the connection is still open: %v", err)
	}
	if h.held != time.Second {
		t.Errorf("told to leave it alone for %v", h.held)
	}
	b.invite(nil)
	if e := want[Failed](t, b.call); e.Code != 503 || !e.Local {
		t.Errorf("a call within Retry-After: %+v", e)
	}
	urgent := secureServer(t, l, cert, func() { b.invite(func(i *Invite) { i.Urgent = true }) })
	urgent.write(reply(urgent.want("INVITE "), "486 Busy Here", "z", "", ""))
	want[Failed](t, b.call)
}

// holding refuses calls from the first 503 with Retry-After on.
type holding struct {
	unattended
	held time.Duration
}

func (h *holding) Overloaded(_ config.InterfaceID, d time.Duration) { h.held = d }

func (h *holding) Refusal(config.InterfaceID, string) error {
	if h.held == 0 {
		return nil
	}
	return errors.New("held")
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
		where, _ := b.g.ResolveNow(siptransport.Target{Host: "pbx.example", Port: 5060, Transport: siptransport.UDP})
		to := func() netip.Addr {
			flow, err := b.g.Flow(where)
			if err != nil {
				t.Fatal(err)
			}
			return flow.Remote().Addr()
		}
		if a := to(); a != peerAddr.Addr() {
			t.Error("first to", a)
		}
		b.dial(nil)
		time.Sleep(siptx.Timeout)
		want[Failed](t, b.call)
		if a := to(); a != second {
			t.Error("after a call without answer to", a)
		}
		time.Sleep(time.Minute + time.Second)
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
	moved, err := net.Listen("tcp", netip.AddrPortFrom(other, tcpAddr(l.Addr()).Port()).String())
	if err != nil {
		t.Fatal(err)
	}
	defer moved.Close()
	b.names.Store(&fakeNames{"sip.example": {other}})
	refuse(secureServer(t, moved, cert, func() { b.invite(nil) }))
	first.c.SetReadDeadline(time.Now().Add(patience))
	if _, err := first.r.ReadByte(); err == nil || isTimeout(err) {
		t.Errorf("the connection to the old address is still open: %v", err)
	}
}

func TestOldSRVAnswersAreUsedWhileNewOnesAreAskedFor(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		names := &slowNames{asked: map[string]bool{}, hosts: fakeNames{"a.example": {peerAddr.Addr()}, "b.example": {addr("192.0.2.102")}},
			srv: map[string][]*net.SRV{"_sip._udp.example.org": {{Target: "a.example.", Port: 5070}, {Target: "b.example.", Port: 5080}}}}
		b.s.opts.Resolver = names
		to := siptransport.Target{Host: "example.org", Port: 0, Transport: siptransport.UDP}
		where, err := b.g.Resolve(t.Context(), to)
		if want := []netip.AddrPort{addrPort("192.0.2.100:5070"), addrPort("192.0.2.102:5080")}; err != nil || !slices.Equal(where.Addrs, want) {
			t.Fatalf("%v, %v", where, err)
		}
		names.srv["_sip._udp.example.org"] = []*net.SRV{{Target: "b.example.", Port: 5090}}
		time.Sleep(31 * time.Second)
		if where, ok := b.g.ResolveNow(to); !ok || len(where.Addrs) != 2 {
			t.Errorf("waits: %v", where)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if where, ok := b.g.ResolveNow(to); !ok || !slices.Equal(where.Addrs, []netip.AddrPort{addrPort("192.0.2.102:5090")}) {
			t.Errorf("not renewed: %v", where)
		}
	})
}
