package sipua

import (
	"context"
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
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptransport/siptransporttest"
)

// lazyNames is a resolver that knows a name once it was asked for it.
type lazyNames struct {
	siptransporttest.Literals
	mu    sync.Mutex
	names map[string]netip.Addr
	asked map[string]bool
}

func (n *lazyNames) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a, ok := n.names[host]; ok {
		n.asked[host] = true
		return []netip.Addr{a}, nil
	}
	return n.Literals.Lookup(ctx, host)
}

func (n *lazyNames) Cached(host string) []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.asked[host] {
		return []netip.Addr{n.names[host]}
	}
	return nil
}

// paper is a network of paper: what the gateway sends is kept, what peers say is put in by the test.
type paper struct {
	siptransport.Network
	mu    sync.Mutex
	socks map[netip.AddrPort]*sock
}

// sock is a UDP socket of it.
type sock struct {
	in     chan packet
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	sent   []string
}

type packet struct {
	from netip.AddrPort
	b    []byte
}

func (p *paper) ListenPacket(at netip.AddrPort) (siptransport.PacketConn, error) {
	s := &sock{in: make(chan packet, 100), closed: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.socks[at] = s
	return s, nil
}

func (p *paper) Listen(siptransport.Transport, netip.AddrPort) (net.Listener, error) {
	return deaf{}, nil
}

// deaf is a listener to which nobody connects.
type deaf struct{}

func (deaf) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (deaf) Close() error              { return nil }
func (deaf) Addr() net.Addr            { return nil }

func (s *sock) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-s.in:
		return copy(b, p.b), p.from, nil
	case <-s.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (s *sock) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, string(b))
	return len(b), nil
}

func (s *sock) Close() error { s.once.Do(func() { close(s.closed) }); return nil }

// testCall is the owner of legs.
type testCall struct {
	*mailbox.Mailbox
	events chan sipgw.Event
}

func (c *testCall) Event(_ *sipgw.Leg, e sipgw.Event) { c.events <- e }

// want takes the next event, which must be a T.
func want[T sipgw.Event](t *testing.T, c *testCall) T {
	t.Helper()
	e := <-c.events
	x, ok := e.(T)
	if !ok {
		t.Fatalf("event %T %+v, want %T", e, e, x)
	}
	return x
}

// bench is a stack on paper with its agent: a gateway with one SIP interface, "pbx", in virtual time.
type bench struct {
	t    *testing.T
	s    *sipgw.Stack
	a    *Agent
	net  *paper
	call *testCall
}

var (
	boxAddr  = netip.MustParseAddrPort("192.0.2.1:5060")
	peerAddr = netip.MustParseAddrPort("192.0.2.100:5060")
)

func onPaper(t *testing.T, names siptransport.Resolver, change func(*config.Config, *config.SIPInterface), f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		i := &config.SIPInterface{Context: "SWITCH", Name: "pbx", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "gw"}, Trust: []config.Source{{Remote: true}}}
		i.SetDefaults()
		i.Remote = config.HostPort{Host: "192.0.2.100", Port: 5060}
		gw := &config.SIPGateway{Name: "gw", Enabled: true, Interfaces: []*config.GatewayInterface{{Name: "if", UDPTCP: 5060}}}
		gw.SetDefaults()
		cfg := config.New()
		cfg.Gateways = []*config.SIPGateway{gw}
		cfg.CS = []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{i}}}
		if change != nil {
			change(cfg, i)
		}
		b := &bench{t: t, net: &paper{socks: map[netip.AddrPort]*sock{}}, call: &testCall{mailbox.New(), make(chan sipgw.Event, 100)}}
		b.s = sipgw.New(sipgw.Options{Options: siptransport.Options{Resolver: names, Network: b.net}})
		b.a = New(b.s, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(b.call.Run)
		group.Go(func() { b.s.Run(ctx) })
		addresses := func(bind config.AddressBind) netip.Addr {
			if a := cfg.Address(bind); a.IsValid() {
				return a
			}
			return boxAddr.Addr()
		}
		if err := b.s.Apply(cfg, addresses); err != nil {
			t.Fatal(err)
		}
		f(t, b)
		b.call.End()
		cancel()
		group.Wait()
	})
}

// put is a datagram of the peer; lines end in \n in tests.
func (b *bench) put(m string) { b.putAt(boxAddr, peerAddr, m) }

func (b *bench) putAt(at, from netip.AddrPort, m string) {
	head, body, _ := strings.Cut(m, "\n\n")
	b.net.socks[at].in <- packet{from, []byte(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body)}
	synctest.Wait()
}

// sent takes everything that a socket has sent since.
func (b *bench) sent(at netip.AddrPort) []string {
	synctest.Wait()
	s := b.net.socks[at]
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.sent
	s.sent = nil
	return list
}

// one takes the single message that was sent, which must begin with start.
func (b *bench) one(start string) string {
	b.t.Helper()
	list := b.sent(boxAddr)
	if len(list) != 1 || !strings.HasPrefix(list[0], start) {
		b.t.Fatalf("sent %q, want one %q", list, start)
	}
	return list[0]
}

// invite begins a call with the credentials of an identity, and tells what was sent.
func (b *bench) invite(identity string, urgent bool) []string {
	b.call.Post(func() {
		b.s.Invite(b.call, sipgw.Invite{Interface: peerID("pbx"), RequestURI: "sip:1@192.0.2.100", From: sipmsg.NameAddr{URI: "sip:a@b"}, To: sipmsg.NameAddr{URI: "sip:1@b"},
			Identity: identity, Urgent: urgent})
	})
	return b.sent(boxAddr)
}

// reply is the peer's response to a request of ours.
func reply(req, status, extra string) string {
	return "SIP/2.0 " + status + "\nVia: " + field(req, "Via") + "\nFrom: " + field(req, "From") + "\nTo: " + field(req, "To") + ";tag=z\nCall-ID: " +
		field(req, "Call-ID") + "\nCSeq: " + field(req, "CSeq") + "\n" + extra + "Content-Length: " + strconv.Itoa(0) + "\n\n"
}

// transactionTimeout is how long a response is waited for (64*T1).
const transactionTimeout = 32 * time.Second

// peerID is the identity of an interface of the tests' context.
func peerID(name string) config.InterfaceID { return config.InterfaceID{Context: "SWITCH", Name: name} }
