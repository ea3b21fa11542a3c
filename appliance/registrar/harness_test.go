package registrar

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptransport/siptransporttest"

	"github.com/icholy/digest"
)

// The tests speak SIP with a real gateway on a network of paper, in virtual time. The box is 10.108.2.1, its phones are in 10.108.2.0/24.

var boxAddr = netip.MustParseAddrPort("10.108.2.1:5060")

// paper is that network: one UDP socket and a listener for TCP.
type paper struct {
	siptransport.Network
	in      chan packet
	streams chan net.Conn
	closed  chan struct{}
	once    sync.Once

	mu   sync.Mutex
	sent map[netip.AddrPort][]string
}

type packet struct {
	from netip.AddrPort
	b    []byte
}

func newPaper() *paper {
	return &paper{in: make(chan packet, 10000), streams: make(chan net.Conn, 100), closed: make(chan struct{}), sent: map[netip.AddrPort][]string{}}
}

func (p *paper) ListenPacket(netip.AddrPort) (siptransport.PacketConn, error) { return p, nil }
func (p *paper) Listen(siptransport.Transport, netip.AddrPort) (net.Listener, error) {
	return listener{p}, nil
}

type listener struct{ *paper }

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.streams:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(boxAddr) }

func (p *paper) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case x := <-p.in:
		return copy(b, x.b), x.from, nil
	case <-p.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (p *paper) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent[to] = append(p.sent[to], string(b))
	return len(b), nil
}

func (p *paper) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

// wire is the box's end of a connection.
type wire struct {
	net.Conn
	from netip.AddrPort
}

func (wire) LocalAddr() net.Addr    { return net.TCPAddrFromAddrPort(boxAddr) }
func (w wire) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(w.from) }

// shelf is a state folder with one file.
type shelf struct {
	mu    sync.Mutex
	text  []byte
	saves int
	fail  error
}

func (s *shelf) LoadBindings(parse func([]byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text == nil {
		return nil
	}
	return parse(s.text)
}

func (s *shelf) SaveBindings(text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.saves++; s.fail == nil {
		s.text = slices.Clone(text)
	}
	return s.fail
}

// fails has writing fail from now on; nil: it does not.
func (s *shelf) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// box is a gateway with its registrar.
type box struct {
	*testing.T
	cfg    *config.Config
	reg    *Registrar
	stack  *sipgw.Stack
	paper  *paper
	shelf  *shelf
	health health.Tracker
	log    *journal
	calls  []string // identities of INVITEs that came through
	told   table    // by the registrar

	unlicensed, emergency atomic.Bool
	coming                sync.Mutex
	came                  []string
	stop                  func()
}

// journal is the log.
type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.b.Reset()
	return j.b.String()
}

type (
	auth = config.Authenticate
	face = config.IdentitySettings
)

// inbound is `registration inbound` with its defaults, changed.
func inbound(change ...func(*config.RegistrationInbound)) *config.RegistrationInbound {
	r := &config.RegistrationInbound{}
	r.SetDefaults()
	for _, f := range change {
		f(r)
	}
	return r
}

// configured has the identities 21 and 22 with accounts of their names, 23 with the account "desk", 24 that wants none, 25 that nobody may
// register as for want of accounts, and 26 for which no phone is provided.
func configured() *config.Config {
	service := config.Ref[config.Config, config.AuthService]{Name: "AUTH"}
	own := &config.AuthInbound{Services: []auth{{Service: service}}}
	l := &config.LocationService{Name: "LS", Domains: []config.Domain{{Index: 1, Host: "phones.example"}},
		Groups: []*config.IdentityGroup{{Name: "PHONES", IdentitySettings: face{Inbound: inbound()}}}}
	add := func(name string, f face, aliases ...string) {
		i := &config.Identity{Name: name, Aliases: aliases, IdentitySettings: f}
		if name != "26" {
			i.Inherits.Name = "PHONES"
		}
		l.Identities = append(l.Identities, i)
	}
	add("21", face{AuthInbound: own}, "+4972115104221")
	add("22", face{AuthInbound: own})
	add("23", face{AuthInbound: &config.AuthInbound{Services: []auth{{Service: service, Username: "desk"}}}})
	add("24", face{AuthInbound: &config.AuthInbound{None: true}})
	add("25", face{})
	add("26", face{AuthInbound: own})
	gw := &config.SIPGateway{Name: "gw", Enabled: true, Interfaces: []*config.GatewayInterface{{Name: "if", UDPTCP: 5060}}}
	gw.SetDefaults()
	i := &config.SIPInterface{Context: "SWITCH", Name: "phones", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "gw"},
		Trust: []config.Source{{Prefix: netip.MustParsePrefix("10.108.2.0/24")}}}
	i.SetDefaults()
	i.Phones.Name = "LS"
	c := config.New()
	c.Auth = []*config.AuthService{{Name: "AUTH", Users: []config.Credential{{Username: "21", Password: "hush"}, {Username: "22", Password: "other"},
		{Username: "desk", Password: "wood"}, {Username: "26", Password: "none"}, {Username: "void"}}}}
	c.Location = []*config.LocationService{l}
	c.Gateways = []*config.SIPGateway{gw}
	c.CS = []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{i}, Emergency: []string{"112"}}}
	return c
}

// onPaper runs f in virtual time with a box.
func onPaper(t *testing.T, change func(*config.Config), f func(b *box)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &box{T: t, cfg: configured(), shelf: &shelf{}, log: &journal{}, told: table{}}
		if change != nil {
			change(b.cfg)
		}
		b.start()
		defer func() { b.stop() }()
		f(b)
	})
}

// start starts the box, or starts it again after stop.
func (b *box) start() {
	b.Helper()
	b.paper = newPaper()
	log := slog.New(slog.NewTextHandler(b.log, nil))
	b.reg = New(Options{Log: log, Health: &b.health, Store: b.shelf, Pair: b.told, Licensed: func() bool { return !b.unlicensed.Load() }, Emergency: func() bool { return b.emergency.Load() },
		Registered: func(location, identity string) {
			b.coming.Lock()
			defer b.coming.Unlock()
			b.came = append(b.came, location+"/"+identity)
		}})
	b.stack = sipgw.New(sipgw.Options{Options: siptransport.Options{Resolver: siptransporttest.Literals{}, Network: b.paper}, Phones: b.reg,
		OnInvite: func(i *sipgw.Incoming) { b.calls = append(b.calls, i.Identity); i.Leg.Reject(603, "") }})
	b.reg.Attach(b.stack)
	b.stack.Handle("SUBSCRIBE", func(r *sipgw.ServerRequest) { r.Respond(202) })
	ctx, cancel := context.WithCancel(b.Context())
	var group sync.WaitGroup
	b.reg.Apply(b.cfg)
	if err := b.stack.Apply(b.cfg, func(config.AddressBind) netip.Addr { return boxAddr.Addr() }); err != nil {
		b.Fatal(err)
	}
	group.Go(func() { b.stack.Run(ctx) })
	group.Go(func() { b.reg.Run(ctx) })
	b.stop = func() { cancel(); group.Wait() }
}

// phone is a telephone at an address.
type phone struct {
	*box
	at       netip.AddrPort
	user     string // identity, in From and To
	account  string
	password string
	callID   string
	seq      int
	branch   int
	contact  string // value of Contact; "": of its address
	agent    string
	conn     net.Conn // TCP; nil: UDP
	from     string   // user of From; "": user
	lines    string   // further header lines, each with its end
	uri      string   // Request-URI of REGISTER; "": of the box
}

func (b *box) phone(at, user, password string) *phone {
	return &phone{box: b, at: netip.MustParseAddrPort(at), user: user, account: user, password: password, callID: "call-" + at + "-" + user, agent: "Yealink SIP-T46S 66.86.0.15"}
}

// connect has the phone use TCP.
func (p *phone) connect() *phone {
	far, near := net.Pipe()
	p.conn = far
	p.paper.streams <- wire{near, p.at}
	return p
}

// ask sends a message and returns what comes back; "": nothing.
func (p *phone) ask(m string) string {
	p.Helper()
	m = strings.ReplaceAll(m, "\n", "\r\n")
	if p.conn != nil {
		if _, err := io.WriteString(p.conn, m); err != nil {
			p.Fatal(err)
		}
		buf := make([]byte, 65536)
		n, err := p.conn.Read(buf)
		synctest.Wait()
		if err != nil {
			return ""
		}
		return string(buf[:n])
	}
	p.paper.in <- packet{p.at, []byte(m)}
	return p.heard()
}

// heard takes what was sent to the phone over UDP since.
func (p *phone) heard() string {
	synctest.Wait()
	p.paper.mu.Lock()
	defer p.paper.mu.Unlock()
	list := p.paper.sent[p.at]
	delete(p.paper.sent, p.at)
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}

// request is the text of a request of the phone, without credentials.
func (p *phone) request(method, uri, to, lines string) string {
	p.seq++
	p.branch++
	transport := "UDP"
	if p.conn != nil {
		transport = "TCP"
	}
	from := p.from
	if from == "" {
		from = p.user
	}
	return fmt.Sprintf("%s %s SIP/2.0\nVia: SIP/2.0/%s %s;branch=z9hG4bK%s.%d;rport\nFrom: <sip:%s@10.108.2.1>;tag=f%s\nTo: <%s>\nCall-ID: %s\nCSeq: %d %s\nMax-Forwards: 70\nUser-Agent: %s\n%sContent-Length: 0\n\n",
		method, uri, transport, p.at, p.callID, p.branch, from, from, to, p.callID, p.seq, method, p.agent, p.lines+lines)
}

// send sends a request and answers the challenge with the phone's account, once.
func (p *phone) send(method, uri, to, lines string) string {
	p.Helper()
	m := p.ask(p.request(method, uri, to, lines))
	if code(m) != 401 {
		return m
	}
	return p.ask(p.request(method, uri, to, p.credentials(method, uri, m)+lines))
}

// credentials answer the challenge of a response.
func (p *phone) credentials(method, uri, response string) string {
	p.Helper()
	c, err := digest.ParseChallenge(field(response, "WWW-Authenticate"))
	if err != nil {
		p.Fatalf("%v in %s", err, response)
	}
	cred, err := digest.Digest(c, digest.Options{Method: method, URI: uri, Username: p.account, Password: p.password, Count: 1})
	if err != nil {
		p.Fatal(err)
	}
	return "Authorization: " + cred.String() + "\n"
}

// register registers for so many seconds, with the lines of the test and without, and demands the code. It returns the response.
func (p *phone) register(seconds, want int) string {
	p.Helper()
	contact := p.contact
	if contact == "" {
		contact = "<sip:" + p.user + "@" + p.at.String() + ">"
	}
	return p.want(want, fmt.Sprintf("Contact: %s\nExpires: %d\n", contact, seconds))
}

// want sends a REGISTER with these lines and demands the code.
func (p *phone) want(want int, lines string) string {
	p.Helper()
	uri := p.uri
	if uri == "" {
		uri = "sip:10.108.2.1"
	}
	m := p.send("REGISTER", uri, "sip:"+p.user+"@10.108.2.1", lines)
	if code(m) != want {
		p.Errorf("%s at %s got %q, not %d", p.user, p.at, m, want)
	}
	return m
}

// invite calls somebody and returns the code of the answer, after the challenge; 603 is that of a call which came through.
func (p *phone) invite(to string) int {
	p.Helper()
	m := p.send("INVITE", "sip:"+to+"@10.108.2.1", "sip:"+to+"@10.108.2.1", "Contact: <sip:"+p.user+"@"+p.at.String()+">\n")
	return code(m)
}

func code(m string) int {
	n := 0
	fmt.Sscanf(m, "SIP/2.0 %d ", &n)
	return n
}

// field is the value of the first header field of a name; fields are all.
func field(m, name string) string {
	if all := fields(m, name); len(all) > 0 {
		return all[0]
	}
	return ""
}

func fields(m, name string) (list []string) {
	for line := range strings.SplitSeq(m, "\r\n") {
		if k, v, ok := strings.Cut(line, ": "); ok && strings.EqualFold(k, name) {
			list = append(list, v)
		}
	}
	return list
}

// targets are the places where requests for a user go, in their order.
func (b *box) targets(user string) string {
	list, _, known := b.reg.Targets(config.InterfaceID{Context: "SWITCH", Name: "phones"}, user)
	if !known {
		return "unknown"
	}
	var places []string
	for _, t := range list {
		places = append(places, t.URI+" at "+t.Addr.String()+"/"+t.Transport.String())
	}
	return strings.Join(places, ", ")
}

func (b *box) wants(user, places string) {
	b.Helper()
	if got := b.targets(user); got != places {
		b.Errorf("calls for %s go to %q, not to %q", user, got, places)
	}
}

// parse reads a message as the gateway does.
func parse(t testing.TB, m string, from netip.AddrPort) *sipmsg.Request {
	t.Helper()
	head, body, f := sipmsg.FrameDatagram([]byte(strings.ReplaceAll(m, "\n", "\r\n")))
	return sipmsg.Parse(head, body, f, from).Request
}

func (b *box) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
