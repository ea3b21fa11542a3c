package graph

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/egress"
	"viaduct/appliance/pki"
)

// proxy is a CONNECT proxy on loopback. Whatever it is asked for, it connects to one address.
type proxy struct {
	address netip.AddrPort
	login   string // user:password; "": none is asked for
	refuse  int    // the answer to each CONNECT; 0: it connects

	mu    sync.Mutex
	asked []string
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	p := &proxy{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { p.serve(w, q, to) }))
	t.Cleanup(s.Close)
	p.address = netip.MustParseAddrPort(s.Listener.Addr().String())
	return p
}

func (p *proxy) serve(w http.ResponseWriter, q *http.Request, to string) {
	p.mu.Lock()
	p.asked = append(p.asked, q.Method+" "+q.RequestURI)
	p.mu.Unlock()
	switch {
	case p.refuse != 0:
		http.Error(w, "no", p.refuse)
		return
	case p.login != "" && q.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(p.login)):
		w.Header().Set("Proxy-Authenticate", `Basic realm="x"`)
		http.Error(w, "who", http.StatusProxyAuthRequired)
		return
	}
	there, err := net.Dial("tcp", to)
	if err != nil {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(there, rw)
		_ = there.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(here, there)
	_ = here.Close()
	<-done
}

func (p *proxy) configured() config.HTTPProxy {
	return config.HTTPProxy{Host: p.address.Addr().String(), Port: p.address.Port()}
}

// microsoft is an office at the names of the global cloud, with a certificate of a CA that nobody knows.
func microsoft(t *testing.T) (*office, *httptest.Server) {
	t.Helper()
	o := newOffice(sayPresences("Busy", "InACall"))
	s := httptest.NewUnstartedServer(o)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return o, s
}

func trusting(certificates ...*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certificates {
		pool.AddCert(c)
	}
	return pool
}

func lookup(addrs ...string) func(context.Context, string) ([]netip.Addr, error) {
	return func(context.Context, string) ([]netip.Addr, error) {
		var list []netip.Addr
		for _, a := range addrs {
			list = append(list, netip.MustParseAddr(a))
		}
		return list, nil
	}
}

// throughClient asks through a way; the certificate of httptest is for example.com.
func throughClient(t *testing.T, w egress.Way) error {
	t.Helper()
	credentials := testCredentials()
	credentials.Hosts = Hosts{Login: "https://login.example.com", Graph: "https://graph.example.com"}
	transport := w.Transport()
	defer transport.CloseIdleConnections()
	return read(t, New(transport, credentials))
}

func TestThroughAProxy(t *testing.T) {
	o, s := microsoft(t)
	p := newProxy(t, s.Listener.Addr().String())
	p.login = "box:pa:ss"
	w := egress.Way{Proxy: p.configured(), Roots: trusting(s.Certificate()), Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		t.Errorf("the name %s is looked up, which is the proxy's to do", host)
		return nil, errors.New("no")
	}}
	e := wantError(t, throughClient(t, w), Network)
	if !strings.Contains(e.Error(), "wants a user name and a password") || !strings.Contains(e.Cure, "`password`") || e.Code != "proxy 407" {
		t.Errorf("%v, cure %q", e, e.Cure)
	}
	w.Proxy.User, w.Proxy.Password = "box", "pa:ss"
	must(t, throughClient(t, w))
	if o.requests() != 1 {
		t.Error("Graph was not asked")
	}
	p.mu.Lock()
	asked := strings.Join(p.asked[1:], ", ")
	p.mu.Unlock()
	if asked != "CONNECT login.example.com:443, CONNECT graph.example.com:443" {
		t.Errorf("the proxy was asked for %s", asked)
	}
	p.refuse = http.StatusForbidden
	e = wantError(t, throughClient(t, w), Network)
	if !strings.Contains(e.Error(), "the proxy refuses to connect: 403 Forbidden") || strings.Contains(e.Error()+e.Cure, "pa:ss") {
		t.Errorf("%v, cure %q", e, e.Cure)
	}
}

// nobody is a port at which nobody listens, now and later: a connection to somebody else has it.
func nobody(t *testing.T, busy string) netip.AddrPort {
	t.Helper()
	c, err := net.Dial("tcp", busy)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return netip.MustParseAddrPort(c.LocalAddr().String())
}

func TestWhatIsInTheWay(t *testing.T) {
	_, s := microsoft(t)
	port := nobody(t, s.Listener.Addr().String())
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	key, err := pki.NewKey(2048)
	must(t, err)
	stranger, err := pki.SelfSigned([]string{"stranger"}, key, time.Now())
	must(t, err)
	through := func(to string) config.HTTPProxy { return newProxy(t, to).configured() }
	for _, c := range []struct {
		name, text, cure string
		w                egress.Way
	}{
		{"no such name", "the name login.example.com is not resolved: no such name", "name servers", egress.Way{Lookup: func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such name") }}},
		{"a name without an address", "is not resolved: it has no address", "name servers", egress.Way{Lookup: lookup()}},
		{"no proxy at any of its addresses", "the proxy is not reached: none of 2 addresses answers: dial tcp " + port.String() + ": connect: connection refused", "host and port of `http-proxy`",
			egress.Way{Proxy: config.HTTPProxy{Host: "proxy.example.com", Port: port.Port()}, Lookup: lookup("127.0.0.1", "127.0.0.2")}},
		{"no proxy there", "the proxy is not reached: dial tcp " + port.String() + ": connect: connection refused", "host and port of `http-proxy`",
			egress.Way{Proxy: config.HTTPProxy{Host: port.Addr().String(), Port: port.Port()}}},
		{"a proxy that cannot connect", "the proxy refuses to connect: 502 Bad Gateway", "login.example.com and graph.example.com at port 443", egress.Way{Proxy: through(port.String())}},
		{"a proxy that inspects TLS", `a certificate from "Acme Co", which is not trusted`, "import its CA", egress.Way{Proxy: through(s.Listener.Addr().String()), Roots: trusting(stranger)}},
		{"no TLS there", "does not speak TLS", "`http-proxy`", egress.Way{Proxy: through(plain.Listener.Addr().String())}},
	} {
		if e := wantError(t, throughClient(t, c.w), Network); !strings.Contains(e.Error(), c.text) || !strings.Contains(e.Cure, c.cure) || e.Status != 0 {
			t.Errorf("%s: %v, cure %q", c.name, e, e.Cure)
		}
	}
}

func TestACertificateForAnotherName(t *testing.T) {
	_, s := microsoft(t)
	credentials := testCredentials() // login.microsoftonline.com
	transport := egress.Way{Proxy: newProxy(t, s.Listener.Addr().String()).configured(), Roots: trusting(s.Certificate())}.Transport()
	defer transport.CloseIdleConnections()
	if e := wantError(t, read(t, New(transport, credentials)), Network); !strings.Contains(e.Text, "is not for this name") {
		t.Error(e)
	}
}

// A proxy that answers in place of Microsoft, after it has connected.
func TestAnswersOfSomebodyElse(t *testing.T) {
	for status, kind := range map[int]Kind{200: Broken, 204: Broken, 302: Broken, 307: Broken, 400: Broken, 403: Consent, 502: Broken, 503: Broken} {
		o := newOffice(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://evil.example.com/")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<html>")
		})
		c := New(roundTrip(func(q *http.Request) (*http.Response, error) {
			if strings.Contains(q.URL.Host, "evil") {
				t.Errorf("%d: a redirect is followed", status)
			}
			return direct{o}.RoundTrip(q)
		}), testCredentials())
		wantError(t, read(t, c), kind)
		o.signIn = func(w http.ResponseWriter, q *http.Request) bool { o.graph(w, q); return true }
		c = New(direct{o}, testCredentials())
		wantError(t, read(t, c), Broken)
		if o.signedIn() != 2 {
			t.Errorf("%d: %d sign-ins", status, o.signedIn())
		}
	}
}

func TestAConnectionThatBreaksInTheMiddle(t *testing.T) {
	o := newOffice(sayPresences("Busy", "Busy"))
	broken := errors.New("read: connection reset by peer")
	err := read(t, New(roundTrip(func(q *http.Request) (*http.Response, error) {
		if q.URL.Path == tokenPath {
			return direct{o}.RoundTrip(q)
		}
		body := io.MultiReader(strings.NewReader(`{"value":[{"id":"a","availability":"Busy"}`), readerFunc(func([]byte) (int, error) { return 0, broken }))
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bufio.NewReader(body)), Request: q}, nil
	}), testCredentials()))
	if wantError(t, err, Network); !errors.Is(err, broken) {
		t.Errorf("%v does not wrap the error of the connection", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestACallerWhoGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := newOffice(sayPresences("Busy", "Busy"))
	if _, err := o.client().Presences(ctx, []string{"a"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
