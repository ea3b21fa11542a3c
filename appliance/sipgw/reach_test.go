package sipgw

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"
)

// slowNames answers after a second, and knows nothing before it was asked.
type slowNames struct {
	mu    sync.Mutex
	asked map[string]bool
	hosts fakeNames
	srv   map[string][]*net.SRV
}

func (s *slowNames) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[host] = true
	return s.hosts.Lookup(ctx, host)
}

func (s *slowNames) LookupSRV(_ context.Context, service, proto, name string) ([]*net.SRV, error) {
	if r := s.srv["_"+service+"._"+proto+"."+name]; r != nil {
		return r, nil
	}
	return nil, errors.New("no such name")
}

func (s *slowNames) Cached(host string) []netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.asked[host] {
		return nil
	}
	return s.hosts[host]
}

func TestNameIsResolvedWithoutHoldingUpTheCall(t *testing.T) {
	change := func(_ *config.Config, i *config.SIPInterface) {
		i.Remote = config.HostPort{Host: "pbx.example", Port: 5060}
	}
	invite := Invite{Interface: peerID("pbx"), RequestURI: "sip:1@pbx.example", From: sipmsg.NameAddr{URI: "sip:a@b"}, To: sipmsg.NameAddr{URI: "sip:1@pbx.example"}, Body: []byte("v")}
	onPaper(t, change, func(t *testing.T, b *bench) {
		b.s.opts.Resolver = &slowNames{asked: map[string]bool{}, hosts: fakeNames{"pbx.example": {peerAddr.Addr()}}}
		b.call.on(func() { b.s.Invite(b.call, invite) })
		b.starts()
		time.Sleep(time.Second)
		b.put(reply(b.one("INVITE "), "200 OK", "z", "Contact: <sip:1@other.example>\n", "v"))
		b.one("ACK sip:1@other.example ") // to the remote: a Contact that is a name is not followed
	})
	t.Run("cancelled meanwhile", func(t *testing.T) {
		onPaper(t, change, func(t *testing.T, b *bench) {
			b.s.opts.Resolver = &slowNames{asked: map[string]bool{}, hosts: fakeNames{"pbx.example": {peerAddr.Addr()}}}
			b.call.on(func() { b.s.Invite(b.call, invite).Cancel() })
			time.Sleep(2 * time.Second)
			b.starts()
			if e := want[Failed](t, b.call); e.Code != 487 {
				t.Errorf("%+v", e)
			}
		})
	})
	t.Run("no such name", func(t *testing.T) {
		onPaper(t, change, func(t *testing.T, b *bench) {
			b.s.opts.Resolver = &slowNames{asked: map[string]bool{}}
			b.call.on(func() { b.s.Invite(b.call, invite) })
			if e := want[Failed](t, b.call); e.Code != 503 || !e.Local || !siptransport.IsUnreached(e.Err) {
				t.Errorf("%+v", e)
			}
		})
	})
	t.Run("by SRV", func(t *testing.T) {
		onPaper(t, func(_ *config.Config, i *config.SIPInterface) { i.Remote = config.HostPort{Host: "example.org"} }, func(t *testing.T, b *bench) {
			b.s.opts.Resolver = &slowNames{asked: map[string]bool{}, hosts: fakeNames{"pbx.example": {peerAddr.Addr()}},
				srv: map[string][]*net.SRV{"_sip._udp.example.org": {{Target: "pbx.example.", Port: 5099}}}}
			b.call.on(func() { b.s.Invite(b.call, invite) })
			time.Sleep(2 * time.Second)
			if m := b.sent(); len(m) == 0 || !strings.HasPrefix(m[0], "INVITE ") {
				t.Errorf("%q", firstLines(m))
			}
			if !b.g.Trusts(peerAddr.Addr()) {
				t.Error("trust remote does not hold the address behind the SRV record")
			}
			if where, ok := b.g.ResolveNow(siptransport.Target{Host: "example.org", Port: 0, Transport: siptransport.UDP}); !ok || where.Addrs[0].Port() != 5099 {
				t.Errorf("%+v", where)
			}
		})
	})
}

// Requests that wait for a name leave in their order.
func TestRequestsOfALegKeepTheirOrder(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		b.s.opts.Resolver = &slowNames{asked: map[string]bool{}, hosts: fakeNames{"edge.example": {peerAddr.Addr()}}}
		l, invite := b.dial(nil)
		b.put(reply(invite, "200 OK", "z", peerContact+"Record-Route: <sip:edge.example:5060;lr>\n", "v=0"))
		want[Answered](t, b.call)
		b.call.on(func() { l.Request("INFO", "a/b", []byte("x")); l.Bye() })
		b.starts()
		time.Sleep(1200 * time.Millisecond)
		b.starts("ACK ", "INFO ", "BYE ")
	})
}

func TestUnreachablePeer(t *testing.T) {
	t.Run("UDP cannot be written", func(t *testing.T) {
		onPaper(t, nil, func(t *testing.T, b *bench) {
			b.paper.dead = true
			b.call.on(func() {
				b.s.Invite(b.call, Invite{Interface: peerID("pbx"), RequestURI: "sip:1@192.0.2.100", From: sipmsg.NameAddr{URI: "sip:a@b"}, To: sipmsg.NameAddr{URI: "sip:1@b"}})
			})
			if e := want[Failed](t, b.call); e.Code != 503 || !e.Local {
				t.Errorf("%+v", e)
			}
			synctest.Wait()
		})
	})
	t.Run("TCP is refused", func(t *testing.T) {
		var l net.Listener
		b := newBox(t, false, func(c *config.Config, _ *config.SIPInterface) { l = remote(t, c); viaTCP(c) })
		l.Close()
		b.invite(nil)
		if e := want[Failed](t, b.call); e.Code != 503 || !e.Local {
			t.Errorf("%+v", e)
		}
	})
	t.Run("the connection breaks before an answer", func(t *testing.T) {
		var l net.Listener
		b := newBox(t, false, func(c *config.Config, _ *config.SIPInterface) { l = remote(t, c); viaTCP(c) })
		start := time.Now()
		b.invite(nil)
		p := acceptPeer(t, l)
		p.want("INVITE ")
		p.c.Close()
		if e := want[Failed](t, b.call); e.Code != 503 || !e.Local || time.Since(start) > 5*time.Second {
			t.Errorf("%+v", e)
		}
		b.invite(nil)
		acceptPeer(t, l).want("INVITE ") // the next one on a new connection
	})
	t.Run("given up while the connection is opened", func(t *testing.T) {
		var l net.Listener
		b := newBox(t, true, func(c *config.Config, i *config.SIPInterface) { l = remote(t, c); i.Remote.Host = "sip.example" })
		leg := b.invite(nil)
		p := acceptPeer(t, l) // no TLS comes from it
		b.call.on(func() { leg.Cancel() })
		if e := want[Failed](t, b.call); e.Code != 487 || !e.Local {
			t.Errorf("%+v", e)
		}
		p.c.Close()
	})
}

// A new certificate is shown at once: connections with the old one end when their transactions do (A.10).
func TestNewCertificateOpensConnectionsAnew(t *testing.T) {
	var l net.Listener
	b := newBox(t, true, func(c *config.Config, i *config.SIPInterface) { l = remote(t, c); i.Remote.Host = "sip.example" })
	cert := b.root.pair(t, "sip.example", x509.ExtKeyUsageServerAuth)
	first := secureServer(t, l, cert, func() { b.invite(nil) })
	invite := first.want("INVITE ")
	accept := func() *tls.Conn {
		c := tls.Client(b.connect("127.0.0.2", b.secure).c, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}})
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	theirs := accept()
	mine, key := issue(t, b.root, "sbc.example", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, false)
	store := b.s.opts.PKI.(keys)
	store.certs["MINE"][0], store.keys["mine"] = mine, key
	if err := b.apply(); err != nil {
		t.Fatal(err)
	}
	theirs.SetReadDeadline(time.Now().Add(patience))
	if _, err := theirs.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("a connection of the peer is still open: %v", err)
	}
	if shown := accept().ConnectionState().PeerCertificates[0]; !shown.Equal(mine) {
		t.Error("a new connection of the peer is shown the old certificate")
	}
	second := secureServer(t, l, cert, func() { b.invite(nil) })
	second.want("INVITE ")
	if shown := second.c.(*tls.Conn).ConnectionState().PeerCertificates[0]; !shown.Equal(mine) {
		t.Error("a new connection of ours shows the old certificate")
	}
	// The INVITE under way keeps its connection until it is over.
	first.write(reply(invite, "486 Busy Here", "z", "", ""))
	first.want("ACK ")
	want[Failed](t, b.call)
	first.c.SetReadDeadline(time.Now().Add(patience))
	if _, err := first.r.ReadByte(); err == nil || isTimeout(err) {
		t.Errorf("the old connection is still open: %v", err)
	}
}

// A re-INVITE that waits for its connection to open is not sent when the peer hangs up meanwhile.
func TestAReinviteDoesNotFollowTheBye(t *testing.T) {
	var l net.Listener
	b := newBox(t, true, func(c *config.Config, i *config.SIPInterface) { l = remote(t, c); i.Remote.Host = "sip.example" })
	cert := b.root.pair(t, "sip.example", x509.ExtKeyUsageServerAuth)
	conn := tls.Client(b.connect("127.0.0.2", b.secure).c, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}})
	theirs := &peer{t, conn, bufio.NewReader(conn)}
	say := func(m string) { theirs.write(strings.ReplaceAll(overTCP(m), "/TCP", "/TLS")) }
	say(inviteText("c1", "b1", "", "v=0"))
	theirs.want("SIP/2.0 100 ")
	in := <-b.calls
	b.call.on(func() { in.Leg.Answer([]byte("v=0")) })
	tag := tagOf(field(theirs.want("SIP/2.0 200 "), "To"))
	say(inDialogText("ACK", "c1", "a1", tag, 1, "", ""))
	want[Acked](t, b.call)

	b.call.on(func() { in.Leg.Reinvite(offering("v=0")) })
	slow := acceptPeer(t, l) // its handshake does not go on yet
	say(inDialogText("BYE", "c1", "d1", tag, 2, "", ""))
	theirs.want("SIP/2.0 200 ")
	want[Ended](t, b.call)
	b.invite(nil)
	c := tls.Server(slow.c, &tls.Config{ClientAuth: tls.RequireAnyClientCert, Certificates: []tls.Certificate{cert}})
	if first := (&peer{t, c, bufio.NewReader(c)}).want("INVITE "); field(first, "Call-ID") == "c1" {
		t.Errorf("after the BYE came\n%s", first)
	}
}

// A carrier has a name for each customer, and Teams finds the tenant by it: the Contact is that of the gateway by which a call leaves
// (A.53).
func TestEachGatewayHasAContactOfItsOwn(t *testing.T) {
	var l net.Listener
	b := newBox(t, true, func(c *config.Config, i *config.SIPInterface) {
		l = remote(t, c)
		i.Remote.Host = "sip.example"
		gw := *c.Gateways[0]
		gi := *gw.Interfaces[0]
		gi.TLS, gi.SpoofedContact = freePort(t), config.Spoofed{Host: "tenant2.sbc.example", Port: 5063}
		gw.Name, gw.Interfaces = "gw2", []*config.GatewayInterface{&gi}
		second := *i
		second.Name, second.Gateway = "peer2", config.Ref[config.Config, config.SIPGateway]{Name: "gw2"}
		c.Gateways = append(c.Gateways, &gw)
		c.CS[0].Interfaces = append(c.CS[0].Interfaces, &second)
	})
	cert := b.root.pair(t, "sip.example", x509.ExtKeyUsageServerAuth)
	for iface, want := range map[string]string{"peer": "<sip:sbc.example:5062;transport=tls>", "peer2": "<sip:tenant2.sbc.example:5063;transport=tls>"} {
		p := secureServer(t, l, cert, func() { b.invite(func(r *Invite) { r.Interface = peerID(iface) }) })
		if got := field(p.want("INVITE "), "Contact"); got != want {
			t.Errorf("%s: Contact %s, want %s", iface, got, want)
		}
	}
}

// A proxy that only Record-Route names shows the certificate of the peer that it belongs to (A.9, A.32). Where nobody trusts its
// address, it has to show its own name.
func TestAProxyShowsThePeersName(t *testing.T) {
	var l net.Listener
	b := newBox(t, true, func(c *config.Config, i *config.SIPInterface) { l = remote(t, c); i.Remote.Host = "sip.example" })
	port := tcpAddr(l.Addr()).Port()
	elsewhere, err := net.Listen("tcp", fmt.Sprintf("127.0.0.9:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	b.names.Store(&fakeNames{"sip.example": {addr("127.0.0.2")}, "region.example": {addr("127.0.0.2")}, "other.example": {addr("127.0.0.9")}})
	cert := b.root.pair(t, "sip.example", x509.ExtKeyUsageServerAuth)
	hub := secureServer(t, l, cert, func() { b.invite(nil) })
	answer := func(proxy string) *Leg {
		leg := b.invite(nil)
		invite := hub.want("INVITE ")
		hub.write(reply(invite, "200 OK", "x", fmt.Sprintf("Contact: <sip:a@nowhere.example:443>\nRecord-Route: <sip:%s:%d;transport=tls;lr>\n", proxy, port), "v=0"))
		want[Answered](t, b.call)
		return leg
	}
	hub.want("INVITE ")
	answer("region.example")
	region := acceptPeer(t, l)
	c := tls.Server(region.c, &tls.Config{ClientAuth: tls.RequireAnyClientCert, Certificates: []tls.Certificate{cert}})
	(&peer{t, c, bufio.NewReader(c)}).want("ACK ")

	answer("other.example")
	stranger := acceptPeer(t, elsewhere)
	c = tls.Server(stranger.c, &tls.Config{ClientAuth: tls.RequireAnyClientCert, Certificates: []tls.Certificate{cert}})
	c.SetDeadline(time.Now().Add(patience))
	if n, err := c.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("a stranger got %d octets, %v", n, err)
	}
}

// A request that waits behind others for a slow peer can be taken back: a re-INVITE after its dialog has ended, an INVITE that has been
// cancelled. One that is being written can not.
func TestRequestBehindOthersIsTakenBack(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		ours, theirs := net.Pipe()
		b.net.dial = func() (net.Conn, error) { return ours, nil }
		to := siptransport.Endpoint{Transport: siptransport.TCP, Name: "", Addrs: []netip.AddrPort{peerAddr}}
		s, err := b.g.Flow(to)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		request := func(text string) *siptx.Client {
			req, err := sipmsg.NewRequest("INVITE", "sip:"+text+"@192.0.2.100", []sipmsg.Header{{Name: "From", Value: "<sip:a@b>"}, {Name: "CSeq", Value: "1 INVITE"}}, nil, "")
			if err != nil {
				t.Fatal(err)
			}
			tx, err := b.g.transactions.Begin(req, to, func(*sipmsg.Response, error) {})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return tx
		}
		first, second := request("first"), request("second") // the peer reads nothing yet
		if first.Withdraw() || !second.Withdraw() {
			t.Error("which one waits?")
		}
		s.Send([]byte(" third"), nil, nil)
		got := make([]byte, 1000)
		if n, _ := theirs.Read(got); !strings.HasPrefix(string(got[:n]), "INVITE sip:first@") {
			t.Errorf("the peer got %q", got[:n])
		}
		n, _ := theirs.Read(got)
		if string(got[:n]) != " third" {
			t.Errorf("the peer got %q", got[:n])
		}
		first.Abort()
		theirs.Close()
	})
}
