package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// Each fault has its sentence, which quotes nothing that may be a secret, and nothing that is not printable.
func TestWhatIsWrongInASentence(t *testing.T) {
	at := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: at, Err: errors.New("connection refused\x1b[2J")}
	unsafe := func(err error) error {
		return &tls.CertificateVerificationError{UnverifiedCertificates: []*x509.Certificate{{Issuer: pkix.Name{CommonName: "Evil\x1b[2J CA"}}}, Err: err}
	}
	for _, c := range []struct {
		err  error
		want Fault
		says string
	}{
		{context.Canceled, GivenUp, "given up"},
		{&ProxyRefusal{407}, ProxyLogin, "the proxy wants a user name and a password"},
		{&ProxyRefusal{403}, ProxyRefuses, "the proxy refuses to connect: 403 Forbidden"},
		{&net.OpError{Op: "proxyconnect", Net: "tcp", Err: refused}, ProxyAway, `the proxy is not reached: dial tcp 192.0.2.1:443: connection refused\x1b[2J`},
		{tls.RecordHeaderError{}, NoTLS, "the other side does not speak TLS"},
		{http.ErrSchemeMismatch, NoTLS, "the other side does not speak TLS"},
		{unsafe(x509.HostnameError{}), Untrusted, `the certificate that "Evil\\x1b[2J CA" has issued is not for this name`},
		{unsafe(x509.CertificateInvalidError{Reason: x509.Expired}), Expired, "is not valid at the time of the box"},
		{unsafe(x509.UnknownAuthorityError{}), Untrusted, "which is not trusted here"},
		{&tls.CertificateVerificationError{Err: errors.New("x")}, Untrusted, `a certificate from "nobody"`},
		{&unresolved{"a.example", errors.New("no such name\n")}, NoName, `the name a.example is not resolved: no such name\x0a`},
		{context.DeadlineExceeded, Slow, "no answer in time"},
		{refused, Away, `dial tcp 192.0.2.1:443: connection refused\x1b[2J`},
		{io.ErrUnexpectedEOF, Away, "unexpected EOF"},
		{tls.AlertError(40), Away, "handshake failure"},
		{fmt.Errorf("malformed HTTP response %q", "secret"), Broken, "the connection breaks off, or what comes is no answer"},
	} {
		for _, err := range []error{c.err, &url.Error{Op: "Get", URL: "https://user:secret@a.example/", Err: fmt.Errorf("it fails: %w", c.err)}} {
			fault, text := Explain(err)
			if fault != c.want || !strings.Contains(text, c.says) || strings.Contains(text, "secret") || strings.ContainsAny(text, "\x1b\n") {
				t.Errorf("%T: fault %d, %q, want %d, %q", c.err, fault, text, c.want, c.says)
			}
		}
	}
}

// The first address that answers serves, and the error is that of the first one when none does.
func TestAHostWithManyAddresses(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") }))
	defer s.Close()
	here := netip.MustParseAddrPort(s.Listener.Addr().String())
	never := netip.MustParseAddr("224.0.0.1") // no connection goes there
	get := func(addrs ...netip.Addr) (string, error) {
		w := Way{Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			if host != "a.example" {
				t.Errorf("%s is looked up", host)
			}
			return addrs, nil
		}}
		transport := w.Transport()
		defer transport.CloseIdleConnections()
		r, err := (&http.Client{Transport: transport}).Get(fmt.Sprintf("http://a.example:%d/", here.Port()))
		if err != nil {
			return "", err
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		return string(text), err
	}
	if text, err := get(never, here.Addr()); text != "here" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := get(never, never); err == nil || !strings.Contains(err.Error(), "none of 2 addresses answers: dial tcp 224.0.0.1:") {
		t.Errorf("%v", err)
	}
	if _, err := get(); err == nil || !strings.Contains(err.Error(), "the name a.example is not resolved: it has no address") {
		t.Errorf("%v", err)
	}
}

// An address needs no name server.
func TestAnAddressIsNotLookedUp(t *testing.T) {
	w := Way{Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		t.Errorf("%s is looked up", host)
		return nil, nil
	}}
	for _, host := range []string{"192.0.2.1", "2001:db8::1"} {
		if list, err := w.resolve(t.Context(), host); err != nil || len(list) != 1 || list[0].String() != host {
			t.Errorf("%s: %v, %v", host, list, err)
		}
	}
}
