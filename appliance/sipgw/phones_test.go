package sipgw

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// doorkeeper is Phones of the tests: who says a word in the header Secret is that identity, "" is challenged, "no" refused.
type doorkeeper struct {
	mu     sync.Mutex
	asked  []string // methods
	urgent int
	lost   chan siptransport.FlowID
}

func (d *doorkeeper) Admit(i *config.SIPInterface, req *sipmsg.Request, from siptransport.Arrival, urgent bool) (string, *sipmsg.Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, string(req.Method))
	if urgent {
		d.urgent++
		return "", nil
	}
	switch word := req.Header("Secret"); word {
	case "":
		return "", &sipmsg.Fault{Code: 407, Headers: []sipmsg.Header{{Name: "Proxy-Authenticate", Value: `Digest realm="phones", nonce="1"`}}}
	case "no":
		return "", &sipmsg.Fault{Code: 403}
	default:
		return word, nil
	}
}

func (d *doorkeeper) Lost(f siptransport.FlowID) { d.lost <- f }

func (d *doorkeeper) methods() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.asked, " ")
}

// phoneBox is a box whose phones are in 127.0.0.0/24, beside the peer 127.0.0.2. Its registrar says 200 to everybody and hands on what came.
type phoneBox struct {
	*box
	door       *doorkeeper
	registered chan *ServerRequest
}

func newPhoneBox(t *testing.T, change func(*config.Config)) *phoneBox {
	t.Helper()
	p := &phoneBox{door: &doorkeeper{lost: make(chan siptransport.FlowID, 2000)}, registered: make(chan *ServerRequest, 4000)}
	p.box = newBoxWith(t, false, func(c *config.Config, peer *config.SIPInterface) {
		phones := &config.SIPInterface{Context: "SWITCH", Name: "phones", Gateway: peer.Gateway, Trust: []config.Source{{Prefix: prefix("127.0.0.0/24")}}}
		phones.SetDefaults()
		phones.Phones.Name = "LS"
		c.CS[0].Interfaces = append([]*config.SIPInterface{phones}, peer)
		c.CS[0].Emergency = []string{"112"}
		c.Location = append(c.Location, &config.LocationService{Name: "LS"})
		if change != nil {
			change(c)
		}
	}, p.door, func(s *Stack) {
		s.Handle(sip.REGISTER, func(r *ServerRequest) { r.Respond(200); p.registered <- r })
		s.Handle(sip.SUBSCRIBE, func(r *ServerRequest) { r.Respond(202); p.registered <- r })
	})
	return p
}

// from is a message of the paper tests that 127.0.0.x sends over UDP or TCP.
func phoneText(method, id, addr, transport, extra string) string {
	m := strings.NewReplacer("192.0.2.100", addr, "192.0.2.1", "127.0.0.1", "SIP/2.0/UDP", "SIP/2.0/"+transport).Replace(inviteText(id, id, extra, ""))
	return strings.ReplaceAll(m, "INVITE", method)
}

// phone is a UDP socket of a phone.
type phone struct {
	t *testing.T
	c *net.UDPConn
}

func (b *box) phone(at string) *phone {
	b.t.Helper()
	c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(at)}, net.UDPAddrFromAddrPort(b.plain))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return &phone{b.t, c}
}

func (p *phone) write(m string) {
	p.t.Helper()
	if _, err := p.c.Write([]byte(crlf(m))); err != nil {
		p.t.Fatal(err)
	}
}

func (p *phone) want(start string) string {
	p.t.Helper()
	buf := make([]byte, 65536)
	p.c.SetReadDeadline(time.Now().Add(patience))
	n, err := p.c.Read(buf)
	if err != nil {
		p.t.Fatal(err)
	}
	if !strings.HasPrefix(string(buf[:n]), start) {
		p.t.Fatalf("got %q, want %q", firstLines([]string{string(buf[:n])}), start)
	}
	return string(buf[:n])
}

func TestPhonesRegisterAtTheirInterfaceAlone(t *testing.T) {
	b := newPhoneBox(t, nil)
	tcp := b.connect("127.0.0.7", b.plain)
	tcp.write(phoneText("REGISTER", "t", "127.0.0.7", "TCP", ""))
	tcp.want("SIP/2.0 200 ")
	r := <-b.registered
	at := r.Arrival().Phone()
	if r.Interface == nil || r.Interface.Name != "phones" || at.Flow == 0 || at.Addr != tcpAddr(tcp.c.LocalAddr()) || at.Transport != siptransport.TCP {
		t.Errorf("%v %+v", r.Interface, at)
	}
	udp := b.phone("127.0.0.8")
	udp.write(phoneText("REGISTER", "u", "127.0.0.8", "UDP", ""))
	udp.want("SIP/2.0 200 ")
	if at := (<-b.registered).Arrival().Phone(); at.Flow != 0 || at.Addr.String() != udp.c.LocalAddr().String() || at.Local != b.plain {
		t.Errorf("%+v", at)
	}
	// The peer has an interface of its own in the same network: nothing registers there.
	peer := b.phone("127.0.0.2")
	peer.write(phoneText("REGISTER", "p", "127.0.0.2", "UDP", ""))
	if allow := field(peer.want("SIP/2.0 405 "), "Allow"); strings.Contains(allow, "REGISTER") {
		t.Error(allow)
	}
	peer.write(phoneText("OPTIONS", "p2", "127.0.0.2", "UDP", ""))
	if allow := field(peer.want("SIP/2.0 200 "), "Allow"); strings.Contains(allow, "REGISTER") {
		t.Error(allow)
	}
	udp.write(phoneText("OPTIONS", "u2", "127.0.0.8", "UDP", ""))
	if allow := field(udp.want("SIP/2.0 200 "), "Allow"); !strings.Contains(allow, "REGISTER") {
		t.Error(allow)
	}
	tcp.c.Close()
	if lost := <-b.door.lost; lost != at.Flow {
		t.Errorf("%d has ended, not %d", lost, at.Flow)
	}
}

// Of two interfaces that trust an address the phones' has it, unless the other's network is narrower, or the address is that of its remote.
func TestWhoseAddressItIs(t *testing.T) {
	b := newPhoneBox(t, func(c *config.Config) {
		c.CS[0].Interfaces[1].Trust = append(c.CS[0].Interfaces[1].Trust, config.Source{Prefix: prefix("127.0.0.64/30")}, config.Source{Prefix: prefix("127.0.0.0/24")},
			config.Source{Prefix: prefix("127.0.1.0/24")})
	})
	g := b.s.gateway("gw")
	for from, want := range map[string]string{"127.0.0.2": "peer", "127.0.0.3": "phones", "127.0.0.65": "peer", "127.0.0.68": "phones", "127.0.1.1": "peer", "127.0.2.1": ""} {
		got := ""
		if i := g.InterfaceOf(addr(from)); i != nil {
			got = i.Name
		}
		if got != want {
			t.Errorf("%s is of %q, want %q", from, got, want)
		}
	}
	origin := func(a string) siptransport.Origin {
		return siptransport.Origin{Transport: siptransport.UDP, Addr: addr(a)}
	}
	if g.Kin(origin("127.0.0.3"), origin("127.0.1.4")) || !g.Kin(origin("127.0.0.3"), origin("127.0.0.3")) {
		t.Error("a phone speaks for another")
	}
	if !g.Kin(origin("127.0.0.2"), origin("127.0.1.4")) {
		t.Error("a peer does not speak for itself")
	}
}

func TestPhonesShowWhoTheyAre(t *testing.T) {
	b := newPhoneBox(t, nil)
	p := b.phone("127.0.0.8")
	p.write(phoneText("INVITE", "c1", "127.0.0.8", "UDP", ""))
	if m := p.want("SIP/2.0 407 "); !strings.HasPrefix(field(m, "Proxy-Authenticate"), "Digest ") {
		t.Error(m)
	}
	p.write(phoneText("INVITE", "c2", "127.0.0.8", "UDP", "Secret: no\n"))
	p.want("SIP/2.0 403 ")
	p.write(phoneText("INVITE", "c3", "127.0.0.8", "UDP", "Secret: 21\n"))
	p.want("SIP/2.0 100 ")
	in := <-b.calls
	if in.Identity != "21" || in.Interface.Name != "phones" {
		t.Errorf("%+v", in)
	}
	b.call.on(func() { in.Leg.Answer([]byte("v=0")) })
	ok := p.want("SIP/2.0 200 ")
	inDialog := func(method, branch string, seq int) string {
		m := inDialogText(method, "c3", branch, tagOf(field(ok, "To")), seq, "", "")
		return strings.NewReplacer("192.0.2.100", "127.0.0.8", "192.0.2.1", "127.0.0.1").Replace(m)
	}
	p.write(inDialog("ACK", "a", 1))
	want[Acked](t, b.call)
	other := b.phone("127.0.0.9") // another phone of the same network, with the tags of the call
	other.write(inDialog("BYE", "x", 2))
	other.want("SIP/2.0 403 ")
	b.call.none(t)
	p.write(inDialog("BYE", "b", 2)) // in the dialog the phone need not show anything
	p.want("SIP/2.0 200 ")
	want[Ended](t, b.call)

	p.write(strings.Replace(phoneText("INVITE", "c4", "127.0.0.8", "UDP", ""), "sip:+49711@", "sip:112@", 1))
	p.want("SIP/2.0 100 ")
	if in := <-b.calls; in.Identity != "" || b.door.urgent != 1 {
		t.Errorf("%+v", in)
	}
	p.write(phoneText("SUBSCRIBE", "s1", "127.0.0.8", "UDP", "Event: dialog\n"))
	p.want("SIP/2.0 407 ")
	p.write(phoneText("SUBSCRIBE", "s2", "127.0.0.8", "UDP", "Event: dialog\nSecret: 21\n"))
	p.want("SIP/2.0 202 ")
	if r := <-b.registered; r.Identity != "21" {
		t.Errorf("%q", r.Identity)
	}
	p.write(phoneText("OPTIONS", "o1", "127.0.0.8", "UDP", ""))
	p.want("SIP/2.0 200 ")
	if got := b.door.methods(); got != "INVITE INVITE INVITE INVITE SUBSCRIBE SUBSCRIBE" {
		t.Error(got)
	}
}

// A request to a phone takes the connection that the phone has opened, or the socket to which it came, and nothing is dialled.
func TestRequestsReachPhonesAsTheyCame(t *testing.T) {
	b := newPhoneBox(t, nil)
	client, _ := b.s.Client("gw")
	ask := func(at siptransport.PhoneTarget) chan error {
		req, err := client.NewRequest(sip.NOTIFY, "sip:21@127.0.0.7:9;x=y", "sip:box@127.0.0.1", "sip:21@127.0.0.1", "", at.Target())
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := client.Do(context.Background(), req, at.Target())
			done <- err
		}()
		return done
	}
	tcp := b.connect("127.0.0.7", b.plain)
	tcp.write(phoneText("REGISTER", "t", "127.0.0.7", "TCP", ""))
	tcp.want("SIP/2.0 200 ")
	byTCP := (<-b.registered).Arrival().Phone()
	done := ask(byTCP)
	notify := tcp.want("NOTIFY sip:21@127.0.0.7:9;x=y ")
	if !strings.HasPrefix(field(notify, "Via"), "SIP/2.0/TCP "+b.plain.String()) || !strings.Contains(field(notify, "Contact"), ";transport=tcp") {
		t.Error(notify)
	}
	tcp.write(reply(notify, "200 OK", "a", "", ""))
	if err := <-done; err != nil {
		t.Error(err)
	}
	udp := b.phone("127.0.0.8")
	udp.write(phoneText("REGISTER", "u", "127.0.0.8", "UDP", ""))
	udp.want("SIP/2.0 200 ")
	done = ask((<-b.registered).Arrival().Phone())
	udp.write(reply(udp.want("NOTIFY "), "200 OK", "a", "", "")) // its socket is a connected one: it hears the right port of the box alone
	if err := <-done; err != nil {
		t.Error(err)
	}
	tcp.c.Close()
	<-b.door.lost
	if err := <-ask(byTCP); !siptransport.IsUnreached(err) {
		t.Errorf("%v by a connection that has ended", err)
	}
}

// mayRegister lets so many identities of the location service LS register, with a phone each.
func mayRegister(c *config.Config, n int) {
	ls := c.Location[len(c.Location)-1]
	for id := range n {
		ls.Identities = append(ls.Identities, &config.Identity{Name: fmt.Sprint(id), IdentitySettings: config.IdentitySettings{Inbound: &config.RegistrationInbound{MaxContacts: 1}}})
	}
}

// After a power cut all phones come at once: from addresses of their own, or all from that of a DECT base.
func TestAStormOfPhonesIsAnswered(t *testing.T) {
	const phones = 1000
	for name, at := range map[string]func(n int) netip.AddrPort{
		"of addresses":   func(n int) netip.AddrPort { return addrPort(fmt.Sprintf("10.1.%d.%d:5060", n/250, n%250+1)) },
		"of one address": func(n int) netip.AddrPort { return addrPort(fmt.Sprint("10.1.0.1:", 2000+n)) },
	} {
		t.Run(name, func(t *testing.T) {
			onPaper(t, func(c *config.Config, i *config.SIPInterface) {
				lan := &config.SIPInterface{Context: "SWITCH", Name: "phones", Gateway: i.Gateway, Trust: []config.Source{{Prefix: prefix("10.1.0.0/16")}}}
				lan.SetDefaults()
				lan.Phones.Name = "LS"
				c.CS[0].Interfaces = append(c.CS[0].Interfaces, lan)
				c.Location = []*config.LocationService{{Name: "LS"}}
				mayRegister(c, phones)
			}, func(t *testing.T, b *bench) {
				b.s.Handle(sip.REGISTER, func(r *ServerRequest) {
					if r.Header("Authorization") == "" {
						r.Respond(401)
						return
					}
					r.Respond(200)
				})
				for _, round := range []struct{ extra, answer string }{{"", "SIP/2.0 401 "}, {"Authorization: Digest x\n", "SIP/2.0 200 "}} {
					for n := range phones {
						id := fmt.Sprint(n, len(round.extra))
						b.putFrom(at(n), phoneText("REGISTER", id, at(n).Addr().String(), "UDP", round.extra))
					}
					answered := b.sent()
					if len(answered) != phones {
						t.Fatalf("%d of %d are answered", len(answered), phones)
					}
					for _, m := range answered {
						if !strings.HasPrefix(m, round.answer) {
							t.Fatal(firstLines([]string{m}))
						}
					}
				}
			})
		})
	}
}

// The handsets of a DECT base have one address, and a connection each.
func TestABaseHasAConnectionForEachHandset(t *testing.T) {
	const handsets = 128
	b := newPhoneBox(t, func(c *config.Config) { mayRegister(c, handsets) })
	var all []*peer
	for n := range handsets {
		all = append(all, b.connect("127.0.0.7", b.plain))
		all[n].write(phoneText("REGISTER", fmt.Sprint(n), "127.0.0.7", "TCP", ""))
	}
	for _, p := range all {
		p.want("SIP/2.0 200 ")
	}
	flows := map[siptransport.FlowID]bool{}
	for range all {
		flows[(<-b.registered).Arrival().Phone().Flow] = true
	}
	if len(flows) != handsets || flows[0] {
		t.Errorf("%d flows", len(flows))
	}
	for _, p := range all { // all are still there
		p.c.Write([]byte("\r\n\r\n"))
		p.c.SetReadDeadline(time.Now().Add(patience))
		if pong, err := p.r.Peek(2); err != nil || string(pong) != "\r\n" {
			t.Fatalf("%q %v", pong, err)
		}
	}
	if len(b.door.lost) != 0 {
		t.Errorf("%d have been closed", len(b.door.lost))
	}
}

func TestACallOfAPhoneGoesByItsWay(t *testing.T) {
	b := newPhoneBox(t, nil)
	p := b.connect("127.0.0.7", b.plain)
	p.write(phoneText("INVITE", "c1", "127.0.0.7", "TCP", "Secret: 21\n"))
	p.want("SIP/2.0 100 ")
	in := <-b.calls
	b.call.on(func() { in.Leg.Answer([]byte("v=0")) })
	tag := tagOf(field(p.want("SIP/2.0 200 "), "To"))
	phoneSays := func(method, branch string, seq int) string {
		return strings.NewReplacer("192.0.2.100", "127.0.0.7", "192.0.2.1", "127.0.0.1", "SIP/2.0/UDP", "SIP/2.0/TCP").Replace(inDialogText(method, "c1", branch, tag, seq, "", ""))
	}
	p.write(phoneSays("ACK", "a", 1))
	want[Acked](t, b.call)
	ask := func() { b.call.on(func() { in.Leg.Request("INFO", "", nil) }) }
	ask()
	p.write(reply(p.want("INFO "), "200 OK", "", "", "")) // by the phone's connection, though its Contact names UDP and a port
	p.c.Close()
	<-b.door.lost
	// It has another connection before it says anything of the call: what came from its address last.
	p = b.connect("127.0.0.7", b.plain)
	p.write(phoneText("REGISTER", "r", "127.0.0.7", "TCP", ""))
	p.want("SIP/2.0 200 ")
	ask()
	p.write(reply(p.want("INFO "), "200 OK", "", "", ""))
	// And where it says something, the way is that one.
	again := b.connect("127.0.0.7", b.plain)
	again.write(phoneSays("OPTIONS", "o", 2))
	again.want("SIP/2.0 200 ")
	b.call.on(func() { in.Leg.Bye() })
	again.write(reply(again.want("BYE "), "200 OK", "", "", ""))
}

// The tags of a lamp's dialog are those of a call of another phone.
func TestPhonesPickUpCallsBesideThem(t *testing.T) {
	b := newPhoneBox(t, nil)
	a := b.phone("127.0.0.8")
	a.write(phoneText("INVITE", "c1", "127.0.0.8", "UDP", "Secret: 21\n"))
	a.want("SIP/2.0 100 ")
	in := <-b.calls
	b.call.on(func() { in.Leg.Answer([]byte("v=0")) })
	tag := tagOf(field(a.want("SIP/2.0 200 "), "To"))
	a.write(strings.NewReplacer("192.0.2.100", "127.0.0.8", "192.0.2.1", "127.0.0.1").Replace(inDialogText("ACK", "c1", "a", tag, 1, "", "")))
	want[Acked](t, b.call)
	right, swapped := "Replaces: c1;to-tag="+tag+";from-tag=from-c1\n", "Replaces: c1;to-tag=from-c1;from-tag="+tag+"\n"
	other := b.phone("127.0.0.9")
	for n, extra := range []string{right, swapped} {
		id := fmt.Sprint("p", n)
		other.write(phoneText("INVITE", id, "127.0.0.9", "UDP", "Secret: 22\n"+extra))
		other.want("SIP/2.0 100 ")
		if in := <-b.calls; in.Replaces == nil || in.Replaces.dialog.CallID != "c1" {
			t.Errorf("%q replaces %v", extra, in.Replaces)
		}
	}
	other.write(strings.Replace(phoneText("INVITE", "p3", "127.0.0.9", "UDP", right), "sip:+49711@", "sip:112@", 1)) // that is no emergency call
	other.want("SIP/2.0 407 ")
	peer := b.phone("127.0.0.2") // a peer by another interface has no business with phones' calls
	peer.write(phoneText("INVITE", "p4", "127.0.0.2", "UDP", right))
	peer.want("SIP/2.0 403 ")
}

// The requests of a subscription's dialog reach a phone by its last way.
func TestASubscriptionFollowsItsPhone(t *testing.T) {
	b := newPhoneBox(t, nil)
	first := b.connect("127.0.0.7", b.plain)
	first.write(phoneText("SUBSCRIBE", "s", "127.0.0.7", "TCP", "Event: dialog\nSecret: 21\n"))
	first.want("SIP/2.0 202 ")
	d, ok := (<-b.registered).EventDialog("21")
	if !ok {
		t.Fatal("no dialog")
	}
	client, _ := b.s.Client("gw")
	tell := func() {
		req, to, err := d.Request(sip.NOTIFY, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		client.Begin(req, to, func(*sipmsg.Response, error) {})
	}
	tell()
	first.write(reply(first.want("NOTIFY "), "200 OK", "", "", ""))
	second := b.connect("127.0.0.7", b.plain)
	second.write(phoneText("SUBSCRIBE", "s2", "127.0.0.7", "TCP", "Event: dialog\nSecret: 21\n"))
	second.want("SIP/2.0 202 ")
	d.Moves((<-b.registered).Arrival())
	tell()
	second.want("NOTIFY ")
}

// A phone that calls as fast as it may keeps no other phone from calling.
func TestOnePhoneDoesNotMakeAllCalls(t *testing.T) {
	b := newPhoneBox(t, func(c *config.Config) { c.Gateways[0].CallsPerSource = 2 })
	calls := func(addr string, n int) (taken int) {
		p := b.phone(addr)
		for k := range n {
			p.write(phoneText("INVITE", fmt.Sprint(addr, "-", k), addr, "UDP", "Secret: 21\n"))
			if m := p.want("SIP/2.0 "); strings.HasPrefix(m, "SIP/2.0 100 ") {
				taken++
				in := <-b.calls
				b.call.on(func() { in.Leg.Reject(486, "") })
				p.want("SIP/2.0 486 ")
			}
		}
		return taken
	}
	if n := calls("127.0.0.8", 50); n < 4 {
		t.Errorf("%d of 50 calls were taken", n)
	}
	if calls("127.0.0.9", 1) != 1 {
		t.Error("another phone cannot call")
	}
}
