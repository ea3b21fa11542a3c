package provisioning

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"viaduct/appliance/health"
)

// cloud is a provider's server by HTTPS, and the box that passes its files on.
func cloud(t *testing.T, trusted bool, handler http.HandlerFunc) (*bench, *httptest.Server, *[]*http.Request) {
	var asked []*http.Request
	far := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r)
		handler(w, r)
	}))
	t.Cleanup(far.Close)
	b := newBench(t)
	b.cfg.Provisioning[0].Upstreams = []string{"Example.com"} // the name in httptest's certificate
	transport := far.Client().Transport.(*http.Transport).Clone()
	if !trusted {
		transport.TLSClientConfig = &tls.Config{}
	}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, far.Listener.Addr().String())
	}
	b.Server.upstream.o.Transport = func() http.RoundTripper { return transport }
	return b, far, &asked
}

func TestFilesOfOtherHosts(t *testing.T) {
	b, _, asked := cloud(t, true, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/p/001565aabbcc.cfg":
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Set-Cookie", "x=y")
			fmt.Fprint(w, "a file of the provider")
		case "/moved.cfg":
			http.Redirect(w, r, "/p/001565aabbcc.cfg", http.StatusFound)
		case "/elsewhere.cfg":
			http.Redirect(w, r, "https://evil.example.test/x.cfg", http.StatusFound)
		case "/plain.cfg":
			http.Redirect(w, r, "http://example.com/p/001565aabbcc.cfg", http.StatusFound)
		case "/round.cfg":
			http.Redirect(w, r, "/round.cfg", http.StatusFound)
		case "/private.cfg":
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		case "/long.bin":
			w.Header().Set("Content-Length", fmt.Sprint(maxPassed+1))
		default:
			http.NotFound(w, r)
		}
	})
	for _, c := range []struct {
		path string
		code int
		text string
	}{
		{"/example.com/p/001565aabbcc.cfg?model=T46S", 200, "a file of the provider"},
		{"/EXAMPLE.COM/moved.cfg", 200, "a file of the provider"},
		{"/example.com/private.cfg", 401, ""},
		{"/example.com/none.cfg", 404, "not found"},
		{"/example.com/elsewhere.cfg", 502, "not reached"},
		{"/example.com/plain.cfg", 502, "not reached"},
		{"/example.com/round.cfg", 502, "not reached"},
		{"/evil.example.test/x.cfg", 404, "no such file"}, // not configured
	} {
		code, text, _ := b.get(addr(21), c.path)
		if code != c.code || !strings.Contains(text, c.text) {
			t.Errorf("%s: %d %q, want %d %q", c.path, code, text, c.code, c.text)
		}
	}
	first := (*asked)[0]
	if first.URL.RawQuery != "model=T46S" || first.Host != "example.com" || !strings.HasPrefix(first.UserAgent(), "Yealink") {
		t.Errorf("the provider is asked %s of %s by %s", first.URL, first.Host, first.UserAgent())
	}
	// A file that is cut off must not look whole.
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("a file that is too long ends as if it were whole")
			}
		}()
		b.get(addr(21), "/example.com/long.bin")
	}()
	if !b.alarms.Active(health.ProvisioningUpstream) {
		t.Error("no alarm about a host whose file is too long")
	}
	s := b.Status().Upstreams
	if len(s) != 1 || s[0].Host != "example.com" || s[0].Passed != 4 || s[0].Failed != 4 || s[0].Error == "" {
		t.Errorf("status: %+v", s)
	}
	b.get(addr(21), "/example.com/p/001565aabbcc.cfg")
	if b.alarms.Active(health.ProvisioningUpstream) {
		t.Error("the alarm outlives the fault")
	}
	if strings.Contains(b.log.String(), "model=T46S") {
		t.Errorf("what is between phone and provider is in the log:\n%s", b.log)
	}
}

// A host that cannot prove who it is gets nothing and gives nothing.
func TestUnverifiedHost(t *testing.T) {
	b, _, asked := cloud(t, false, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hostile settings") })
	code, text, _ := b.get(addr(21), "/example.com/p/001565aabbcc.cfg")
	if code != 502 || strings.Contains(text, "hostile") || len(*asked) != 0 {
		t.Errorf("%d %q, %d requests", code, text, len(*asked))
	}
	if !b.alarms.Active(health.ProvisioningUpstream) || !strings.Contains(b.log.String(), "certificate") {
		t.Errorf("no alarm, or no reason:\n%s", b.log)
	}
	b.cfg.Provisioning[0].Upstreams = nil
	b.Server.upstream.forget(b.cfg)
	if b.alarms.Active(health.ProvisioningUpstream) || len(b.Status().Upstreams) != 0 {
		t.Error("a host that is configured no more is still an alarm")
	}
}

// A host has one name here, whatever it is called by who asks: others would each be kept, with an alarm.
func TestOneNameOfAHost(t *testing.T) {
	b, _, _ := cloud(t, false, http.NotFound)
	b.cfg.Provisioning[0].Upstreams = []string{"Provisioning.example"}
	for _, name := range []string{"provisioning.example", "PROVISIONING.EXAMPLE", "provi\u017fioning.example"} {
		b.get(addr(21), "/"+name+"/x.cfg")
	}
	if s := b.Status().Upstreams; len(s) != 1 || s[0].Host != "provisioning.example" || len(b.alarms.Current()) != 1 {
		t.Errorf("status %+v, alarms %v", s, b.alarms.Current())
	}
}

// One phone that fetches many files, slowly, leaves others theirs.
func TestOnePhoneDoesNotTakeAllPlaces(t *testing.T) {
	begun, end := make(chan bool), make(chan bool)
	b, _, _ := cloud(t, true, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			begun <- true
			<-end
		}
	})
	var slow sync.WaitGroup
	for range maxPassesOfSource {
		slow.Go(func() { b.get(addr(21), "/example.com/slow") })
		<-begun
	}
	if code, _, _ := b.get(addr(21), "/example.com/x"); code != http.StatusServiceUnavailable {
		t.Errorf("one more of the same phone: %d", code)
	}
	if code, _, _ := b.get(addr(22), "/example.com/x"); code != http.StatusOK {
		t.Errorf("one of another phone: %d", code)
	}
	close(end)
	slow.Wait()
	if code, _, _ := b.get(addr(21), "/example.com/x"); code != http.StatusOK {
		t.Errorf("afterwards: %d", code)
	}
}
