package entra

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestOverTLS has the service on a socket: its root is needed, and its names.
func TestOverTLS(t *testing.T) {
	r := newRig(t, PresenceRead)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.s.Serve(l)
	t.Cleanup(func() {
		if err := r.s.Close(); err != nil {
			t.Error(err)
		}
	})
	roots := x509.NewCertPool()
	roots.AddCert(r.s.Root())
	client := func(conf *tls.Config) *http.Client {
		tr := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
		}}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr}
	}
	r.client = client(&tls.Config{RootCAs: roots})
	r.enter()
	u := r.s.AddUser(User{UPN: "anna@contoso.com"})
	where := "https://" + Graph + "/v1.0/users/" + u.ID + "/presence"
	if a := r.do("GET", where, "", ""); a.StatusCode != 200 || a.ProtoMajor != 2 {
		t.Errorf("%s %s", a.Proto, a.Status)
	}
	r.s.Fail(Graph, Fault{Down: true})
	if _, err := r.try(t.Context(), "GET", where, "", ""); err == nil {
		t.Error("down, and an answer")
	}
	r.s.Heal()
	for name, conf := range map[string]*tls.Config{"another root": {}, "another name": {RootCAs: roots, ServerName: "graph.microsoft.us"}, "TLS 1.1": {RootCAs: roots, MaxVersion: tls.VersionTLS11}} {
		r.client = client(conf)
		if _, err := r.try(t.Context(), "GET", where, "", ""); err == nil {
			t.Errorf("%s: an answer", name)
		}
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) { // net/http tells of a handshake when it is over
		if text := strings.Join(r.s.Refusals(), "\n"); strings.Contains(text, `no certificate for "graph.microsoft.us"`) {
			break
		} else if time.Now().After(end) {
			t.Fatalf("nothing tells of the handshakes: %s", text)
		}
	}
}
