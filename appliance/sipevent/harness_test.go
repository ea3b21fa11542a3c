package sipevent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptransport/siptransporttest"
	"viaduct/appliance/status"
)

// paper is a network of paper with one UDP socket: what the box sends is kept, what peers say is put in by the test.
type paper struct {
	siptransport.Network
	in     chan packet
	closed chan struct{}
	once   sync.Once

	wrote   chan struct{} // one token: something was sent
	mu      sync.Mutex
	sent    []string
	to      netip.AddrPort      // of the last one
	answers func(string) string // of the peer, at once; "": it stays silent
	from    bool                // answers come from whom was asked, not from the peer
}

type packet struct {
	from netip.AddrPort
	b    []byte
}

func (p *paper) ListenPacket(netip.AddrPort) (siptransport.PacketConn, error) { return p, nil }
func (p *paper) Listen(siptransport.Transport, netip.AddrPort) (net.Listener, error) {
	return deaf{}, nil
}

// deaf is a listener to which nobody connects.
type deaf struct{}

func (deaf) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (deaf) Close() error              { return nil }
func (deaf) Addr() net.Addr            { return nil }

func (p *paper) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case x := <-p.in:
		return copy(b, x.b), x.from, nil
	case <-p.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (p *paper) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	m := string(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent, p.to = append(p.sent, m), to
	select {
	case p.wrote <- struct{}{}:
	default:
	}
	if p.answers != nil && !strings.HasPrefix(m, "SIP/2.0 ") {
		if a := p.answers(m); a != "" && p.from {
			p.in <- packet{to, []byte(crlf(a))}
		} else if a != "" {
			p.in <- packet{peerAddr, []byte(crlf(a))}
		}
	}
	return len(b), nil
}

func (p *paper) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

var (
	boxAddr  = netip.MustParseAddrPort("192.0.2.1:5060")
	peerAddr = netip.MustParseAddrPort("192.0.2.100:5060")
)

// bench is a stack on paper with its agent: one gateway with one SIP interface, "pbx", and identities with `presence subscribe dialog`.
type bench struct {
	*testing.T
	cfg   *config.Config
	stack *sipgw.Stack
	agent *Agent
	paper *paper
	log   strings.Builder

	mu      sync.Mutex
	lines   []Line
	targets map[string][]siptransport.PhoneTarget // by identity
	seq     int
}

// Admit lets a phone in as the identity that it claims to be, unless that is "nobody".
func (b *bench) Admit(_ *config.SIPInterface, req *sipmsg.Request, _ siptransport.Arrival, _ bool) (string, *sipmsg.Fault) {
	if user := req.From.User(); user != "nobody" {
		return user, nil
	}
	return "", &sipmsg.Fault{Code: 401, Headers: []sipmsg.Header{{Name: "WWW-Authenticate", Value: `Digest realm="phones", nonce="1"`}}}
}

func (b *bench) Lost(siptransport.FlowID) {}

func (b *bench) Targets(_ config.InterfaceID, user string) ([]siptransport.PhoneTarget, string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list, known := b.targets[user]
	return list, user, known
}

func (b *bench) Model(a netip.Addr) string {
	if a == netip.MustParseAddr("198.51.100.9") {
		return "PolycomVVX-VVX_410-UA/5.9.5.0614"
	}
	return "Yealink SIP-T46S 66.86.0.15"
}

// onPaper runs f in virtual time.
func onPaper(t *testing.T, change func(*config.Config, *config.SIPInterface), f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		i := &config.SIPInterface{Context: "SWITCH", Name: "pbx", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "gw"}, Trust: []config.Source{{Remote: true}}}
		i.SetDefaults()
		i.Remote = config.HostPort{Host: "192.0.2.100", Port: 5060}
		gw := &config.SIPGateway{Name: "gw", Enabled: true, Interfaces: []*config.GatewayInterface{{Name: "if", UDPTCP: 5060}}, Location: []config.Ref[config.Config, config.LocationService]{{Name: "ls"}}}
		gw.SetDefaults()
		b := &bench{T: t, cfg: config.New(), paper: &paper{in: make(chan packet, 10000), closed: make(chan struct{}), wrote: make(chan struct{}, 1)}}
		b.cfg.Gateways = []*config.SIPGateway{gw}
		b.cfg.CS = []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{i}}}
		b.cfg.Auth = []*config.AuthService{{Name: "accounts", Users: []config.Credential{{Username: "user.01", Password: "secret"}}}}
		b.cfg.Location = []*config.LocationService{{Name: "ls", Domains: []config.Domain{{Index: 1, Host: "192.0.2.100"}}, Identities: []*config.Identity{identity("user.01")}}}
		if change != nil {
			change(b.cfg, i)
		}
		log := slog.New(slog.NewTextHandler(&b.log, nil))
		b.stack = sipgw.New(sipgw.Options{Options: siptransport.Options{Resolver: siptransporttest.Literals{}, Network: b.paper}, Phones: b})
		b.agent = New(b.stack, Options{Log: log, Phones: b, Line: func(l Line) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.lines = append(b.lines, l)
		}})
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { b.stack.Run(ctx) })
		defer group.Wait()
		defer cancel()
		b.apply(b.cfg)
		f(b)
	})
}

func (b *bench) apply(cfg *config.Config) {
	b.Helper()
	if err := b.stack.Apply(cfg, func(config.AddressBind) netip.Addr { return boxAddr.Addr() }); err != nil {
		b.Fatal(err)
	}
}

func identity(name string) *config.Identity {
	return &config.Identity{Name: name, IdentitySettings: config.IdentitySettings{SubscribeDialog: true,
		AuthOutbound: &config.AuthOutbound{Services: []config.Authenticate{{Service: config.Ref[config.Config, config.AuthService]{Name: "accounts"}}}}}}
}

// put is a datagram of the peer; lines end in \n in tests.
func (b *bench) put(m string) { b.putFrom(peerAddr, m) }

func (b *bench) putFrom(from netip.AddrPort, m string) {
	b.paper.in <- packet{from, []byte(crlf(m))}
	synctest.Wait()
}

func crlf(m string) string {
	head, body, _ := strings.Cut(m, "\n\n")
	return strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body
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
	b.Helper()
	list := b.sent()
	if len(list) != 1 || !strings.HasPrefix(list[0], start) {
		b.Fatalf("sent %q, want one %q", list, start)
	}
	return list[0]
}

// next waits, at most for so long, until something is sent, which must begin with start.
func (b *bench) next(most time.Duration, start string) string {
	b.Helper()
	end := time.After(most)
	for {
		if list := b.sent(); len(list) > 0 {
			if len(list) != 1 || !strings.HasPrefix(list[0], start) {
				b.Fatalf("sent %q, want one %q", list, start)
			}
			return list[0]
		}
		select {
		case <-b.paper.wrote:
		case <-end:
			b.Fatalf("nothing was sent, want %q; %+v", start, b.agent.Subscriptions())
		}
	}
}

// quiet demands that nothing is sent for so long.
func (b *bench) quiet(d time.Duration) {
	b.Helper()
	time.Sleep(d)
	if list := b.sent(); len(list) > 0 {
		b.Fatalf("sent %q", list)
	}
}

// answers has the peer answer every request from now on.
func (b *bench) answers(f func(string) string) {
	synctest.Wait()
	b.paper.mu.Lock()
	defer b.paper.mu.Unlock()
	b.paper.answers = f
}

// told takes the lines that were told since, as text.
func (b *bench) told() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for _, l := range b.lines {
		state := "free"
		if !l.Known {
			state = "unknown"
		} else if l.Busy {
			state = fmt.Sprintf("busy %v", l.Calls)
		}
		list = append(list, l.Identity+" "+state)
	}
	b.lines = nil
	return strings.Join(list, ", ")
}

// is demands the state of the only subscription.
func (b *bench) is(want status.SubscriptionState) status.Subscription {
	b.Helper()
	synctest.Wait()
	list := b.agent.Subscriptions()
	if len(list) != 1 || list[0].State != want {
		b.Fatalf("%+v, want %v", list, want)
	}
	return list[0]
}

// field is the value of the first header field of a message.
func field(m, name string) string {
	for line := range strings.SplitSeq(m, "\r\n") {
		if k, v, _ := strings.Cut(line, ": "); strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

func tagOf(value string) string {
	_, tag, _ := strings.Cut(value, ";tag=")
	return tag
}

// reply is the peer's response to a request of ours.
func reply(req, code, tag, extra string) string {
	to := field(req, "To")
	if !strings.Contains(to, ";tag=") {
		to += ";tag=" + tag
	}
	return "SIP/2.0 " + code + "\nVia: " + field(req, "Via") + "\nFrom: " + field(req, "From") + "\nTo: " + to + "\nCall-ID: " + field(req, "Call-ID") +
		"\nCSeq: " + field(req, "CSeq") + "\n" + extra + "Content-Length: 0\n\n"
}

const contact = "Contact: <sip:21@192.0.2.100:5060>\n"

// notify is a NOTIFY in the dialog of a SUBSCRIBE.
func (b *bench) notify(subscribe, tag, state string, info *dialoginfo.Info) string {
	body, kind := "", ""
	if info != nil {
		body, kind = string(info.Bytes()), "Content-Type: application/dialog-info+xml\n"
	}
	return b.notifyText(subscribe, tag, state, kind, body)
}

func (b *bench) notifyText(subscribe, tag, state, extra, body string) string {
	b.seq++
	return fmt.Sprintf("NOTIFY sip:user.01@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bKn%d;rport\nMax-Forwards: 70\nFrom: <sip:21@192.0.2.100>;tag=%s\nTo: %s\n"+
		"Call-ID: %s\nCSeq: %d NOTIFY\nContact: <sip:21@192.0.2.100:5060>\nEvent: dialog\nSubscription-State: %s\n%sContent-Length: %d\n\n%s",
		b.seq, tag, field(subscribe, "From"), field(subscribe, "Call-ID"), b.seq, state, extra, len(body), body)
}

// full is a document with dialogs of these states.
func full(version uint64, states ...dialoginfo.State) *dialoginfo.Info {
	i := &dialoginfo.Info{Version: version, Full: true, Entity: "sip:21@192.0.2.100"}
	for n, s := range states {
		i.Dialogs = append(i.Dialogs, dialoginfo.Dialog{ID: fmt.Sprint(n), CallID: fmt.Sprintf("c%d", n), State: s, Remote: dialoginfo.Party{URI: "sip:22@192.0.2.100"}})
	}
	return i
}
