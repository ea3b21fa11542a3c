package checkup

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/pki"
	"viaduct/appliance/printable"
	"viaduct/appliance/sipmsg"
)

// dialled is an attempt to connect to one address.
type dialled struct {
	addr netip.AddrPort
	took time.Duration
	err  error
}

// mostAddrs of one name are tried.
const mostAddrs = 4

// dial connects to all addresses of a peer, and closes the connections.
func (s *survey) dial(ctx context.Context, p *peer) []dialled {
	return p.dialed.get(func() []dialled {
		addrs := s.find(ctx, p).addrs
		list := make([]dialled, min(len(addrs), mostAddrs))
		var all sync.WaitGroup
		for n, a := range addrs[:len(list)] {
			all.Go(func() {
				start := time.Now()
				conn, err := connect(ctx, p, a)
				if err == nil {
					conn.Close()
				}
				list[n] = dialled{a, time.Since(start), err}
			})
		}
		all.Wait()
		return list
	})
}

// connect opens a TCP connection from the box's address on the side of a peer.
func connect(ctx context.Context, p *peer, to netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	d := net.Dialer{}
	if p.side != nil && p.side.local.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: p.side.local.AsSlice()}
	}
	return d.DialContext(ctx, "tcp", to.String())
}

// talk is what came of TLS and OPTIONS.
type talk struct {
	addr      netip.AddrPort
	handshake time.Duration
	version   uint16
	other     string // what the other version of TLS gave
	chain     []*x509.Certificate
	tlsErr    error
	classic   bool // the handshake timed out, and one without ML-KEM did not

	answer *sipmsg.Response
	took   time.Duration
	err    error // why no answer came
}

// talk speaks TLS with a peer and sends OPTIONS, by connections of its own.
func (s *survey) talk(ctx context.Context, p *peer) talk {
	return p.talked.get(func() talk { return s.speak(ctx, p) })
}

func (s *survey) speak(ctx context.Context, p *peer) (t talk) {
	for _, d := range s.dial(ctx, p) {
		if d.err == nil {
			t.addr = d.addr
			break
		}
	}
	if !t.addr.IsValid() {
		t.tlsErr = errors.New("no address of it can be reached")
		return t
	}
	conn, err := s.secure(ctx, p, &t, nil)
	if isTimeout(err) {
		// A ClientHello with ML-KEM has 1.5 kB, in two segments: there are boxes that read one.
		var again error
		if conn, again = s.secure(ctx, p, &t, func(c *tls.Config) {
			c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}
		}); again == nil {
			t.classic, err = true, nil
		}
	}
	if err != nil {
		t.tlsErr = err
		return t
	}
	defer conn.Close()
	s.exchange(ctx, p, &t, conn)
	if t.tlsErr == nil {
		t.other = s.otherVersion(ctx, p, t)
	}
	return t
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// secure connects and begins TLS as the gateway does.
func (s *survey) secure(ctx context.Context, p *peer, t *talk, change func(*tls.Config)) (*tls.Conn, error) {
	profile := p.profile(s.cfg)
	if profile == nil {
		return nil, fmt.Errorf("context sip-gateway %s has no profile tls", p.gateway.Name)
	}
	conf, err := pki.ClientConfig(profile, s.c.o.Box, p.host)
	if err != nil {
		return nil, err
	}
	verify := conf.VerifyConnection
	conf.VerifyConnection = func(cs tls.ConnectionState) error {
		if len(cs.PeerCertificates) > 0 {
			t.chain = pki.Chain(cs.PeerCertificates[0], cs.PeerCertificates[1:])
		}
		t.version = cs.Version
		if verify == nil {
			return nil
		}
		return verify(cs)
	}
	if change != nil {
		change(conf)
	}
	raw, err := connect(ctx, p, t.addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, secureTime)
	defer cancel()
	start := time.Now()
	conn := tls.Client(raw, conf)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	t.handshake = time.Since(start)
	return conn, nil
}

// exchange sends OPTIONS and waits for the answer. With TLS 1.3 a peer says only now that it does not take our certificate.
func (s *survey) exchange(ctx context.Context, p *peer, t *talk, conn net.Conn) {
	q, err := s.c.o.Box.Question(ctx, p.conf.ID(), p.host)
	if err != nil {
		t.err = err
		return
	}
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	start := time.Now()
	conn.SetDeadline(start.Add(answerTime))
	if _, err = conn.Write(q.Text); err == nil {
		t.answer, err = readResponse(conn, t.addr)
	}
	t.took = time.Since(start)
	if err == nil {
		return
	}
	if alert(err) {
		t.tlsErr = err
		return
	}
	t.err = err
}

// alert reports whether the peer has ended TLS with an alert.
func alert(err error) bool {
	var remote *net.OpError
	return errors.As(err, &remote) && remote.Op == "remote error" // what crypto/tls calls an alert of the peer
}

// readResponse reads the final response to the one request of a connection.
func readResponse(conn net.Conn, from netip.AddrPort) (*sipmsg.Response, error) {
	const most = 64 << 10
	var b []byte
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		b = append(b, buf[:n]...)
		for {
			head, body, used, _, f, fatal := sipmsg.FrameStream(b)
			if fatal || len(b) > most {
				return nil, errors.New("it answers with something else than SIP")
			}
			if head == nil {
				break
			}
			p := sipmsg.Parse(bytes.Clone(head), bytes.Clone(body), f, from)
			if p.Response != nil && p.Response.StatusCode >= 200 {
				return p.Response, nil
			}
			b = b[used:]
		}
		if err != nil {
			return nil, err
		}
	}
}

// otherVersion tells whether the version of TLS that was not agreed would work, too.
func (s *survey) otherVersion(ctx context.Context, p *peer, t talk) string {
	profile := p.profile(s.cfg)
	if !profile.V12 || !profile.V13 {
		return ""
	}
	other := uint16(tls.VersionTLS12)
	if t.version == other {
		other = tls.VersionTLS13
	}
	probe := talk{addr: t.addr}
	conn, err := s.secure(ctx, p, &probe, func(c *tls.Config) { c.MinVersion, c.MaxVersion = other, other })
	if err != nil {
		return "not with " + tls.VersionName(other)
	}
	conn.Close()
	return tls.VersionName(other) + " works, too"
}

// said is an answer in words: the code, and what the peer says of it.
func said(r *sipmsg.Response) string {
	text := fmt.Sprintf("%d %s", r.StatusCode, printable.Text(r.Reason))
	for _, name := range []string{"Reason", "Warning"} {
		if v := r.Header(name); v != "" {
			text += fmt.Sprintf(" (%s: %s)", name, printable.Text(v))
		}
	}
	return strings.TrimSpace(text)
}
