package siptransport

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
)

// phoneGate has phones in 10.0.0.0/8, so many of which may register.
func phoneGate(t *testing.T, o Options, phones int) *Gate {
	g := testGate(t, o, func(i *config.SIPInterface) {
		i.Remote, i.Trust, i.Phones.Name = config.HostPort{}, []config.Source{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}}, "LS"
	})
	c := *g.Conf()
	c.contacts = phones
	g.Configure(&c)
	return g
}

// arrive is a connection of a phone, or of another peer.
func arrive(t *testing.T, g *Gate, from string) (*stream, net.Conn, error) {
	here, there := net.Pipe()
	t.Cleanup(func() { there.Close() })
	s := newStream(g, TCP, true)
	s.conn, s.from, s.trusted, s.phone = here, ip(from), true, g.isPhone(ip(from))
	return s, there, g.admitStream(s)
}

// A phone is silent until it registers again, in an hour maybe: its connection stays. One that has never said anything goes.
func TestConnectionsOfPhonesStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := make(chan FlowID, 10)
		g := phoneGate(t, Options{OnLost: func(f FlowID) { lost <- f }}, 10)
		var ids []FlowID
		for n, from := range []string{"10.0.0.1", "10.0.0.2", "192.0.2.100"} {
			s, there, err := arrive(t, g, from)
			if err != nil || !s.start(s.conn) {
				t.Fatal(err)
			}
			ids = append(ids, s.id)
			if n != 1 {
				there.Write([]byte("OPTIONS sip:192.0.2.1 SIP/2.0\r\nContent-Length: 0\r\n\r\n"))
			}
		}
		synctest.Wait()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		ended := map[FlowID]bool{}
		for len(lost) > 0 {
			ended[<-lost] = true
		}
		if len(ended) != 2 || ended[ids[0]] {
			t.Errorf("%v have ended, of %v those of the silent phone and of the peer should have", ended, ids)
		}
		if p := (PhoneTarget{Flow: ids[0], Transport: TCP}); g.Present(p) != p {
			t.Error("the phone's has ended")
		}
		if _, err := g.phone(&PhoneTarget{Flow: ids[2], Transport: TCP}); !IsUnreached(err) {
			t.Errorf("%v for one that has ended", err)
		}
	})
}

// A full gateway closes what is idle, but a phone's connection is idle only after ten minutes.
func TestPhonesAreNotIdleSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := phoneGate(t, Options{}, 0)
		g.Conf().Gateway.MaxConnsPerSource = 2
		open := func() (*stream, error) {
			s, _, err := arrive(t, g, "10.0.0.1")
			s.spoken.Store(err == nil)
			return s, err
		}
		first, _ := open()
		time.Sleep(time.Second) // of two that are as old, either gives way
		open()
		time.Sleep(9 * time.Minute)
		if _, err := open(); err == nil {
			t.Error("one has given way after nine minutes")
		}
		time.Sleep(2 * time.Minute)
		if _, err := open(); err != nil || first.state != streamClosed {
			t.Errorf("%v, and the oldest is open", err)
		}
	})
}

// Phones in the midst of their handshakes leave the places of others alone, and have as many as may register.
func TestPlacesOfPhonesAreTheirOwn(t *testing.T) {
	g := phoneGate(t, Options{}, 200)
	for n := range 200 {
		if _, _, err := arrive(t, g, fmt.Sprint("10.0.0.", n%2)); err != nil {
			t.Fatal(n, err)
		}
	}
	if half := g.connections.count(netip.Addr{}, (*stream).halfOpen); half != 200 {
		t.Errorf("%d of 200 have stayed", half)
	}
	if _, _, err := arrive(t, g, "192.0.2.100"); err != nil {
		t.Error("another peer:", err)
	}
	if half := g.connections.count(netip.Addr{}, (*stream).halfOpen); half != 201 {
		t.Error("a phone has given way to another peer")
	}
}
