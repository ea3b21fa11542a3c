package sipgw

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/mailbox"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// fakeNames resolves from a table.
type fakeNames map[string][]netip.Addr

func (f fakeNames) Lookup(_ context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if list, ok := f[host]; ok {
		return list, nil
	}
	return nil, errors.New("no such name")
}
func (f fakeNames) LookupSRV(context.Context, string, string, string) ([]*net.SRV, error) {
	return nil, errors.New("no such name")
}
func (f fakeNames) Cached(host string) []netip.Addr { return f[host] }

// testCall is the owner of legs: a mailbox, and the events as they came.
type testCall struct {
	*mailbox.Mailbox
	events chan Event
}

func newTestCall() *testCall {
	c := &testCall{mailbox.New(), make(chan Event, 1000)}
	go c.Run()
	return c
}

func (c *testCall) Event(_ *Leg, e Event) { c.events <- e }

// on runs f on the owner's goroutine and waits for it.
func (c *testCall) on(f func()) {
	done := make(chan struct{})
	c.Post(func() { f(); close(done) })
	<-done
}

// want takes the next event, which must be a T.
func want[T Event](t *testing.T, c *testCall) T {
	t.Helper()
	select {
	case e := <-c.events:
		x, ok := e.(T)
		if !ok {
			t.Fatalf("event %T %+v, want %T", e, e, x)
		}
		return x
	case <-time.After(time.Minute):
		var x T
		t.Fatalf("no event, want %T", x)
		return x
	}
}

func (c *testCall) none(t *testing.T) {
	t.Helper()
	select {
	case e := <-c.events:
		t.Fatalf("unexpected event %T %+v", e, e)
	default:
	}
}

// paper is a UDP socket of paper: what the gateway sends is kept, what the peer says is put in by the test. With it every
// timer can be tested in virtual time.
type paper struct {
	in     chan said
	closed chan struct{}
	once   sync.Once
	last   chan struct{} // of the datagram that was read last

	mu   sync.Mutex
	sent []string
	dead bool         // writes fail
	tap  func([]byte) // instead of keeping them; may be nil
}

// said is a datagram of a peer.
type said struct {
	from    netip.AddrPort
	m       []byte
	handled chan struct{}
}

func newPaper() *paper { return &paper{in: make(chan said), closed: make(chan struct{})} }

func (p *paper) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	if p.last != nil {
		close(p.last)
	}
	select {
	case x := <-p.in:
		p.last = x.handled
		return copy(b, x.m), x.from, nil
	case <-p.closed:
		p.last = nil
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (p *paper) Close() error { p.once.Do(func() { close(p.closed) }); return nil }
func (p *paper) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return 0, errors.New("network is unreachable")
	}
	if p.tap != nil {
		p.tap(b)
		return len(b), nil
	}
	p.sent = append(p.sent, string(b))
	return len(b), nil
}

// put has the gateway read a datagram. It returns when that has been handled: the gateway reads again.
func (p *paper) put(from netip.AddrPort, m []byte) {
	handled := make(chan struct{})
	p.in <- said{from, m, handled}
	<-handled
}

// paperNet is the network of a gateway on paper. Nobody connects to it, and its own connections are those that a test has at hand.
type paperNet struct {
	mu    sync.Mutex
	socks map[netip.AddrPort]*paper
	dial  func() (net.Conn, error) // nil: no peer takes a connection
}

func (n *paperNet) ListenPacket(at netip.AddrPort) (siptransport.PacketConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := newPaper()
	n.socks[at] = p
	return p, nil
}

func (n *paperNet) Listen(siptransport.Transport, netip.AddrPort) (net.Listener, error) {
	return deaf{}, nil
}

func (n *paperNet) Dial(context.Context, siptransport.Transport, netip.Addr, netip.AddrPort) (net.Conn, error) {
	if n.dial == nil {
		return nil, errors.New("connection refused")
	}
	return n.dial()
}

// deaf is a listener to which nobody connects.
type deaf struct{}

func (deaf) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (deaf) Close() error              { return nil }
func (deaf) Addr() net.Addr            { return nil }

// bench is a gateway on paper with one SIP interface, "pbx".
type bench struct {
	t     *testing.T
	s     *Stack
	g     *gateway
	net   *paperNet
	paper *paper // its socket
	iface *config.SIPInterface
	calls chan *Incoming
	call  *testCall // takes what comes in
}

var (
	boxAddr  = netip.MustParseAddrPort("192.0.2.1:5060")
	peerAddr = netip.MustParseAddrPort("192.0.2.100:5060")
)

func newBench(t *testing.T, change func(*config.Config, *config.SIPInterface)) *bench {
	t.Helper()
	b := &bench{t: t, net: &paperNet{socks: map[netip.AddrPort]*paper{}}, calls: make(chan *Incoming, 100)}
	b.iface = &config.SIPInterface{Context: "SWITCH", Name: "pbx", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "gw"}, Trust: []config.Source{{Remote: true}}}
	b.iface.SetDefaults()
	b.iface.TransferAccept = false
	b.iface.Remote = config.HostPort{Host: "192.0.2.100", Port: 5060}
	gw := &config.SIPGateway{Name: "gw", Enabled: true}
	gw.SetDefaults()
	gi := &config.GatewayInterface{Name: "if", UDPTCP: 5060}
	gw.Interfaces = []*config.GatewayInterface{gi}
	cfg := config.New()
	cfg.Gateways = []*config.SIPGateway{gw}
	cfg.CS = []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{b.iface}}}
	if change != nil {
		change(cfg, b.iface)
	}
	b.call = newTestCall()
	b.s = New(Options{Options: siptransport.Options{Resolver: fakeNames{}, Network: b.net}, OnInvite: func(i *Incoming) { i.Leg.Take(b.call); b.calls <- i }})
	b.s.Handle(sip.OPTIONS, capable)
	b.s.Handle(sip.NOTIFY, func(r *ServerRequest) { r.Respond(200) })
	b.s.spawn(b.s.orphans.Run)
	b.g = b.s.newGateway("gw")
	b.s.gateways["gw"] = b.g
	b.s.cfg = cfg
	b.configure(cfg, boxAddr.Addr())
	b.paper = b.net.socks[boxAddr]
	return b
}

// configure opens the gateway's sockets; addrs are the addresses of its interfaces, in their order.
func (b *bench) configure(cfg *config.Config, addrs ...netip.Addr) {
	b.t.Helper()
	n := -1
	c, err := siptransport.NewConf(cfg, cfg.Gateways[0], func(config.AddressBind) netip.Addr { n++; return addrs[n] }, b.s.opts.Options, false)
	if err != nil {
		b.t.Fatal(err)
	}
	b.s.cfg = cfg
	b.g.Configure(c)
	if err := b.g.Open(); err != nil {
		b.t.Fatal(err)
	}
}

// end stops what the bench started; in a synctest bubble everything must end.
func (b *bench) end() {
	b.call.End()
	b.s.orphans.End()
	b.g.Close()
	b.s.end()
}

// put is a datagram of the peer; lines end in \n in tests.
func (b *bench) put(m string) {
	head, body, _ := strings.Cut(m, "\n\n")
	b.paper.put(peerAddr, []byte(strings.ReplaceAll(head, "\n", "\r\n")+"\r\n\r\n"+body))
}

// sent takes everything that was sent since.
func (b *bench) sent() []string {
	synctest.Wait()
	b.paper.mu.Lock()
	defer b.paper.mu.Unlock()
	list := b.paper.sent
	b.paper.sent = nil
	return list
}

// one takes the single message that was sent, which must begin with start.
func (b *bench) one(start string) string {
	b.t.Helper()
	list := b.sent()
	if len(list) != 1 || !strings.HasPrefix(list[0], start) {
		b.t.Fatalf("sent %q, want one %q", firstLines(list), start)
	}
	return list[0]
}

// starts demands that the messages sent since begin so.
func (b *bench) starts(want ...string) []string {
	b.t.Helper()
	list := b.sent()
	ok := len(list) == len(want)
	for i := range list {
		ok = ok && i < len(want) && strings.HasPrefix(list[i], want[i])
	}
	if !ok {
		b.t.Fatalf("sent %q, want %q", firstLines(list), want)
	}
	return list
}

func firstLines(list []string) []string {
	var out []string
	for _, m := range list {
		line, _, _ := strings.Cut(m, "\r\n")
		out = append(out, line)
	}
	return out
}

// field is the value of the first header field of a message.
func field(m, name string) string {
	for line := range strings.SplitSeq(m, "\r\n") {
		if line == "" {
			return ""
		}
		if k, v, _ := strings.Cut(line, ": "); strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

func bodyOf(m string) string {
	_, body, _ := strings.Cut(m, "\r\n\r\n")
	return body
}

// invite is an INVITE of the peer; extra are further header lines, each with its \n.
func inviteText(id, branch, extra, body string) string {
	return "INVITE sip:+49711@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bK" + branch + ";rport\nMax-Forwards: 70\n" +
		"From: \"A\" <sip:user.01@192.0.2.100>;tag=from-" + id + "\nTo: <sip:+49711@192.0.2.1>\nCall-ID: " + id + "\nCSeq: 1 INVITE\n" +
		"Contact: <sip:user.01@192.0.2.100:5060;x=1;x=2>\nContent-Type: application/sdp\n" + extra + "Content-Length: " + strconv.Itoa(len(body)) + "\n\n" + body
}

// inDialogText is a request of the peer in the dialog of an INVITE of the peer.
func inDialogText(method, id, branch, ourTag string, seq int, extra, body string) string {
	if body != "" {
		extra += "Content-Type: application/sdp\n"
	}
	return fmt.Sprintf("%s sip:+49711@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bK%s;rport\nMax-Forwards: 70\n"+
		"From: \"A\" <sip:user.01@192.0.2.100>;tag=from-%s\nTo: <sip:+49711@192.0.2.1>;tag=%s\nCall-ID: %s\nCSeq: %d %s\n"+
		"Contact: <sip:user.01@192.0.2.100:5060>\n%sContent-Length: %d\n\n%s", method, branch, id, ourTag, id, seq, strings.Fields(method)[0], extra, len(body), body)
}

// reply is the peer's response to a request of ours.
func reply(req string, status, tag, extra, body string) string {
	to := field(req, "To")
	if tag != "" && !strings.Contains(to, ";tag=") {
		to += ";tag=" + tag
	}
	if body != "" {
		extra += "Content-Type: application/sdp\n"
	}
	return "SIP/2.0 " + status + "\nVia: " + field(req, "Via") + "\nFrom: " + field(req, "From") + "\nTo: " + to + "\nCall-ID: " + field(req, "Call-ID") +
		"\nCSeq: " + field(req, "CSeq") + "\n" + extra + "Content-Length: " + strconv.Itoa(len(body)) + "\n\n" + body
}

// dial starts a leg of ours and returns it with its INVITE.
func (b *bench) dial(change func(*Invite)) (*Leg, string) {
	b.t.Helper()
	r := Invite{Interface: peerID("pbx"), RequestURI: "sip:100@192.0.2.100", From: sipmsg.NameAddr{URI: "sip:user.01@192.0.2.100"},
		To: sipmsg.NameAddr{URI: "sip:100@192.0.2.100"}, ContactUser: "user.01", Body: []byte("v=0 offer")}
	if change != nil {
		change(&r)
	}
	var l *Leg
	b.call.on(func() { l = b.s.Invite(b.call, r) })
	return l, b.one("INVITE ")
}

const peerContact = "Contact: <sip:100@192.0.2.100:5060;p=1;q>\n"

// established is a leg of ours after its 200 and ACK.
func (b *bench) established(change func(*Invite), extra string) (*Leg, string) {
	b.t.Helper()
	l, invite := b.dial(change)
	b.put(reply(invite, "200 OK", "far", peerContact+extra, "v=0 answer"))
	b.one("ACK ")
	want[Answered](b.t, b.call)
	return l, invite
}

// arrived is a leg of the peer after our 200 and its ACK.
func (b *bench) arrived(id, extra string) (*Leg, string) {
	b.t.Helper()
	b.put(inviteText(id, id, extra, "v=0 offer"))
	in := <-b.calls
	b.one("SIP/2.0 100 ")
	b.call.on(func() { in.Leg.Answer([]byte("v=0 answer")) })
	ok := b.one("SIP/2.0 200 ")
	b.put(inDialogText("ACK", id, "ack"+id, tagOf(field(ok, "To")), 1, "", ""))
	b.sent()
	want[Acked](b.t, b.call)
	return in.Leg, ok
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }

// peerID is the identity of an interface of the tests' context.
func peerID(name string) config.InterfaceID { return config.InterfaceID{Context: "SWITCH", Name: name} }

// tagOf is the tag of a From or To value.
func tagOf(value string) string { return sipmsg.ParseNameAddr(value).Param("tag") }

// capable answers OPTIONS.
func capable(r *ServerRequest) { r.Respond(200, r.Capabilities()...) }

func tcpAddr(a net.Addr) netip.AddrPort {
	p := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// legsOf counts the legs of a gateway, those that have just ended, too.
func legsOf(g *gateway) int {
	all, _ := g.legs.Count()
	return all
}
