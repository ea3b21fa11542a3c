package siptransport

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

// A message has a time in all: an octet now and then does not renew it.
func TestAMessageHasATimeInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		g := testGate(t, Options{}, nil)
		s := newStream(g, TCP, true)
		s.conn, s.from, s.trusted = here, pbxAddr.Addr(), true
		if err := g.admitStream(s); err != nil || !s.start(here) {
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
	g := testGate(t, Options{}, func(i *config.SIPInterface) {
		i.Trust = []config.Source{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}}
	})
	open := func(from string) *stream {
		here, there := net.Pipe()
		t.Cleanup(func() { there.Close() })
		s := newStream(g, TCP, true)
		s.conn, s.from = here, ip(from)
		s.spoken.Store(true)
		if err := g.admitStream(s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	quiet := open("10.0.0.1")
	quiet.Send(make([]byte, 1000), nil, nil)
	var list []*stream
	for n := range 60 {
		list = append(list, open(fmt.Sprint("10.0.1.", n%10)))
	}
	for range 900 {
		for _, s := range list {
			s.Send(make([]byte, 1000), nil, nil)
		}
	}
	g.connections.mu.Lock()
	held, n := 0, len(g.connections.open)
	for s := range g.connections.open {
		held += s.held
	}
	g.connections.mu.Unlock()
	if held > maxHeld || int64(held) != g.connections.held.Load() || n < 10 {
		t.Errorf("%d octets in %d connections, %d counted", held, n, g.connections.held.Load())
	}
	if quiet.state == streamClosed {
		t.Error("the quiet one was closed")
	}
	pings := open("10.0.0.2")
	for range maxQueued / 2 {
		pings.Send([]byte("\r\n"), nil, nil)
	}
	if pings.state != streamClosed {
		t.Error("small messages cost nothing")
	}
}

// A peer that names another port each time does not make the box open connections without end.
func TestConnectionsOfOursAreBounded(t *testing.T) {
	g := testGate(t, Options{}, func(i *config.SIPInterface) {
		i.Trust = []config.Source{{Prefix: netip.MustParsePrefix("127.0.0.0/24")}}
	})
	l, err := net.Listen("tcp", "127.0.0.9:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := Endpoint{Transport: TCP, Addrs: []netip.AddrPort{addrPortOf(l.Addr())}}
	refused := 0
	for n := range 100 {
		to.Name = fmt.Sprint("name", n)
		if flow, err := g.Flow(to); err != nil {
			refused++
		} else {
			flow.Hold(nil) // in use
		}
	}
	g.connections.mu.Lock()
	n := len(g.connections.open)
	g.connections.mu.Unlock()
	if n > maxDialledOne || refused != 100-maxDialledOne {
		t.Errorf("%d connections, %d refused", n, refused)
	}
	to.Addrs = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.10:5060")}
	if _, err := g.Flow(to); err != nil {
		t.Error("another address suffers:", err)
	}
}
