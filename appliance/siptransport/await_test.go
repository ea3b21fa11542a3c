package siptransport

import (
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pair"
	"viaduct/appliance/sipmsg"
)

// Who dials a box that is about to take over is not refused, and loses nothing.
func TestWhoComesBeforeTheGateOpensWaits(t *testing.T) {
	g := testGate(t, Options{}, func(i *config.SIPInterface) { i.Remote.Host = "127.0.0.1" })
	c, err := NewConf(g.Conf().Config, g.Conf().Gateway, func(config.AddressBind) netip.Addr { return ip("127.77.1.1") }, *g.opts, false) // of this test alone
	if err != nil {
		t.Fatal(err)
	}
	g.Configure(c)
	came := make(chan string, 2)
	g.receive = func(head, _ []byte, _ sipmsg.Framing, a Arrival) {
		came <- a.Flow.Transport().String() + " " + strings.Fields(string(head))[0]
	}
	g.opts.Await(g.Conf())
	const request = "OPTIONS sip:1@127.0.0.1 SIP/2.0\r\nContent-Length: 0\r\n\r\n"
	for _, network := range []string{"udp", "tcp"} {
		conn, err := net.Dial(network, "127.77.1.1:5060")
		if err != nil {
			t.Fatalf("refused before the gate is open: %v", err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
	}
	kept, _ := json.Marshal(line{netip.MustParseAddrPort("127.77.1.1:5060"), netip.MustParseAddrPort("127.0.0.1:9")})
	if n := Knock([]pair.Kept{{Value: kept}}); n != 1 {
		t.Error("a port where somebody waits cannot be knocked from")
	}
	if err := g.Open(); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{<-came: true, <-came: true}
	if !got["udp OPTIONS"] || !got["tcp OPTIONS"] {
		t.Errorf("came: %v", got)
	}
}

// Two that would share a port without a word do not: Open refuses the second one, as it always does.
func TestSocketsThatWaitShareNoPort(t *testing.T) {
	g := testGate(t, Options{}, nil)
	defer g.opts.Await()
	g.opts.Await(g.Conf(), g.Conf())
	n := len(g.opts.Network.(*host).waiting)
	secure := *g.Conf()
	secure.binds = slices.Clone(secure.binds)
	for i := range secure.binds {
		b := &secure.binds[i]
		b.ports = [len(kinds)]uint16{TLS: b.ports[TCP]}
	}
	g.opts.Await(g.Conf(), &secure)
	if m := len(g.opts.Network.(*host).waiting); n != 2 || m != 2 {
		t.Errorf("%d and %d sockets wait, for one of UDP and one of TCP", n, m)
	}
}

// The address may come later. What nobody has taken is closed.
func TestSocketsThatWaitForTheirAddress(t *testing.T) {
	g := testGate(t, Options{}, nil)
	elsewhere, err := NewConf(g.Conf().Config, g.Conf().Gateway, func(config.AddressBind) netip.Addr { return ip("192.0.2.77") }, *g.opts, false)
	if err != nil {
		t.Fatal(err)
	}
	g.opts.Await(elsewhere)
	n := g.opts.Network.(*host)
	if len(n.waiting) != 2 {
		t.Fatalf("open at an address that is not there: %v", n.waiting)
	}
	l := n.waiting[listenKey{TCP, netip.MustParseAddrPort("192.0.2.77:5060")}].(net.Listener)
	g.opts.Await()
	if len(n.waiting) != 0 {
		t.Errorf("left: %v", n.waiting)
	}
	l.(*net.TCPListener).SetDeadline(time.Now().Add(time.Second))
	if _, err := l.Accept(); !isClosed(err) {
		t.Errorf("a socket that nobody has taken: %v", err)
	}
}
