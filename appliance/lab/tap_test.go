package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// tap is one connection of a stand-in for the box: it writes messages as text and reads whole ones.
type tap struct {
	t    *testing.T
	name string
	f    *flow
	in   chan *message
	gone chan struct{}
}

func newTap(t *testing.T, name string, network string, conn net.Conn) *tap {
	x := &tap{t: t, name: name, f: streamFlow(network, conn, false), in: make(chan *message, 100), gone: make(chan struct{})}
	go func() {
		defer close(x.gone)
		_ = readStream(conn, x.f, 0, func(b []byte) { x.take(b) })
	}()
	t.Cleanup(func() { conn.Close(); <-x.gone })
	return x
}

func (x *tap) take(b []byte) {
	m, err := parseMessage(b)
	if err != nil {
		x.t.Errorf("%s: %v in\n%s", x.name, err, b)
		return
	}
	x.in <- m
}

// send writes a message given with bare line ends; its Content-Length is put on.
func (x *tap) send(text string) {
	x.t.Helper()
	head, body, _ := strings.Cut(strings.TrimLeft(text, "\n"), "\n\n")
	body = strings.ReplaceAll(body, "\n", "\r\n")
	data := strings.ReplaceAll(strings.TrimRight(head, "\n"), "\n", "\r\n") + fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if err := x.f.write([]byte(data)); err != nil {
		x.t.Fatalf("%s: %v", x.name, err)
	}
}

// hangs is how long a test waits for what never comes.
const hangs = time.Minute

func (x *tap) next() *message {
	x.t.Helper()
	select {
	case m := <-x.in:
		return m
	case <-time.After(hangs):
		x.t.Fatalf("%s: no message came", x.name)
		return nil
	}
}

// response waits for the next final or, with code under 200, any response.
func (x *tap) response(code int) *message {
	x.t.Helper()
	for {
		m := x.next()
		if m.code == code {
			return m
		}
		if m.code == 0 || m.code >= 200 {
			x.t.Fatalf("%s: wanted %d, got %s\n%s", x.name, code, m.describe(), m.bytes(false))
		}
	}
}

func (x *tap) request(method string) *message {
	x.t.Helper()
	m := x.next()
	if m.method != method {
		x.t.Fatalf("%s: wanted %s, got %s\n%s", x.name, method, m.describe(), m.bytes(false))
	}
	return m
}

// reply responds to a request of the simulated peer, with replacements (old, new, ...) in the text.
func (x *tap) reply(m *message, code int, contact, body string, replace ...string) {
	x.t.Helper()
	text := fmt.Sprintf("SIP/2.0 %d As Told\n", code)
	for _, h := range m.headers {
		if is(h.name, "Via") || is(h.name, "From") || is(h.name, "Call-ID") || is(h.name, "CSeq") || is(h.name, "Record-Route") {
			text += h.name + ": " + h.value + "\n"
		}
		if is(h.name, "To") {
			text += "To: " + h.value
			if m.tag("To") == "" {
				text += ";tag=box"
			}
			text += "\n"
		}
	}
	text += "Contact: " + contact + "\nAllow: INVITE,ACK,CANCEL,BYE,OPTIONS\n"
	if body != "" {
		text += "Content-Type: application/sdp\n"
	}
	x.send(strings.NewReplacer(replace...).Replace(text + "\n" + body))
}

// boxTLS is how the stand-in shows itself; cert nil: without a certificate.
func boxTLS(w *World, cert *tls.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(w.PKI.TeamsRoot)
	c := &tls.Config{RootCAs: roots}
	if cert != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
		c.Certificates = []tls.Certificate{*cert}
	}
	return c
}

func dialHub(t *testing.T, w *World, hub int, cert *tls.Certificate) (*tap, error) {
	t.Helper()
	return dialHubAs(t, w, hub, boxTLS(w, cert))
}

func dialHubAs(t *testing.T, w *World, hub int, c *tls.Config) (*tap, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	raw, err := w.Box.Dial(ctx, "tcp4", "", netip.AddrPortFrom(sites[hub].addr, teamsPort).String())
	if err != nil {
		return nil, err
	}
	c.ServerName = sites[hub].name
	conn := tls.Client(raw, c)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return newTap(t, "to "+sites[hub].name, "tls", conn), nil
}

// standIn is a box made of two connections for each hub: ours, and the one that the hub opens.
type standIn struct {
	t     *testing.T
	w     *World
	hub   int
	out   *tap
	in    *tap
	audio *Audio
	key   []byte
}

// newStandIn connects to a hub and makes itself known by OPTIONS, as the box does.
func newStandIn(t *testing.T, w *World, hub int) *standIn {
	t.Helper()
	s := &standIn{t: t, w: w, hub: hub, key: newKey()}
	l, err := w.Box.Listen(t.Context(), "tcp4", netip.AddrPortFrom(BoxWAN, w.options.SBCPort).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if s.out, err = dialHub(t, w, hub, &w.PKI.Box); err != nil {
		t.Fatal(err)
	}
	s.out.send(s.options(nil))
	s.out.response(200)
	raw, err := l.Accept() // the hub's own connection
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Server(raw, boxTLS(w, &w.PKI.Box))
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.in = newTap(t, "from "+sites[hub].name, "tls", conn)
	s.in.reply(s.in.request("OPTIONS"), 200, boxContact(""), "")
	if err := w.Teams.Hubs[hub].WaitActive(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func boxContact(user string) string {
	if user != "" {
		user += "@"
	}
	return "<sip:" + user + "sbc.meinefirma.de:5062;transport=tls>"
}

// options is a good OPTIONS of the box, changed by replacements (old, new, ...).
func (s *standIn) options(replace []string) string {
	return strings.NewReplacer(replace...).Replace(fmt.Sprintf(`OPTIONS sip:%[1]s:5061;transport=tls SIP/2.0
Via: SIP/2.0/TLS sbc.meinefirma.de:5062;branch=z9hG4bK%[2]s
Max-Forwards: 70
From: <sip:sbc.meinefirma.de:5062>;tag=a1
To: <sip:%[1]s:5061>
Call-ID: %[2]s
CSeq: 1 OPTIONS
Contact: <sip:sbc.meinefirma.de:5062;transport=tls>
Allow: INVITE,ACK,CANCEL,BYE,OPTIONS
`, sites[s.hub].name, token(6)))
}

// invite is a good INVITE of the box.
func (s *standIn) invite(callID string, replace ...string) string {
	return strings.NewReplacer(replace...).Replace(fmt.Sprintf(`INVITE sip:+497123222@%[1]s:5061;user=phone;transport=tls SIP/2.0
Via: SIP/2.0/TLS sbc.meinefirma.de:5062;branch=z9hG4bK%[2]s
Max-Forwards: 70
From: "PBX" <sip:+4930123456@sbc.meinefirma.de;user=phone>;tag=a1
To: <sip:+497123222@%[1]s:5061;user=phone>
Call-ID: %[3]s
CSeq: 1 INVITE
Contact: <sip:+4930123456@sbc.meinefirma.de:5062;transport=tls>
Allow: INVITE,ACK,CANCEL,BYE,OPTIONS
Content-Type: application/sdp

%[4]s`, sites[s.hub].name, token(6), callID, s.sdp("sendrecv", 1)))
}

func (s *standIn) sdp(direction string, tag int) string {
	port := uint16(20000)
	if s.audio != nil {
		port = s.audio.port
	}
	l := local{user: "box", id: 7, addr: BoxWAN, port: port, direction: direction, mux: true, formats: []format{{8, "PCMA/8000", ""}, {101, "telephone-event/8000", "0-16"}},
		crypto: []cryptoLine{{tag: tag, suite: suite80, key: s.key, lifetime: "2^31"}}}
	return strings.ReplaceAll(string(l.bytes()), "\r\n", "\n")
}

// listen opens the stand-in's own audio and joins it to what Teams said.
func (s *standIn) openAudio() {
	s.t.Helper()
	var err error
	if s.audio, err = newAudio(s.t.Context(), s.w.Box, BoxWAN, 20000, usualPtime); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.audio.Close)
	s.audio.setTone(StarfaceTone, ToneDBm0)
}

func (s *standIn) join(body []byte) {
	s.t.Helper()
	remote, err := parseSession(body)
	if err != nil {
		s.t.Fatal(err)
	}
	place := netip.AddrPortFrom(remote.addr, remote.port)
	if err := s.audio.apply(audioPlan{remote: place, remoteRTCP: place, mux: true, payload: 8, event: remote.event(), send: true, localKey: s.key, remoteKey: remote.line80().key}); err != nil {
		s.t.Fatal(err)
	}
}

func wantTone(t *testing.T, who string, a *Audio, hz float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	tone, err := a.Listen(ctx, 300*time.Millisecond)
	if err != nil {
		t.Errorf("%s: %v", who, err)
	} else if tone.Hz < hz-1 || tone.Hz > hz+1 || tone.DBm0 < ToneDBm0-0.5 || tone.DBm0 > ToneDBm0+0.5 || tone.Share < 0.95 {
		t.Errorf("%s hears %#v instead of %.0f Hz at %.0f dBm0", who, tone, hz, ToneDBm0)
	}
}

// packetTap is a tap over a UDP socket.
func packetTap(t *testing.T, conn net.PacketConn, to netip.AddrPort) *tap {
	x := &tap{t: t, name: "udp", f: packetFlow(conn.(*net.UDPConn), to), in: make(chan *message, 100), gone: make(chan struct{})}
	go func() {
		defer close(x.gone)
		readPackets(conn.(*net.UDPConn), func(_ *flow, b []byte) { x.take(b) })
	}()
	t.Cleanup(func() { conn.Close(); <-x.gone })
	return x
}
