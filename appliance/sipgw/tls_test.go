package sipgw

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

// keys is a key store of the test.
type keys struct {
	certs map[string][]*x509.Certificate
	keys  map[string]crypto.Signer
}

func (k keys) Certificates(name string) ([]*x509.Certificate, error) {
	if c, ok := k.certs[name]; ok {
		return c, nil
	}
	return nil, errors.New("no such certificate")
}

func (k keys) PrivateKey(name string) (crypto.Signer, error) {
	if s, ok := k.keys[name]; ok {
		return s, nil
	}
	return nil, errors.New("no such key")
}

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key = issue(t, nil, "test root", nil, true)
	return a
}

func issue(t *testing.T, by *authority, name string, usage []x509.ExtKeyUsage, ca bool) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<60))
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: usage}
	parent, signer := template, key
	if ca {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	} else {
		template.DNSNames = []string{name}
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

func (a *authority) pair(t *testing.T, name string, usage ...x509.ExtKeyUsage) tls.Certificate {
	c, k := issue(t, a, name, usage, false)
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: k, Leaf: c}
}

func TestStrangersAreDroppedBeforeTheHandshake(t *testing.T) {
	b := newBox(t, true, nil)
	if p, err := b.tryConnect("127.0.0.9", b.secure); err == nil {
		p.c.SetReadDeadline(time.Now().Add(patience))
		if n, err := p.c.Read(make([]byte, 1)); n != 0 || err == nil || isTimeout(err) {
			t.Errorf("read %d, %v", n, err)
		}
	} else if isTimeout(err) {
		t.Error(err)
	}
	if st := b.s.Gateways()[0]; st.Untrusted != 1 || st.Connections != 0 {
		t.Errorf("%+v", st)
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func TestHandshakeDeadline(t *testing.T) {
	b := newBox(t, true, nil)
	start := time.Now()
	var wg sync.WaitGroup
	for range 20 {
		p := b.connect("127.0.0.2", b.secure)
		wg.Go(func() {
			p.c.SetReadDeadline(time.Now().Add(patience))
			if _, err := p.c.Read(make([]byte, 1)); isTimeout(err) {
				t.Error("an idle connection stays")
			}
		})
	}
	wg.Wait()
	if d := time.Since(start); d < 4*time.Second {
		t.Errorf("closed after %v", d)
	}
	for b.s.Gateways()[0].Connections != 0 {
		if time.Since(start) > patience {
			t.Fatalf("%+v", b.s.Gateways()[0])
		}
		time.Sleep(time.Millisecond)
	}
}

// Microsoft's certificates carry the server usage only, also when it is the client (A.8).
func TestClientCertificateWithServerUsageOnly(t *testing.T) {
	b := newBox(t, true, func(c *config.Config, i *config.SIPInterface) {
		i.Remote.Host = "sip.example"
		elsewhere := *i // a peer at another address
		elsewhere.Name, elsewhere.Remote.Host = "elsewhere", "other.example"
		c.CS[0].Interfaces = append(c.CS[0].Interfaces, &elsewhere)
	})
	pool := x509.NewCertPool()
	pool.AddCert(b.root.cert)
	try := func(cert ...tls.Certificate) error {
		p := b.connect("127.0.0.2", b.secure)
		c := tls.Client(p.c, &tls.Config{RootCAs: pool, ServerName: "sbc.example", Certificates: cert})
		c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write([]byte(crlf(strings.ReplaceAll(strings.ReplaceAll(overTCP(inviteText("o", sipmsg.Token(6), "", "")), "INVITE", "OPTIONS"), "/TCP", "/TLS")))); err != nil {
			return err
		}
		m := (&peer{t, c, bufio.NewReader(c)})
		line, err := m.r.ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, "SIP/2.0 200 ") {
			t.Errorf("%q", line)
		}
		if rest := m.restOfHead(); !strings.Contains(rest, "Contact: <sip:sbc.example:5062;transport=tls>") {
			t.Error(rest)
		}
		return nil
	}
	if err := try(b.root.pair(t, "sip.example", x509.ExtKeyUsageServerAuth)); err != nil {
		t.Errorf("server usage only: %v", err)
	}
	if err := try(); err == nil {
		t.Error("no certificate was taken")
	}
	if err := try(newAuthority(t).pair(t, "sip.example", x509.ExtKeyUsageServerAuth)); err == nil {
		t.Error("a certificate of another authority was taken")
	}
	if err := try(b.root.pair(t, "sip.example", x509.ExtKeyUsageClientAuth)); err == nil {
		t.Error("a certificate without the server usage was taken")
	}
	if err := try(b.root.pair(t, "other.example", x509.ExtKeyUsageServerAuth)); err == nil {
		t.Error("a certificate for another name than the peer's was taken (A.9)")
	}
}

func (p *peer) restOfHead() (head string) {
	for {
		line, err := p.r.ReadString('\n')
		if head += line; err != nil || line == "\r\n" {
			return head
		}
	}
}

func TestNamesOnOneAddressDoNotShareAConnection(t *testing.T) {
	var l net.Listener
	b := newBox(t, true, func(c *config.Config, i *config.SIPInterface) {
		l = remote(t, c)
		i.Remote.Host = "sip.example"
		second := *i
		second.Name, second.Remote.Host = "peer2", "sip2.example"
		third := *i
		third.Name, third.Remote = "peer3", config.HostPort{Host: "127.0.0.2", Port: i.Remote.Port}
		c.CS[0].Interfaces = append(c.CS[0].Interfaces, &second, &third)
	})
	one, two := b.root.pair(t, "sip.example", x509.ExtKeyUsageServerAuth), b.root.pair(t, "sip2.example", x509.ExtKeyUsageServerAuth)
	pool := x509.NewCertPool()
	pool.AddCert(b.root.cert)
	var mu sync.Mutex
	var asked []string
	conf := &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, h.ServerName)
		if h.ServerName == "sip2.example" {
			return &two, nil
		}
		return &one, nil
	}}
	secure := func() *peer {
		p := acceptPeer(t, l)
		c := tls.Server(p.c, conf)
		return &peer{t, c, bufio.NewReader(c)}
	}
	b.invite(nil)
	m := secure().want("INVITE ")
	if !strings.HasPrefix(field(m, "Via"), "SIP/2.0/TLS sbc.example:5062;") || field(m, "Contact") != "<sip:sbc.example:5062;transport=tls>" {
		t.Error(m)
	}
	b.invite(func(r *Invite) { r.Interface = peerID("peer2") })
	secure().want("INVITE ")
	mu.Lock()
	if strings.Join(asked, " ") != "sip.example sip2.example" {
		t.Errorf("asked for %q", asked)
	}
	mu.Unlock()
	// Each is listed for the interface whose peer was dialled, although both have one address.
	list := b.s.Connections()
	if len(list) != 2 || list[0].Interface != peerID("peer").String() || list[1].Interface != peerID("peer2").String() {
		t.Errorf("connections %+v", list)
	}
	for n, name := range []string{"CN=sip.example", "CN=sip2.example"} {
		if c := list[n]; c.Accepted || c.Transport != "tls" || c.TLS == nil || c.TLS.Version != "TLS 1.3" || c.TLS.Subject != name || c.TLS.Issuer != "CN=test root" {
			t.Errorf("connection %+v, TLS %+v", c, c.TLS)
		}
	}
	// A certificate for another name than the one that was dialled is refused.
	b.invite(func(r *Invite) { r.Interface = peerID("peer3") })
	secure().r.ReadByte()
	if e := want[Failed](t, b.call); e.Code != 503 || !e.Local {
		t.Errorf("%+v", e)
	}
}

// secureServer lets the box dial, by what call starts, and is the TLS server that it finds.
func secureServer(t *testing.T, l net.Listener, cert tls.Certificate, call func()) *peer {
	t.Helper()
	call()
	p := acceptPeer(t, l)
	c := tls.Server(p.c, &tls.Config{ClientAuth: tls.RequireAnyClientCert, Certificates: []tls.Certificate{cert}})
	return &peer{t, c, bufio.NewReader(c)}
}

// A phone that does not know our root says so: in the handshake, or after it where TLS 1.3 has ended that for us already.
func TestPhonesThatDoNotTrustUsAreTold(t *testing.T) {
	b := newBoxWith(t, true, func(c *config.Config, peer *config.SIPInterface) {
		c.TLS[0].AuthIncoming = false
		phones := &config.SIPInterface{Context: "SWITCH", Name: "phones", Gateway: peer.Gateway, Trust: []config.Source{{Prefix: prefix("127.0.0.0/24")}}}
		phones.Phones.Name = "LS"
		c.CS[0].Interfaces = append(c.CS[0].Interfaces, phones)
	}, nil, func(s *Stack) {})
	type alert struct {
		gateway, name string
		from          netip.AddrPort
		chain         []*x509.Certificate
	}
	alerts := make(chan alert, 10)
	b.s.opts.OnAlert = func(gateway string, from netip.AddrPort, name string, chain []*x509.Certificate) {
		alerts <- alert{gateway, name, from, chain}
	}
	known := x509.NewCertPool()
	known.AddCert(b.root.cert)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		p := b.connect("127.0.0.7", b.secure)
		good := tls.Client(p.c, &tls.Config{RootCAs: known, ServerName: "sbc.example", MaxVersion: version})
		if err := good.Handshake(); err != nil {
			t.Fatal(err)
		}
		good.Close() // close_notify is an alert, too
		p = b.connect("127.0.0.8", b.secure)
		if err := tls.Client(p.c, &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "sbc.example", MaxVersion: version}).Handshake(); err == nil {
			t.Fatal("it trusts us")
		}
		a := <-alerts
		if a.gateway != "gw" || a.from != tcpAddr(p.c.LocalAddr()) || a.name != "bad_certificate" || len(a.chain) == 0 || a.chain[0].Subject.CommonName != "sbc.example" || a.chain[0].CheckSignatureFrom(b.root.cert) != nil {
			t.Errorf("%x: %+v", version, a)
		}
	}
	if len(alerts) > 0 {
		t.Errorf("%+v", <-alerts)
	}
}
