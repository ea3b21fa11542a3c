package sipgw

import (
	"bufio"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// The tests below use real sockets on the loopback network: the box is 127.0.0.1, its peer 127.0.0.2, a stranger 127.0.0.9.

// box is a running stack with one gateway on 127.0.0.1.
type box struct {
	t      *testing.T
	s      *Stack
	cfg    *config.Config
	plain  netip.AddrPort // UDP and TCP
	secure netip.AddrPort // TLS
	calls  chan *Incoming
	call   *testCall
	root   *authority
	names  *movingNames
	stop   func() // ends the stack, which takes a moment
}

// patience is for what must come: a machine that has other things to do takes its time.
const patience = 20 * time.Second

func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return tcpAddr(l.Addr()).Port()
}

func newBox(t *testing.T, secure bool, change func(*config.Config, *config.SIPInterface)) *box {
	t.Helper()
	return newBoxWith(t, secure, change, nil, func(*Stack) {})
}

// newBoxWith is a box with phones, and with what handle has it do.
func newBoxWith(t *testing.T, secure bool, change func(*config.Config, *config.SIPInterface), phones Phones, handle func(*Stack)) *box {
	t.Helper()
	b := &box{t: t, calls: make(chan *Incoming, 2000), call: newTestCall(), cfg: config.New(), root: newAuthority(t)}
	i := &config.SIPInterface{Context: "SWITCH", Name: "peer", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "gw"}, Trust: []config.Source{{Remote: true}}}
	i.SetDefaults()
	i.Remote = config.HostPort{Host: "127.0.0.2", Port: 5060}
	gw := &config.SIPGateway{Name: "gw", Enabled: true}
	gw.SetDefaults()
	gi := &config.GatewayInterface{Name: "if"}
	store := keys{map[string][]*x509.Certificate{}, map[string]crypto.Signer{}}
	if secure {
		cert, key := issue(t, b.root, "sbc.example", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, false)
		store.certs["MINE"], store.keys["mine"], store.certs["ROOT"] = []*x509.Certificate{cert}, key, []*x509.Certificate{b.root.cert}
		p := &config.TLSProfile{Name: "tls", AuthIncoming: true, AuthOutgoing: true, PrivateKey: "pki:private-key/mine",
			Own:     []config.OwnCertificate{{Index: 1, Name: "pki:certificate/MINE"}},
			Trusted: []config.PKIName{"pki:certificate/ROOT"}, RequireType: "server"}
		p.SetDefaults()
		b.cfg.TLS = []*config.TLSProfile{p}
		gw.TLS = config.Ref[config.Config, config.TLSProfile]{Name: "tls"}
		gi.TLS = freePort(t)
		gi.SpoofedContact = config.Spoofed{Host: "sbc.example", Port: 5062}
		gi.SpoofedVia = config.Spoofed{Host: "sbc.example", Port: 5062}
	} else {
		gi.UDPTCP = freePort(t)
	}
	gw.Interfaces = []*config.GatewayInterface{gi}
	b.cfg.Gateways = []*config.SIPGateway{gw}
	b.cfg.CS = []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{i}}}
	if change != nil {
		change(b.cfg, i)
	}
	b.plain = netip.AddrPortFrom(addr("127.0.0.1"), gi.UDPTCP)
	b.secure = netip.AddrPortFrom(addr("127.0.0.1"), gi.TLS)
	b.names = &movingNames{}
	b.names.Store(&fakeNames{"sip.example": {addr("127.0.0.2")}, "sip2.example": {addr("127.0.0.2")}})
	b.s = New(Options{Options: siptransport.Options{Resolver: b.names, PKI: store}, Phones: phones, OnInvite: func(i *Incoming) { i.Leg.Take(b.call); b.calls <- i }})
	b.s.Handle(sip.OPTIONS, capable)
	handle(b.s)
	if err := b.apply(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	b.stop = cancel
	go func() { b.s.Run(ctx); close(done) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("the stack does not end")
		}
		b.call.End()
	})
	return b
}

func (b *box) apply() error {
	return b.s.Apply(b.cfg, func(config.AddressBind) netip.Addr { return addr("127.0.0.1") })
}

// movingNames is a resolver whose table changes while the stack asks it.
type movingNames struct{ atomic.Pointer[fakeNames] }

func (m *movingNames) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return m.Load().Lookup(ctx, host)
}
func (m *movingNames) LookupSRV(ctx context.Context, service, proto, name string) ([]*net.SRV, error) {
	return m.Load().LookupSRV(ctx, service, proto, name)
}
func (m *movingNames) Cached(host string) []netip.Addr { return m.Load().Cached(host) }

// peer is a connection that the test writes segments on and reads messages from.
type peer struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

func (b *box) connect(from string, to netip.AddrPort) *peer {
	b.t.Helper()
	p, err := b.tryConnect(from, to)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// tryConnect may fail where the box resets a connection before the dialler has looked at it.
func (b *box) tryConnect(from string, to netip.AddrPort) (*peer, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		return nil, err
	}
	b.t.Cleanup(func() { c.Close() })
	return &peer{b.t, c, bufio.NewReader(c)}, nil
}

func crlf(s string) string {
	head, body, _ := strings.Cut(s, "\n\n")
	return strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body
}

func (p *peer) write(messages ...string) {
	p.t.Helper()
	segment := ""
	for _, m := range messages {
		segment += crlf(m)
	}
	if _, err := p.c.Write([]byte(segment)); err != nil {
		p.t.Fatal(err)
	}
}

// message reads one message off a stream.
func (p *peer) message() string {
	p.t.Helper()
	p.c.SetReadDeadline(time.Now().Add(patience))
	m := ""
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			p.t.Fatalf("read: %v after %q", err, m)
		}
		if m == "" && line == "\r\n" {
			continue // keep-alive
		}
		if m += line; line == "\r\n" {
			break
		}
	}
	n, _ := strconv.Atoi(field(m, "Content-Length"))
	body := make([]byte, n)
	if _, err := io.ReadFull(p.r, body); err != nil {
		p.t.Fatal(err)
	}
	return m + string(body)
}

func (p *peer) want(start string) string {
	p.t.Helper()
	m := p.message()
	if !strings.HasPrefix(m, start) {
		p.t.Fatalf("got %q, want %q", firstLines([]string{m}), start)
	}
	return m
}

// overTCP turns a message of the paper tests into one of the TCP peer.
func overTCP(m string) string {
	return strings.NewReplacer("SIP/2.0/UDP", "SIP/2.0/TCP", "192.0.2.100", "127.0.0.2", "192.0.2.1", "127.0.0.1").Replace(m)
}

func TestCancelInTheSegmentOfItsInvite(t *testing.T) {
	b := newBox(t, false, func(c *config.Config, _ *config.SIPInterface) { c.Gateways[0].CallsPerSource = 10000 })
	p := b.connect("127.0.0.2", b.plain)
	for i := range 1000 {
		id := "c" + strconv.Itoa(i)
		invite := overTCP(inviteText(id, id, "", ""))
		p.write(invite, strings.ReplaceAll(invite, "INVITE", "CANCEL"))
		p.want("SIP/2.0 100 ")
		if m := p.want("SIP/2.0 200 "); !strings.HasSuffix(field(m, "CSeq"), "CANCEL") {
			t.Fatalf("%d: %s", i, m)
		}
		m := p.want("SIP/2.0 487 ")
		<-b.calls
		want[Cancelled](t, b.call)
		p.write(strings.Replace(strings.ReplaceAll(invite, "INVITE", "ACK"), "To: <sip:+49711@127.0.0.1>", "To: "+field(m, "To"), 1))
	}
	b.call.none(t)
}

// remote listens as the peer of the interface.
func remote(t *testing.T, cfg *config.Config) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	cfg.CS[0].Interfaces[0].Remote.Port = tcpAddr(l.Addr()).Port()
	return l
}

// viaTCP makes DEFAULT identities of the gateway call over TCP.
func viaTCP(c *config.Config) {
	c.Location = []*config.LocationService{{Name: "ls", Groups: []*config.IdentityGroup{{Name: "DEFAULT",
		IdentitySettings: config.IdentitySettings{CallOutbound: &config.CallOutbound{ForceTransport: "tcp"}}}}}}
	c.Gateways[0].Location = []config.Ref[config.Config, config.LocationService]{{Name: "ls"}}
}

func acceptPeer(t *testing.T, l net.Listener) *peer {
	t.Helper()
	l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &peer{t, c, bufio.NewReader(c)}
}

func (b *box) invite(change func(*Invite)) *Leg {
	r := Invite{Interface: peerID("peer"), RequestURI: "sip:100@127.0.0.2", From: sipmsg.NameAddr{URI: "sip:a@127.0.0.1"}, To: sipmsg.NameAddr{URI: "sip:100@127.0.0.2"},
		Body: []byte("v=0 offer")}
	if change != nil {
		change(&r)
	}
	var l *Leg
	b.call.on(func() { l = b.s.Invite(b.call, r) })
	return l
}

func TestResponsesOfOneSegmentArriveInOrder(t *testing.T) {
	var l net.Listener
	b := newBox(t, false, func(c *config.Config, _ *config.SIPInterface) { l = remote(t, c); viaTCP(c) })
	var p *peer
	for i := range 300 {
		leg := b.invite(nil)
		if p == nil {
			p = acceptPeer(t, l)
		}
		invite := p.want("INVITE ")
		contact := "Contact: <sip:127.0.0.2:" + strconv.Itoa(int(b.cfg.CS[0].Interfaces[0].Remote.Port)) + ";transport=tcp>\n"
		p.write(reply(invite, "180 Ringing", "a", "", ""), reply(invite, "183 Session Progress", "b", "", "v=0 early"), reply(invite, "200 OK", "b", contact, "v=0"))
		if e := want[Progress](t, b.call); e.Code != 180 {
			t.Fatalf("%d: %+v", i, e)
		}
		if e := want[Progress](t, b.call); e.Code != 183 || string(e.Body) != "v=0 early" {
			t.Fatalf("%d: %+v", i, e)
		}
		want[Answered](t, b.call)
		p.want("ACK ")
		b.call.on(func() { leg.Bye() })
		p.write(reply(p.want("BYE "), "200 OK", "", "", ""))
	}
}

func TestAnswerCrossingCancelOnTheWire(t *testing.T) {
	var l net.Listener
	b := newBox(t, false, func(c *config.Config, _ *config.SIPInterface) { l = remote(t, c); viaTCP(c) })
	leg := b.invite(nil)
	p := acceptPeer(t, l)
	invite := p.want("INVITE ")
	p.write(reply(invite, "180 Ringing", "a", "", ""))
	want[Progress](t, b.call)
	b.call.on(func() { leg.Cancel() })
	cancel := p.want("CANCEL ")
	p.write(reply(invite, "200 OK", "a", "Contact: <sip:100@pbx.example;transport=tcp>\n", "v=0"), reply(cancel, "200 OK", "a", "", ""))
	p.want("ACK ")
	p.write(reply(p.want("BYE "), "200 OK", "", "", ""))
	want[Failed](t, b.call)
}

func TestRequestsOfOursNeverUseThePeersConnection(t *testing.T) {
	var l net.Listener
	b := newBox(t, false, func(c *config.Config, _ *config.SIPInterface) { l = remote(t, c); viaTCP(c) })
	theirs := b.connect("127.0.0.2", b.plain)
	invite := overTCP(inviteText("c1", "b1", "", "v=0"))
	theirs.write(invite)
	theirs.want("SIP/2.0 100 ")
	in := <-b.calls
	b.call.on(func() { in.Leg.Answer([]byte("v=0")) })
	ok := theirs.want("SIP/2.0 200 ")
	theirs.write(overTCP(inDialogText("ACK", "c1", "a1", tagOf(field(ok, "To")), 1, "", "")))
	want[Acked](t, b.call)
	theirs.write(overTCP(inDialogText("UPDATE", "c1", "u1", tagOf(field(ok, "To")), 2, "", "")))
	theirs.want("SIP/2.0 200 ")
	// The Contact of the peer says port 5060, where nobody is; the record route of a real one would say where. Here the remote does.
	leg := in.Leg
	b.call.on(func() { leg.dialog.Target = "sip:user.01@pbx.example"; leg.Bye() })
	ours := acceptPeer(t, l)
	bye := ours.want("BYE ")
	if from := tcpAddr(ours.c.RemoteAddr()).Addr(); from != addr("127.0.0.1") {
		t.Errorf("it left from %v", from)
	}
	ours.write(reply(bye, "200 OK", "", "", ""))
}

func TestLargeRequestsGoByTCPAndFallBackToUDP(t *testing.T) {
	var l net.Listener
	var u *net.UDPConn
	b := newBox(t, false, func(c *config.Config, i *config.SIPInterface) {
		l = remote(t, c)
		var err error
		if u, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: int(i.Remote.Port)}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { u.Close() })
	})
	big := func(r *Invite) { r.Body = []byte(strings.Repeat("v", 1400)) }
	b.invite(big)
	large := acceptPeer(t, l)
	if m := large.want("INVITE "); !strings.HasPrefix(field(m, "Via"), "SIP/2.0/TCP ") {
		t.Error(m)
	}
	b.invite(nil)
	buf := make([]byte, 65536)
	u.SetReadDeadline(time.Now().Add(patience))
	if n, err := u.Read(buf); err != nil || !strings.HasPrefix(field(string(buf[:n]), "Via"), "SIP/2.0/UDP ") {
		t.Errorf("%v %q", err, buf[:n])
	}
	l.Close()
	large.c.Close()
	for b.s.Gateways()[0].Connections > 0 {
		time.Sleep(time.Millisecond)
	}
	b.invite(func(r *Invite) { big(r); r.RequestURI = "sip:fallback@127.0.0.2" })
	for {
		n, err := u.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if m := string(buf[:n]); strings.HasPrefix(m, "INVITE sip:fallback@") {
			if len(m) < 1400 || !strings.HasPrefix(field(m, "Via"), "SIP/2.0/UDP ") {
				t.Error(m)
			}
			break
		}
	}
}

func TestKeepAliveIsAnswered(t *testing.T) {
	b := newBox(t, false, nil)
	p := b.connect("127.0.0.2", b.plain)
	for _, part := range []string{"\r\n", "\r\n", "\r\n\r\n"} {
		p.c.Write([]byte(part))
		time.Sleep(20 * time.Millisecond)
	}
	p.c.SetReadDeadline(time.Now().Add(patience))
	pong := make([]byte, 4)
	if _, err := io.ReadFull(p.r, pong); err != nil || string(pong) != "\r\n\r\n" {
		t.Errorf("%q %v", pong, err)
	}
}

func TestMessageInPieces(t *testing.T) {
	b := newBox(t, false, nil)
	p := b.connect("127.0.0.2", b.plain)
	options := crlf(overTCP(strings.ReplaceAll(inviteText("o", "o", "", "body"), "INVITE", "OPTIONS")))
	for i := range len(options) {
		p.c.Write([]byte(options[i : i+1]))
	}
	p.want("SIP/2.0 200 ")
	p.write(strings.Replace(overTCP(strings.ReplaceAll(inviteText("o2", "o2", "", ""), "INVITE", "OPTIONS")), "CSeq: 1", "CSeq: x", 1),
		overTCP(strings.ReplaceAll(inviteText("o3", "o3", "", ""), "INVITE", "OPTIONS")))
	p.want("SIP/2.0 400 ") // one bad message does not end the connection
	p.want("SIP/2.0 200 ")
	p.c.Write([]byte("OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9hG4bKx\r\nContent-Type: text/plain\r\n\r\n"))
	p.want("SIP/2.0 400 ") // a body without length: nothing says where the next one begins
	if _, err := p.r.ReadByte(); err != io.EOF && !errors.Is(err, net.ErrClosed) && !strings.Contains(fmt.Sprint(err), "reset") {
		t.Errorf("still open: %v", err)
	}
}

func TestApplyLeavesConnectionsAlone(t *testing.T) {
	b := newBox(t, false, nil)
	p := b.connect("127.0.0.2", b.plain)
	options := func(id string) string {
		return overTCP(strings.ReplaceAll(inviteText(id, id, "", ""), "INVITE", "OPTIONS"))
	}
	p.write(options("1"))
	p.want("SIP/2.0 200 ")
	if err := b.apply(); err != nil {
		t.Fatal(err)
	}
	p.write(options("2"))
	p.want("SIP/2.0 200 ")

	// A port changes: the new one is open, the old one closed, the connection stays.
	cfg := *b.cfg
	gw := *cfg.Gateways[0]
	gi := *gw.Interfaces[0]
	gi.UDPTCP = freePort(t)
	gw.Interfaces, cfg.Gateways = []*config.GatewayInterface{&gi}, []*config.SIPGateway{&gw}
	b.cfg = &cfg
	if err := b.apply(); err != nil {
		t.Fatal(err)
	}
	p.write(options("3"))
	p.want("SIP/2.0 200 ")
	b.connect("127.0.0.2", netip.AddrPortFrom(addr("127.0.0.1"), gi.UDPTCP)).write(options("4"))
	if c, err := net.Dial("tcp", b.plain.String()); err == nil {
		c.Close()
		t.Error("the old port is open")
	}

	// One gateway that cannot be opened does not keep another from starting.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	bad := gw
	badIf := gi
	bad.Name, badIf.UDPTCP = "bad", tcpAddr(taken.Addr()).Port()
	bad.Interfaces = []*config.GatewayInterface{&badIf}
	again := cfg
	again.Gateways = []*config.SIPGateway{&bad, &gw}
	b.cfg = &again
	if err := b.apply(); err == nil || !strings.Contains(err.Error(), "bad") {
		t.Errorf("error %v", err)
	}
	p.write(options("5"))
	p.want("SIP/2.0 200 ")

	// The gateway is shut: everything is closed.
	off := gw
	off.Enabled = false
	last := cfg
	last.Gateways = []*config.SIPGateway{&off}
	b.cfg = &last
	if err := b.apply(); err != nil {
		t.Fatal(err)
	}
	p.c.SetReadDeadline(time.Now().Add(patience))
	if _, err := p.r.ReadByte(); err == nil || isTimeout(err) {
		t.Errorf("the connection is still open: %v", err)
	}
}
