package sipua

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptransport/siptransporttest"
	"viaduct/appliance/status"
)

// pbx is a registrar on loopback, over UDP and TCP, written without the code under test: it reads and writes text.
type pbx struct {
	addr netip.AddrPort

	mu     sync.Mutex
	silent bool              // does not answer OPTIONS
	bound  map[string]string // user and transport to the Expires that it registered with
	wrong  int               // REGISTERs with wrong credentials
}

func newPBX(t *testing.T) *pbx {
	t.Helper()
	u, l := bothAt(t)
	p := &pbx{addr: u.LocalAddr().(*net.UDPAddr).AddrPort(), bound: map[string]string{}}
	var wg sync.WaitGroup
	t.Cleanup(func() { u.Close(); l.Close(); wg.Wait() })
	wg.Go(func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := u.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if out := p.answer(string(buf[:n]), "udp"); out != "" {
				u.WriteToUDPAddrPort([]byte(out), from)
			}
		}
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					m := ""
					for !strings.HasSuffix(m, "\r\n\r\n") {
						line, err := r.ReadString('\n')
						if err != nil {
							return
						}
						m += line
					}
					if n, _ := strconv.Atoi(field(m, "Content-Length")); n > 0 {
						io.CopyN(io.Discard, r, int64(n))
					}
					if out := p.answer(m, "tcp"); out != "" {
						io.WriteString(c, out)
					}
				}
			})
		}
	})
	return p
}

// bothAt listens over UDP and TCP at one port. Somebody else may have the number that the first one gets at the other.
func bothAt(t *testing.T) (*net.UDPConn, net.Listener) {
	t.Helper()
	for range 100 {
		u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp4", u.LocalAddr().String())
		if err == nil {
			return u, l
		}
		u.Close()
	}
	t.Fatal("no port is free")
	return nil, nil
}

// answer is the response to a request: every REGISTER is challenged, by two headers as Asterisk does it.
func (p *pbx) answer(m, transport string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	status, extra := "200 OK", ""
	method, _, _ := strings.Cut(m, " ")
	switch {
	case method == "OPTIONS" && p.silent:
		return ""
	case method == "REGISTER":
		user := sipmsg.ParseList([]string{field(m, "To")})[0].User()
		response := hash(hash(user+":asterisk:secret-"+user) + ":n-" + user + ":" + hash("REGISTER:"+strings.Fields(m)[1]))
		switch auth := field(m, "Authorization"); {
		case auth == "":
			status = "401 Unauthorized"
			for _, algorithm := range []string{"SHA3-512", "SHA-256", "MD5"} {
				extra += fmt.Sprintf("WWW-Authenticate: Digest realm=\"asterisk\", nonce=\"n-%s\", algorithm=%s\r\n", user, algorithm)
			}
		case param(auth, "response") != `"`+response+`"`:
			status = "403 Forbidden"
			p.wrong++
		default:
			p.bound[user+" "+transport] = field(m, "Expires")
			extra = "Contact: <sip:other@192.0.2.9>;expires=9\r\nContact: " + field(m, "Contact") + ";expires=" + field(m, "Expires") + "\r\n"
		}
	}
	return "SIP/2.0 " + status + "\r\nVia: " + field(m, "Via") + "\r\nFrom: " + field(m, "From") + "\r\nTo: " + field(m, "To") + ";tag=pbx\r\nCall-ID: " +
		field(m, "Call-ID") + "\r\nCSeq: " + field(m, "CSeq") + "\r\n" + extra + "Content-Length: 0\r\n\r\n"
}

// hash is that of Digest with SHA-256 (RFC 7616 3.4.2).
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
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

func (p *pbx) set(f func()) { p.mu.Lock(); defer p.mu.Unlock(); f() }

// config is a gateway on loopback with an interface to the PBX and three accounts: one over UDP, one over TCP, one with a
// wrong password.
func (p *pbx) config(t *testing.T) *config.Config {
	t.Helper()
	u, l := bothAt(t)
	free := u.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	u.Close()
	l.Close()

	peer := config.HostPort{Host: p.addr.Addr().String(), Port: p.addr.Port()}
	reg := &config.Registration{Auto: true, Registrar: peer}
	reg.SetDefaults()
	reg.Lifetime = 180 * time.Second
	auth := &config.AuthOutbound{Services: []config.Authenticate{{Service: config.Ref[config.Config, config.AuthService]{Name: "accounts"}}}}
	cfg := config.New()
	cfg.Auth = []*config.AuthService{{Name: "accounts", Users: []config.Credential{
		account("user.01", "secret-user.01"), account("user.02", "secret-user.02"), account("user.03", "typing error")}}}
	cfg.Location = []*config.LocationService{{Name: "pbx", Domains: []config.Domain{{Index: 1, Host: "pbx.test"}},
		Identities: []*config.Identity{
			{Name: "user.01", IdentitySettings: config.IdentitySettings{Registration: reg, AuthOutbound: auth}},
			{Name: "user.02", IdentitySettings: config.IdentitySettings{Registration: reg, AuthOutbound: auth, CallOutbound: &config.CallOutbound{ForceTransport: "tcp"}}},
			{Name: "user.03", IdentitySettings: config.IdentitySettings{Registration: reg, AuthOutbound: auth}},
		}}}
	gw := &config.SIPGateway{Name: "lan", Enabled: true, Location: []config.Ref[config.Config, config.LocationService]{{Name: "pbx"}},
		Interfaces: []*config.GatewayInterface{{Name: "if", UDPTCP: free}}}
	gw.SetDefaults()
	cfg.Gateways = []*config.SIPGateway{gw}
	i := &config.SIPInterface{Context: "SWITCH", Name: "pbx", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "lan"}, Remote: peer, Trust: []config.Source{{Remote: true}},
		PenaltyBox: config.PenaltyBox{Interval: time.Second, Timeout: 300 * time.Millisecond}}
	i.SetDefaults()
	cfg.CS = []*config.Switch{{Name: "SWITCH", Interfaces: []*config.SIPInterface{i}}}
	return cfg
}

// eventually waits for something that real sockets bring about.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("did not happen: %s", what)
		}
	}
}

func TestRegistrationsAndProbesOverRealSockets(t *testing.T) {
	p := newPBX(t)
	cfg := p.config(t)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s := sipgw.New(sipgw.Options{Options: siptransport.Options{Resolver: siptransporttest.Literals{}, Log: log}})
	a := New(s, log)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	stop := sync.OnceFunc(func() { cancel(); <-ended })
	defer stop()
	loopback := func(config.AddressBind) netip.Addr { return netip.MustParseAddr("127.0.0.1") }
	began := time.Now()
	if err := s.Apply(cfg, loopback); err != nil {
		t.Fatal(err)
	}

	states := func() string {
		text := ""
		for _, r := range a.Registrations() {
			text += r.Identity + " " + r.State.String() + ", "
		}
		return text
	}
	eventually(t, "two accounts are registered and the third is refused", func() bool {
		return states() == "user.01 registered, user.02 registered, user.03 failed, "
	})
	refused := a.Registrations()[2]
	if refused.Code != 403 || refused.Next.Sub(began) < 9*time.Second {
		t.Errorf("%+v", refused)
	}
	eventually(t, "the PBX is up", func() bool { return len(a.Peers()) == 1 && a.Peers()[0].State == status.PeerUp })

	count := func(list []status.SIPCount, of string) (n uint64) {
		for _, c := range list {
			if c.Of == of {
				n += c.N
			}
		}
		return n
	}
	if m := a.Peers()[0].Messages; count(m.Sent.Requests, "REGISTER") != 6 || count(m.Received.Responses, "401") != 3 || count(m.Received.Responses, "403") != 1 || m.Received.Requests != nil || m.Sent.Responses != nil {
		t.Errorf("three accounts with a challenge each, two of them registered: %+v", m)
	}

	p.set(func() { p.silent = true })
	eventually(t, "a silent PBX is boxed", func() bool { return !a.available("pbx") })
	p.set(func() { p.silent = false })
	eventually(t, "an answer frees it", func() bool { return a.available("pbx") })

	if err := s.Apply(cfg, loopback); err != nil { // changes nothing
		t.Fatal(err)
	}
	p.set(func() {
		if p.bound["user.01 udp"] != "180" || p.bound["user.02 tcp"] != "180" || len(p.bound) != 2 || p.wrong != 1 {
			t.Errorf("registered: %v, refused %d times", p.bound, p.wrong)
		}
	})
	stop()
	p.set(func() {
		if p.bound["user.01 udp"] != "0" || p.bound["user.02 tcp"] != "0" || len(p.bound) != 2 {
			t.Errorf("after the end: %v", p.bound)
		}
	})
}

func TestGatewayShutDownUnregisters(t *testing.T) {
	p := newPBX(t)
	cfg := p.config(t)
	s := sipgw.New(sipgw.Options{Options: siptransport.Options{Resolver: siptransporttest.Literals{}}})
	a := New(s, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	loopback := func(config.AddressBind) netip.Addr { return netip.MustParseAddr("127.0.0.1") }
	if err := s.Apply(cfg, loopback); err != nil {
		t.Fatal(err)
	}
	eventually(t, "registered", func() bool {
		return a.Registrations()[0].State == status.Registered && a.Registrations()[1].State == status.Registered
	})
	down := *cfg
	gw := *cfg.Gateways[0]
	gw.Enabled = false
	down.Gateways = []*config.SIPGateway{&gw}
	if err := s.Apply(&down, loopback); err != nil {
		t.Fatal(err)
	}
	p.set(func() {
		if p.bound["user.01 udp"] != "0" || p.bound["user.02 tcp"] != "0" || len(a.Registrations())+len(a.Peers()) != 0 {
			t.Errorf("%v, %v", p.bound, a.Registrations())
		}
	})
}
