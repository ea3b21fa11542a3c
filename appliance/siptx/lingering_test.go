package siptx

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// paper is a flow to nobody.
type paper struct {
	siptransport.Flow
	reliable bool
}

func (p *paper) Send([]byte, func() bool, func(error)) {}
func (p *paper) Hold(func(error)) func()               { return func() {} }
func (p *paper) Reliable() bool                        { return p.reliable }
func (p *paper) Transport() siptransport.Transport     { return siptransport.UDP }
func (p *paper) Remote() netip.AddrPort                { return netip.MustParseAddrPort("192.0.2.1:5060") }

// counted counts what lingers anew: the sums that are kept must be the same.
func (t *Table) counted(test *testing.T) (n, octets int) {
	test.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	l := &t.lingering
	for _, f := range l.byKey {
		n, octets = n+1, octets+f.self.octets()
	}
	of := 0
	for _, own := range l.bySource {
		of += own.line.n
	}
	if l.octets != octets || l.all.n != n || of != n || len(t.servers) != 0 || len(t.merged) != n {
		test.Errorf("counted %d octets of %d, %d and %d entries of %d, %d requests, %d known for merging", l.octets, octets, l.all.n, of, n, len(t.servers), len(t.merged))
	}
	return n, octets
}

// What is kept of finished transactions is counted, and goes when its time is over.
func TestWhatLingersIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(siptransport.New(t.Context(), "gw", &siptransport.Options{}, func(func()) bool { return false }, nil))
		flow := &paper{}
		for n := range 50 {
			req := &sipmsg.Request{Method: sip.OPTIONS, Message: sipmsg.Message{CallID: fmt.Sprint("o", n)}}
			from := siptransport.Arrival{Flow: flow, Source: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n % 7)}), 5060)}
			tx := table.NewServer(fmt.Sprint("key", n), req, from)
			if _, merged := tx.Merged(); merged {
				t.Error("merged with nothing")
			}
			tx.Open()
			if !tx.Respond(200, make([]byte, 10*n)) || tx.Respond(500, nil) {
				t.Error("a final response is sent once")
			}
			time.Sleep(time.Second / 10)
		}
		if n, _ := table.counted(t); n != 50 {
			t.Errorf("%d are kept", n)
		}
		if c := table.Count(); c.Lingering != 50 || c.Merged != 50 || c.Servers != 0 || c.Clients != 0 {
			t.Errorf("%+v", c)
		}
		time.Sleep(Timeout - 2*time.Second)
		if n, _ := table.counted(t); n == 0 || n == 50 {
			t.Errorf("%d are kept when the time of some is over", n)
		}
		time.Sleep(time.Minute)
		if n, octets := table.counted(t); n != 0 || octets != 0 {
			t.Errorf("%d are left with %d octets", n, octets)
		}
	})
}

// A refused INVITE is counted until its ACK comes over a connection, and for the whole time over UDP.
func TestRefusalsThatLingerAreCounted(t *testing.T) {
	for _, reliable := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			table := New(siptransport.New(t.Context(), "gw", &siptransport.Options{}, func(func()) bool { return false }, nil))
			flow := &paper{reliable: reliable}
			from := siptransport.Arrival{Flow: flow, Source: netip.MustParseAddrPort("192.0.2.1:5060")}
			key := func(n int) string { return fmt.Sprint("key", n) }
			for n := range 50 {
				tx := table.NewServer(key(n), &sipmsg.Request{Method: sip.INVITE, Message: sipmsg.Message{CallID: fmt.Sprint("c", n)}}, from)
				tx.Merged()
				tx.Open()
				if !tx.Respond(486, make([]byte, 10*n)) {
					t.Error("not refused")
				}
			}
			if n, octets := table.counted(t); n != 50 || octets == 0 {
				t.Errorf("%d are kept with %d octets", n, octets)
			}
			for n := range 20 {
				_, f := table.Find(key(n))
				if !table.Acknowledged(f) || table.Acknowledged(f) {
					t.Error("an ACK counts once")
				}
			}
			want := 50
			if reliable {
				want = 30
			}
			if n, _ := table.counted(t); n != want {
				t.Errorf("%d are kept after the ACKs, not %d", n, want)
			}
			time.Sleep(Timeout + time.Minute)
			if c := table.Count(); c != (Counts{}) {
				t.Errorf("left: %+v", c)
			}
			table.counted(t)
		})
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// Whoever sends most has least kept, and all together a bound.
func TestWhatLingersIsBounded(t *testing.T) {
	l := newLingering(maxLingering, maxLingeringOne)
	put := func(from string, n, size int) (gone int) {
		for i := range n {
			gone += len(l.add(&Finished{m: make([]byte, size)}, fmt.Sprint(from, i), addr(from)))
		}
		return gone
	}
	put("192.0.2.1", 1, 500)
	if gone := put("192.0.2.2", 2*maxLingeringOne/4096, 4096); gone == 0 || l.bySource[addr("192.0.2.2")].octets > maxLingeringOne || l.octets > maxLingering {
		t.Errorf("%d gone, %d octets left", gone, l.octets)
	}
	if l.byKey["192.0.2.10"] == nil {
		t.Error("the quiet one has lost what it had")
	}
	for n := range 50 {
		put(fmt.Sprintf("198.51.100.%d", n), 200, 4096)
	}
	if l.octets > maxLingering || len(l.byKey) != l.all.n {
		t.Errorf("%d octets, %d of %d", l.octets, len(l.byKey), l.all.n)
	}
}

func TestAnIPv6NetworkLingersAsOneSource(t *testing.T) {
	l := newLingering(maxLingering, maxLingeringOne)
	for _, a := range []string{"2001:db8::1", "2001:db8::ffff:2"} {
		l.add(&Finished{}, a, addr(a))
	}
	if len(l.bySource) != 1 {
		t.Errorf("they are %d sources", len(l.bySource))
	}
}
