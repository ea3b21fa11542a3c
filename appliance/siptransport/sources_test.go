package siptransport

import (
	"net/netip"
	"testing"
	"testing/synctest"
)

// More sources than anybody has are not all remembered, and those in a call are not forgotten for them.
func TestSourcesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, Options{}, nil)
		g.NewCall(pbxAddr.Addr(), false, nil)
		a := ip("10.0.0.0")
		for range 3 * maxSources {
			g.allowsMessage(a)
			a = a.Next()
		}
		g.allowsMessage(ip("2001:db8::1"))
		g.allowsMessage(ip("2001:db8::2"))
		s := &g.senders
		if len(s.by) > maxSources || s.by[pbxAddr.Addr()] == nil || s.by[ip("2001:db8::")] == nil || s.by[ip("2001:db8::1")] != nil {
			t.Errorf("%d sources", len(s.by))
		}
	})
}

// The limit of messages has room for all messages of the calls that a source may begin, and an end.
func TestMessagesOfTheCallsOfASourceAreRead(t *testing.T) {
	for _, tc := range []struct{ sessions, perSecond int }{{100, 4000}, {1000, 4000}, {4000, 16000}, {1_000_000, mostForCalls}} {
		synctest.Test(t, func(t *testing.T) {
			g := testGate(t, Options{Sessions: func() int { return tc.sessions }}, nil)
			n := 0
			for g.allowsMessage(pbxAddr.Addr()) {
				n++
			}
			if n != 2*tc.perSecond { // those of two seconds may come at once
				t.Errorf("%d sessions: %d messages at once, want %d", tc.sessions, n, 2*tc.perSecond)
			}
		})
	}
}

// A stranger is dropped before anything of it is read or remembered.
func TestNothingIsKeptOfStrangers(t *testing.T) {
	g := testGate(t, Options{}, nil)
	g.datagram(&datagrams{g: g, local: netip.MustParseAddrPort("127.0.0.1:5060")}, netip.MustParseAddrPort("203.0.113.9:5060"), []byte("OPTIONS sip:127.0.0.1 SIP/2.0\r\n\r\n"))
	if g.Counters.Untrusted.Load() != 1 || len(g.addresses.expected) != 0 || len(g.senders.by) != 0 {
		t.Error("not counted, or remembered")
	}
}
