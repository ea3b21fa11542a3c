package sipgw

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pair"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// successor is another box that takes the place of b on the wire: the same configuration, certificate and address. b is dropped.
func (b *box) successor(restore func(*Stack, *testCall)) *box {
	b.t.Helper()
	x := &box{t: b.t, calls: make(chan *Incoming, 100), call: newTestCall(), cfg: b.cfg, root: b.root, names: b.names, plain: b.plain, secure: b.secure}
	o := b.s.opts.Options
	o.OnLost = nil
	x.s = New(Options{Options: o, Phones: b.s.opts.Phones, OnInvite: func(i *Incoming) { i.Leg.Take(x.call); x.calls <- i }})
	x.s.Handle(sip.OPTIONS, capable)
	x.s.Handle(sip.REGISTER, func(r *ServerRequest) { r.Respond(200) })
	b.s.DropAll()
	err := x.s.TakeOver(x.cfg, func(config.AddressBind) netip.Addr { return addr("127.0.0.1") }, func() { restore(x.s, x.call) })
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { x.s.Run(ctx); close(done) }()
	b.t.Cleanup(func() { cancel(); <-done; x.call.End() })
	return x
}

// with opens the sockets of b anew, after a change.
func (b *box) with(change func(*Options)) {
	b.t.Helper()
	b.s.DropAll()
	change(&b.s.opts)
	if err := b.apply(); err != nil {
		b.t.Fatal(err)
	}
}

// stateOf is the state of a leg of b.
func (b *box) stateOf(l *Leg) (x LegState) {
	b.t.Helper()
	ok := false
	if b.call.on(func() { x, ok = l.State() }); !ok {
		b.t.Fatal("the leg is not established")
	}
	return x
}

// silent demands that a connection has ended without a word.
func (p *peer) silent() {
	p.t.Helper()
	p.c.SetReadDeadline(time.Now().Add(patience))
	rest, err := io.ReadAll(p.r)
	if len(rest) != 0 || !errors.Is(err, syscall.ECONNRESET) {
		p.t.Errorf("the last word was %q, %v", rest, err)
	}
}

func TestALegOverTLSGoesOnByNewConnections(t *testing.T) {
	var l net.Listener
	a := newBox(t, true, func(c *config.Config, i *config.SIPInterface) {
		l = remote(t, c)
		i.Remote.Host = "sip.example"
	})
	cert := a.root.pair(t, "sip.example", x509.ExtKeyUsageServerAuth)
	var leg *Leg
	p := secureServer(t, l, cert, func() { leg = a.invite(nil) })
	invite := p.want("INVITE ")
	p.write(reply(invite, "200 OK", "far", "Contact: <sip:api-du-c-euwe.example:443;x-i=1;x-c=a/b>\n", "v=0 answer"))
	p.want("ACK ")
	want[Answered](t, a.call)
	state := a.stateOf(leg)
	b := a.successor(func(s *Stack, o *testCall) {
		var err error
		if leg, err = s.Restore(state, time.Second, o); err != nil {
			t.Error(err)
		}
	})
	p.silent()

	// The box has something to say: it dials.
	ours := secureServer(t, l, cert, func() { b.call.on(func() { leg.Reinvite(func() []byte { return []byte("v=0 hold") }) }) })
	again := ours.want("INVITE sip:api-du-c-euwe.example:443;x-i=1;x-c=a/b SIP/2.0\r\n")
	if field(again, "Contact") != field(invite, "Contact") {
		t.Errorf("Contact %q, was %q", field(again, "Contact"), field(invite, "Contact"))
	}
	ours.write(reply(again, "200 OK", "", "Contact: <sip:api-du-c-euwe.example:443;x-i=1;x-c=a/b>\n", "v=0 held"))
	ours.want("ACK ")
	want[Answered](t, b.call)

	// So has the peer: it dials as well.
	pool := x509.NewCertPool()
	pool.AddCert(a.root.cert)
	c := tls.Client(a.connect("127.0.0.2", a.secure).c, &tls.Config{RootCAs: pool, ServerName: "sbc.example", Certificates: []tls.Certificate{cert}})
	theirs := &peer{t, c, bufio.NewReader(c)}
	theirs.write(fmt.Sprintf("BYE sip:x SIP/2.0\nVia: SIP/2.0/TLS sip.example;branch=z9hG4bKbye\nMax-Forwards: 70\nFrom: <sip:100@127.0.0.2>;tag=far\nTo: %s\nCall-ID: %s\nCSeq: 1 BYE\nContent-Length: 0\n\n",
		field(invite, "From"), field(invite, "Call-ID")))
	theirs.want("SIP/2.0 200 ")
	want[Ended](t, b.call)
	a.call.none(t)
}

// Its connection ended with the box that had it, so the responses go where Via says.
func TestACallThatWasHeldIsAnsweredByANewConnection(t *testing.T) {
	var l net.Listener
	a := newBox(t, false, func(c *config.Config, i *config.SIPInterface) { l = remote(t, c) })
	p := a.connect("127.0.0.2", a.plain)
	p.write(strings.Replace(overTCP(inviteText("c1", "b1", "", "v=0 offer")), "127.0.0.2:5060;branch", "127.0.0.2:"+fmt.Sprint(tcpAddr(l.Addr()).Port())+";branch", 1))
	p.want("SIP/2.0 100 ")
	in := <-a.calls
	var bytes []byte
	a.call.on(func() { bytes = in.Held() })
	b := a.successor(func(*Stack, *testCall) {})
	p.silent()
	if err := b.s.TakeIn(bytes, time.Second); err != nil {
		t.Fatal(err)
	}
	there := <-b.calls
	b.call.on(func() { there.Leg.Answer([]byte("v=0 answer")) })
	back := acceptPeer(t, l)
	back.want("SIP/2.0 100 ")
	ok := back.want("SIP/2.0 200 ")
	again := a.connect("127.0.0.2", a.plain)
	again.write(overTCP(inDialogText("ACK", "c1", "a1", tagOf(field(ok, "To")), 1, "", "")))
	want[Acked](t, b.call)
	again.write(overTCP(inDialogText("BYE", "c1", "b2", tagOf(field(ok, "To")), 2, "", "")))
	again.want("SIP/2.0 200 ")
	want[Ended](t, b.call)
}

// Nobody can dial a phone. It finds out that its connection is gone, opens another, and hears there what belongs to its calls.
func TestAPhoneIsReachedByWhatItOpensNext(t *testing.T) {
	a := newPhoneBox(t, nil)
	p := a.connect("127.0.0.7", a.plain)
	p.write(phoneText("INVITE", "c1", "127.0.0.7", "TCP", "Secret: 20\n"))
	p.want("SIP/2.0 100 ")
	in := <-a.calls
	a.call.on(func() { in.Leg.Answer([]byte("v=0 answer")) })
	ok := p.want("SIP/2.0 200 ")
	p.write(strings.NewReplacer("192.0.2.100", "127.0.0.7", "192.0.2.1", "127.0.0.1", "SIP/2.0/UDP", "SIP/2.0/TCP").Replace(inDialogText("ACK", "c1", "a1", tagOf(field(ok, "To")), 1, "", "")))
	want[Acked](t, a.call)
	p.write(phoneText("INVITE", "c2", "127.0.0.7", "TCP", "Secret: 20\n"))
	p.want("SIP/2.0 100 ")
	second := <-a.calls
	var waits []byte
	a.call.on(func() { waits = second.Held() })
	state := a.stateOf(in.Leg)
	var leg *Leg
	b := a.successor(func(s *Stack, o *testCall) {
		var err error
		if leg, err = s.Restore(state, 0, o); err != nil {
			t.Error(err)
		}
	})
	p.silent()
	if err := b.s.TakeIn(waits, 0); err != nil {
		t.Fatal(err)
	}
	there := <-b.calls
	if there.Identity != "20" {
		t.Errorf("it is %q that calls", there.Identity)
	}
	again := a.connect("127.0.0.7", a.plain)
	again.write(phoneText("REGISTER", "r1", "127.0.0.7", "TCP", ""))
	again.want("SIP/2.0 200 ")
	b.call.on(func() { leg.Bye(); there.Leg.Reject(486, "") })
	again.want("BYE ")
	again.want("SIP/2.0 486 ")
	select {
	case flow := <-a.door.lost:
		t.Errorf("the registrar of the box that was dropped has heard of the end of connection %d", flow)
	default:
	}
}

// A box whose term is over says nothing, by no transport, whatever it is asked; and what it had to say before does not come later.
func TestNothingLeavesWhenTheTermIsOver(t *testing.T) {
	var term pair.Term
	o := siptransport.Options{Term: &term}
	a := newBox(t, false, nil)
	cfg := a.cfg
	a.s.DropAll()
	o.Resolver = a.names
	s := New(Options{Options: o})
	asked, answer := make(chan struct{}), make(chan struct{})
	s.Handle(sip.OPTIONS, func(r *ServerRequest) {
		if r.CallID == "u2" {
			close(asked)
			<-answer
		}
		capable(r)
	})
	if err := s.Apply(cfg, func(config.AddressBind) netip.Addr { return addr("127.0.0.1") }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	options := func(id, transport string) string {
		return strings.ReplaceAll(strings.ReplaceAll(overTCP(optionsText(id, "")), "/TCP", "/"+transport), "127.0.0.2:5060;", "127.0.0.2;")
	}
	udp, tcp := a.phone("127.0.0.2"), a.connect("127.0.0.2", a.plain)
	udp.write(options("u1", "UDP"))
	udp.want("SIP/2.0 200 ")
	tcp.write(options("t1", "TCP"))
	tcp.want("SIP/2.0 200 ")
	udp.write(options("u2", "UDP"))
	<-asked
	term.End()
	close(answer)
	tcp.write(options("t2", "TCP"))
	tcp.silent()
	if p, err := a.tryConnect("127.0.0.2", a.plain); err == nil {
		p.silent()
	}
	term.Free()
	udp.write(options("u3", "UDP"))
	if m := udp.want("SIP/2.0 200 "); field(m, "Call-ID") != "u3" {
		t.Errorf("an old answer comes late: %s", m)
	}
}

// Before a planned switch peers are told that their connections end, so that they lose no message on one that the other box does not know.
func TestConnectionsEndBeforeASwitch(t *testing.T) {
	a := newBox(t, true, func(c *config.Config, i *config.SIPInterface) { i.Remote.Host = "sip.example" })
	lost := make(chan siptransport.FlowID, 10)
	a.with(func(o *Options) { o.OnLost = func(f siptransport.FlowID) { lost <- f } })
	pool := x509.NewCertPool()
	pool.AddCert(a.root.cert)
	cert := a.root.pair(t, "sip.example", x509.ExtKeyUsageServerAuth)
	secured := func() *peer {
		c := tls.Client(a.connect("127.0.0.2", a.secure).c, &tls.Config{RootCAs: pool, ServerName: "sbc.example", Certificates: []tls.Certificate{cert}})
		return &peer{t, c, bufio.NewReader(c)}
	}
	overTLS := func(m string) string { return strings.ReplaceAll(overTCP(m), "/TCP", "/TLS") }
	p := secured()
	p.write(overTLS(inviteText("c1", "b1", "", "v=0 offer")))
	p.want("SIP/2.0 100 ")
	in := <-a.calls
	a.call.on(func() { in.Leg.Answer([]byte("v=0 answer")) })
	ok := p.want("SIP/2.0 200 ")
	p.write(overTLS(inDialogText("ACK", "c1", "a1", tagOf(field(ok, "To")), 1, "", "")))
	want[Acked](t, a.call)
	a.s.Disconnect()
	p.c.SetReadDeadline(time.Now().Add(patience))
	if rest, err := io.ReadAll(p.r); len(rest) != 0 || err != nil { // TLS says that it is the end
		t.Errorf("the last word was %q, %v", rest, err)
	}
	began := make(chan error, 1)
	go func() { // not refused, but unheard until there is a box again
		_, err := a.tryConnect("127.0.0.2", a.secure)
		began <- err
	}()
	select {
	case err := <-began:
		t.Fatalf("a connection begins at a box that hands over: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	a.s.Reconnect()
	if err := <-began; err != nil {
		t.Error(err)
	}
	p = secured()
	p.write(overTLS(inDialogText("BYE", "c1", "bye", tagOf(field(ok, "To")), 2, "", "")))
	p.want("SIP/2.0 200 ")
	want[Ended](t, a.call)
	select {
	case <-lost:
		t.Error("the registrar is told of a phone's connection that only moves")
	default:
	}
}

// A box that hung finds timers that have run out, and requests that have come meanwhile. The calls are another one's by then.
func TestABoxThatHungTellsItsCallsNothing(t *testing.T) {
	timer := func(_ *config.Config, i *config.SIPInterface) { i.SessionTimer = 30 * time.Minute }
	onPaper(t, timer, func(t *testing.T, b *bench) {
		var term pair.Term
		b.s.opts.Term = &term
		l, ok := b.arrived("c1", "")
		b.established(nil, "Session-Expires: 1800;refresher=uas\n")
		term.End()
		b.put(inDialogText("BYE", "c1", "bye", tagOf(field(ok, "To")), 2, "", ""))
		if synctest.Wait(); l.outline.Over() {
			t.Error("a BYE was heard that is for another box")
		}
		time.Sleep(time.Hour)
		if list := b.sent(); len(list) != 0 {
			t.Errorf("it says %q", firstLines(list))
		}
		b.call.none(t)
	})
}

func BenchmarkRestore(b *testing.B) {
	t := &testing.T{}
	x := newBench(t, nil)
	defer x.end()
	state := LegState{Context: "SWITCH", Interface: "pbx", Said: strings.Repeat("a=rtpmap:0 PCMU/8000\r\n", 30), Speaker: peerAddr.Addr(), Here: boxAddr}
	state.Dialog.CallID, state.Dialog.LocalTag, state.Dialog.RemoteTag, state.Dialog.Target, state.Dialog.Transport = "id", "a", "b", "sip:a@b", siptransport.UDP
	state.Dialog.Routes = []string{"<sip:sip-du-a-eu.pstnhub.microsoft.com:5061;transport=tls;lr>"}
	for n := 0; b.Loop(); n++ {
		state.Dialog.CallID = fmt.Sprint("id", n)
		text, err := json.Marshal(state)
		if err != nil {
			b.Fatal(err)
		}
		var read LegState
		if err := json.Unmarshal(text, &read); err != nil {
			b.Fatal(err)
		}
		if _, err := x.s.Restore(read, time.Second, x.call); err != nil {
			b.Fatal(err)
		}
	}
}

// shelf is the other box of a pair, as far as it keeps things.
type shelf struct {
	mu   sync.Mutex
	kept map[string]string
	news chan struct{}
}

func (s *shelf) Put(kind pair.Kind, id string, value []byte) {
	s.mu.Lock()
	s.kept[string(kind)+" "+id] = string(value)
	s.mu.Unlock()
	s.news <- struct{}{}
}

func (s *shelf) Drop(kind pair.Kind, id string) {
	s.mu.Lock()
	delete(s.kept, string(kind)+" "+id)
	s.mu.Unlock()
	s.news <- struct{}{}
}

func (s *shelf) has() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.kept)
}

// The other box knows the connections that are open, to tell their peers when this one cannot.
func TestTheOtherBoxKnowsTheConnections(t *testing.T) {
	other := &shelf{kept: map[string]string{}, news: make(chan struct{}, 100)}
	a := newBox(t, false, nil)
	a.with(func(o *Options) { o.Pair = other })
	p := a.connect("127.0.0.2", a.plain)
	<-other.news
	ours, theirs := tcpAddr(p.c.RemoteAddr()), tcpAddr(p.c.LocalAddr())
	if got, want := other.has(), fmt.Sprintf(`map[connection %v %v:{"local":"%v","remote":"%v"}]`, ours, theirs, ours, theirs); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	p.c.Close()
	<-other.news
	if other.has() != "map[]" {
		t.Errorf("it has ended: %s", other.has())
	}
	a.connect("127.0.0.2", a.plain)
	<-other.news
	kept := other.has()
	a.s.DropAll()
	if other.has() != kept {
		t.Error("a box that is not the active one any more speaks for the pair")
	}
}
