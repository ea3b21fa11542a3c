package sipgw

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
)

// Connections that are used stay, those on which nobody has spoken yet give way.
func TestConnectionLimits(t *testing.T) {
	b := newBox(t, false, func(c *config.Config, i *config.SIPInterface) {
		c.Gateways[0].MaxConnections, c.Gateways[0].MaxConnsPerSource = 4, 2
		i.Trust = []config.Source{{Prefix: prefix("127.0.0.0/24")}}
	})
	var peers []*peer
	isOpen := func(p *peer) bool {
		p.c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		_, err := p.c.Read(make([]byte, 1))
		return isTimeout(err)
	}
	for i, c := range []struct {
		from        string
		speaks      bool
		open        bool
		givesWay    int // which of the earlier ones; -1: none
		description string
	}{
		{"127.0.0.2", true, true, -1, "the first"},
		{"127.0.0.2", false, true, -1, "the second of a source"},
		{"127.0.0.2", true, true, 1, "the third: the second was half open"},
		{"127.0.0.2", true, false, -1, "the fourth: both others are in use"},
		{"127.0.0.3", false, true, -1, "another source"},
		{"127.0.0.4", true, true, -1, "and another"},
		{"127.0.0.5", true, true, 4, "a fourth source: one is half open"},
		{"127.0.0.6", true, false, -1, "the sixth: all are in use"},
	} {
		p, err := b.tryConnect(c.from, b.plain)
		if err != nil {
			if c.open {
				t.Fatal(err)
			}
			peers = append(peers, nil)
			continue
		}
		peers = append(peers, p)
		if c.open && c.speaks {
			p.write(overTCP(strings.ReplaceAll(inviteText(fmt.Sprint("o", i), fmt.Sprint("o", i), "", ""), "INVITE", "OPTIONS")))
			p.want("SIP/2.0 200 ")
		}
		if isOpen(p) != c.open {
			t.Errorf("%s: open is not %v", c.description, c.open)
		}
		if c.givesWay >= 0 && isOpen(peers[c.givesWay]) {
			t.Errorf("%s: number %d has not given way", c.description, c.givesWay)
		}
	}
}

// Half-open connections of some do not shut out others: 640 of ten addresses, and an eleventh comes in.
func TestHalfOpenConnectionsShutNobodyOut(t *testing.T) {
	b := newBox(t, false, func(_ *config.Config, i *config.SIPInterface) {
		i.Trust = []config.Source{{Prefix: prefix("127.0.0.0/24")}}
	})
	good := b.connect("127.0.0.2", b.plain)
	options := func(p *peer, id string) {
		p.write(overTCP(strings.ReplaceAll(inviteText(id, id, "", ""), "INVITE", "OPTIONS")))
		p.want("SIP/2.0 200 ")
	}
	options(good, "good")
	for i := range 640 {
		if p, err := b.tryConnect(fmt.Sprint("127.0.0.", 20+i%10), b.plain); err == nil {
			p.c.Write([]byte("OPTIONS"))
		}
	}
	options(b.connect("127.0.0.3", b.plain), "newcomer")
	options(good, "still")
	g := b.s.gateway("gw")
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.accepted > maxHalfOpen+2 {
		t.Errorf("%d connections are open", g.accepted)
	}
}

// A message has a time in all: an octet now and then does not renew it.
func TestAMessageHasATimeInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		b := newBench(t, nil)
		defer b.end()
		s := newStream(b.g.Gate, "tcp", true)
		s.conn, s.from, s.trusted = here, peerAddr.Addr(), true
		if err := b.g.enter(s); err != nil || !s.start(here) {
			t.Fatal(err)
		}
		began := time.Now()
		for _, c := range []byte(strings.Repeat("OPTIONS sip:192.0.2.1 SIP/2.0", 100)) {
			there.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := there.Write([]byte{c}); err != nil {
				break
			}
			time.Sleep(10 * time.Second)
		}
		if took := time.Since(began); took > 2*partialTimeout {
			t.Errorf("it lasted %v", took)
		}
	})
}

// Whoever never reads cannot make the box keep more and more for it.
func TestPeersThatDoNotReadAreBounded(t *testing.T) {
	b := newBench(t, func(c *config.Config, i *config.SIPInterface) {
		i.Trust = []config.Source{{Prefix: prefix("10.0.0.0/8")}}
	})
	defer b.end()
	open := func(from string) *stream {
		here, there := net.Pipe()
		t.Cleanup(func() { there.Close() })
		s := newStream(b.g.Gate, "tcp", true)
		s.conn, s.from = here, addr(from)
		s.spoken.Store(true)
		if err := b.g.enter(s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	quiet := open("10.0.0.1")
	quiet.send(make([]byte, 1000), nil, nil)
	var list []*stream
	for n := range 60 {
		list = append(list, open(fmt.Sprint("10.0.1.", n%10)))
	}
	for range 900 {
		for _, s := range list {
			s.send(make([]byte, 1000), nil, nil)
		}
	}
	b.g.mu.Lock()
	held, n := 0, len(b.g.streams)
	for s := range b.g.streams {
		held += s.held
	}
	b.g.mu.Unlock()
	if held > maxHeld || int64(held) != b.g.held.Load() || n < 10 {
		t.Errorf("%d octets in %d connections, %d counted", held, n, b.g.held.Load())
	}
	if quiet.closed {
		t.Error("the quiet one was closed")
	}
	pings := open("10.0.0.2")
	for range maxQueued / 2 {
		pings.send([]byte("\r\n"), nil, nil)
	}
	if !pings.closed {
		t.Error("small messages cost nothing")
	}
}

// A peer that names another port each time does not make the box open connections without end.
func TestConnectionsOfOursAreBounded(t *testing.T) {
	b := newBox(t, false, func(_ *config.Config, i *config.SIPInterface) {
		i.Trust = []config.Source{{Prefix: prefix("127.0.0.0/24")}}
	})
	l, err := net.Listen("tcp", "127.0.0.9:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g := b.s.gateway("gw")
	to := endpoint{"tcp", "", []netip.AddrPort{addrPortOf(l.Addr())}}
	refused := 0
	for n := range 100 {
		to.name = fmt.Sprint("name", n)
		if way, err := g.way(to); err != nil {
			refused++
		} else {
			way.hold(nil) // in use
		}
	}
	g.mu.Lock()
	n := len(g.streams)
	g.mu.Unlock()
	if n > maxDialledOne || refused != 100-maxDialledOne {
		t.Errorf("%d connections, %d refused", n, refused)
	}
	to.addrs = []netip.AddrPort{addrPort("127.0.0.10:5060")}
	if _, err := g.way(to); err != nil {
		t.Error("another address suffers:", err)
	}
}
