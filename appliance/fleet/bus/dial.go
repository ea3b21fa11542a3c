package bus

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"viaduct/appliance/config"
	"viaduct/appliance/egress"
)

// answerError is an HTTP answer that no hub gives.
type answerError struct{ status int }

func (e *answerError) Error() string {
	return fmt.Sprintf("it answers %d %s, and not as a hub", e.status, http.StatusText(e.status))
}

// dialHub opens a WebSocket in TLS.
func (b *Bus) dialHub(ctx context.Context, s *Settings, n *config.HubNode) (wire, error) {
	transport := egress.Way{Lookup: b.o.Lookup, Proxy: s.Proxy}.Transport()
	transport.TLSClientConfig = s.tls(n.Host)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil {
			keepShort(conn)
		}
		return conn, err
	}
	transport.DisableKeepAlives = true
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	conn, answer, err := websocket.Dial(ctx, "wss://"+address(n)+"/", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		if answer != nil {
			return nil, &answerError{answer.StatusCode}
		}
		return nil, err
	}
	conn.SetReadLimit(-1) // a frame has many messages; those are bounded, and no frame is ever kept
	return &hubWire{conn: conn}, nil
}

// unsent is how much of what is written waits in the kernel for the line, in octets.
const unsent = 128 << 10

// keepShort has the kernel take no more than a line needs to be busy: what lies there is before a call that asks for a license.
func keepShort(conn net.Conn) {
	c, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent) })
	}
}

// hubWire is a WebSocket as a stream of octets.
type hubWire struct {
	conn  *websocket.Conn
	frame io.Reader // nil: none is being read
}

func (w *hubWire) Read(p []byte) (int, error) {
	for {
		if w.frame == nil {
			_, frame, err := w.conn.Reader(context.Background()) // Close ends it
			if err != nil {
				var plain *net.OpError
				if errors.As(err, &plain) {
					err = plain
				} else if websocket.CloseStatus(err) >= 0 {
					err = io.EOF
				}
				return 0, err
			}
			w.frame = frame
		}
		n, err := w.frame.Read(p)
		if errors.Is(err, io.EOF) {
			w.frame, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (w *hubWire) write(p []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	return w.conn.Write(ctx, websocket.MessageBinary, p)
}

func (w *hubWire) Close() error { return w.conn.CloseNow() }

// tls is how a node is known.
//
// By Roots: its certificate is valid, for its name, and issued by one of them. By Pin, when the pinned key is that of the node's own certificate: the key
// is all that counts, whatever name and dates the certificate has, so that a fleet is not cut off by a date. When it is the key of an issuer: the
// certificate is valid, for the name, and issued by that key, as an issuer may serve others as well. By both: by Roots, over a chain with the pinned key.
func (s *Settings) tls(host string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.Roots}
	if s.Pin == "" {
		return c
	}
	c.InsecureSkipVerify = s.Roots == nil // the pin is looked at below
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if s.Roots == nil {
			return checkPin(cs.PeerCertificates, host, s.Pin)
		}
		for _, chain := range cs.VerifiedChains {
			for _, c := range chain {
				if PinOf(c) == strings.ToLower(s.Pin) {
					return nil
				}
			}
		}
		return &pinError{cs.PeerCertificates[0]}
	}
	return c
}

// PinOf is the SHA-256 of the public key in a certificate, as Pin has it.
func PinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// pinError is a node that has another key than the pinned one.
type pinError struct{ shown *x509.Certificate }

func (e *pinError) Error() string {
	return fmt.Sprintf("its certificate, which %q has issued, does not have the pinned key", egress.IssuerOf(e.shown))
}

// checkPin checks the certificates that a node shows, its own first. That it has the key of that one is known from the handshake.
func checkPin(shown []*x509.Certificate, host, pin string) error {
	if len(shown) == 0 {
		return errors.New("it shows no certificate")
	}
	pin = strings.ToLower(pin)
	if PinOf(shown[0]) == pin {
		return nil
	}
	for _, issuer := range shown[1:] {
		if PinOf(issuer) != pin {
			continue
		}
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(issuer)
		for _, c := range shown[1:] {
			between.AddCert(c)
		}
		if _, err := shown[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between, CurrentTime: time.Now()}); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: shown, Err: err}
		}
		return nil
	}
	return &pinError{shown[0]}
}
