package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// rig is a server behind a proxy. The server's name is example.com.
type rig struct {
	*testing.T
	server *httptest.Server
	proxy  *Proxy
	at     string
}

func newRig(t *testing.T, o Options, inspect bool) *rig {
	t.Helper()
	r := &rig{T: t, server: httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { _, _ = io.WriteString(w, q.URL.Path) }))}
	t.Cleanup(r.server.Close)
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "example.com:443" {
			return nil, &net.DNSError{Err: "no such host", Name: address}
		}
		return new(net.Dialer).DialContext(ctx, network, r.server.Listener.Addr().String())
	}
	if inspect {
		o.Inspect = pool(r.server.Certificate())
	}
	var err error
	if r.proxy, err = New(o); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.at = l.Addr().String()
	r.proxy.Serve(l)
	t.Cleanup(func() {
		if err := r.proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func pool(c *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c)
	return p
}

// get asks for a page by the proxy.
func (r *rig) get(where string, user *url.Userinfo, roots *x509.CertPool) (string, error) {
	tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: r.at, User: user}), TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get(where)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

func TestTunnel(t *testing.T) {
	r := newRig(t, Options{User: "box", Password: "s3cret"}, false)
	box := url.UserPassword("box", "s3cret")
	roots := pool(r.server.Certificate())
	if text, err := r.get("https://example.com/page", box, roots); err != nil || text != "/page" {
		t.Errorf("%q, %v", text, err)
	}
	for _, c := range []struct {
		where, word string
		user        *url.Userinfo
	}{
		{"https://example.com/page", "Proxy Authentication Required", nil},
		{"https://example.com/page", "Proxy Authentication Required", url.UserPassword("box", "wrong")},
		{"https://example.com:8443/page", "Forbidden", box},
		{"https://example.net/page", "Bad Gateway", box},
	} {
		if _, err := r.get(c.where, c.user, roots); err == nil || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v", c.where, err)
		}
	}
	if text, err := r.get("http://example.com/page", box, nil); err != nil || !strings.Contains(text, "CONNECT only") {
		t.Errorf("without TLS: %q, %v", text, err)
	}
	if got := r.proxy.Tunnels(); len(got) != 1 || got[0] != "example.com:443" || len(r.proxy.Refusals()) != 5 || len(r.proxy.Read()) != 0 {
		t.Errorf("%q, %q, %q", got, r.proxy.Refusals(), r.proxy.Read())
	}
}

func TestInspection(t *testing.T) {
	r := newRig(t, Options{}, true)
	if text, err := r.get("https://example.com/page", nil, pool(r.proxy.CA())); err != nil || text != "/page" {
		t.Errorf("%q, %v", text, err)
	}
	if got := r.proxy.Read(); len(got) != 1 || got[0] != "GET /page HTTP/1.1" {
		t.Errorf("read %q", got)
	}
	if _, err := r.get("https://example.com/page", nil, pool(r.server.Certificate())); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("who does not know the proxy's authority: %v", err)
	}
	// It does not believe servers that its roots do not know.
	r.proxy.options.Inspect = x509.NewCertPool()
	if _, err := r.get("https://example.com/page", nil, pool(r.proxy.CA())); err == nil {
		t.Error("a server that nobody knows, and an answer")
	}
}
