package sipgw

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/siptransport"
)

func optionsText(id, extra string) string {
	return "OPTIONS sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bK" + id + ";rport\nMax-Forwards: 70\n" +
		"From: <sip:a@192.0.2.100>;tag=1\nTo: <sip:192.0.2.1>\nCall-ID: " + id + "\nCSeq: 1 OPTIONS\n" + extra + "Content-Length: 0\n\n"
}

// lingers is what a gateway keeps of finished transactions, counted anew.
func (b *bench) lingers(t *testing.T) (n, octets int) {
	b.g.transactions.mu.Lock()
	defer b.g.transactions.mu.Unlock()
	l := &b.g.transactions.lingering
	for _, f := range l.byKey {
		n, octets = n+1, octets+f.octets()
	}
	of := 0
	for _, own := range l.bySource {
		of += own.list.Len()
	}
	if l.octets != octets || l.all.Len() != n || of != n || len(b.g.transactions.servers) != 0 || len(b.g.transactions.merged) != n {
		t.Errorf("counted %d octets of %d, %d and %d entries of %d, %d requests, %d known for merging", l.octets, octets, l.all.Len(), of, n, len(b.g.transactions.servers), len(b.g.transactions.merged))
	}
	return n, octets
}

// Of a request that was answered only the answer is kept, whatever the request brought.
func TestAnAnsweredRequestIsLetGoOf(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		for n := range 50 {
			b.put(optionsText(fmt.Sprint("o", n), "Subject: "+strings.Repeat("x", 4000)+"\n"))
		}
		if n, octets := b.lingers(t); n != 50 || octets > 50*2048 {
			t.Errorf("%d transactions hold %d octets", n, octets)
		}
		b.sent()
		b.put(optionsText("o7", ""))
		b.one("SIP/2.0 200 ") // a retransmission
		time.Sleep(time.Minute)
		if n, _ := b.lingers(t); n != 0 {
			t.Errorf("%d transactions left", n)
		}
	})
}

// A refused INVITE is repeated until its ACK comes, and absorbed after that.
func TestARefusalIsRepeatedUntilItsACK(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		invite := inviteText("c1", "b1", "", "v=0")
		b.put(invite)
		in := <-b.calls
		b.call.on(func() { in.Leg.Reject(486, "") })
		refusal := b.starts("SIP/2.0 100 ", "SIP/2.0 486 ")[1]
		time.Sleep(1600 * time.Millisecond)
		b.starts("SIP/2.0 486 ", "SIP/2.0 486 ")
		b.put(invite)
		b.one("SIP/2.0 486 ")
		b.put(strings.NewReplacer("INVITE sip", "ACK sip", "1 INVITE", "1 ACK", "To: <sip:+49711@192.0.2.1>", "To: "+field(refusal, "To")).Replace(invite))
		time.Sleep(10 * time.Second)
		b.starts()
		b.put(strings.NewReplacer("INVITE sip", "CANCEL sip", "1 INVITE", "1 CANCEL").Replace(invite))
		if r := b.one("SIP/2.0 200 "); tagOf(field(r, "To")) != tagOf(field(refusal, "To")) {
			t.Error(r)
		}
		time.Sleep(time.Minute)
		b.starts()
		if n, _ := b.lingers(t); n != 0 {
			t.Errorf("%d transactions left", n)
		}
	})
}

// Whoever sends most has least kept, and all together a bound.
func TestWhatLingersIsBounded(t *testing.T) {
	l := newLingering()
	put := func(from string, n, size int) (gone int) {
		for i := range n {
			f := &finished{key: fmt.Sprint(from, i), m: make([]byte, size), from: siptransport.Arrival{Source: netip.AddrPortFrom(addr(from), 5060)}, release: func() {}}
			gone += len(l.add(f))
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
	if l.octets > maxLingering || len(l.byKey) != l.all.Len() {
		t.Errorf("%d octets, %d of %d", l.octets, len(l.byKey), l.all.Len())
	}
}

func TestAnIPv6NetworkLingersAsOneSource(t *testing.T) {
	l := newLingering()
	for _, a := range []string{"[2001:db8::1]:5060", "[2001:db8::ffff:2]:5060"} {
		l.add(&finished{key: a, from: siptransport.Arrival{Source: netip.MustParseAddrPort(a)}})
	}
	if len(l.bySource) != 1 {
		t.Errorf("they are %d sources", len(l.bySource))
	}
}
