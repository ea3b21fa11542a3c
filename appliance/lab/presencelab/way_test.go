package presencelab

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/egress"
	"viaduct/appliance/graph"
	"viaduct/appliance/lab/entra"
	"viaduct/appliance/lab/proxy"
)

// TestTheWayThroughProxies has the client reach Microsoft through proxies as companies have them, on sockets, with TLS.
func TestTheWayThroughProxies(t *testing.T) {
	o := newOffice(t)
	u := o.AddUser(entra.User{UPN: user(0)})
	microsoft := listen(t)
	o.Serve(microsoft)
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	roots := func(list ...*x509.Certificate) *x509.CertPool {
		p := x509.NewCertPool()
		for _, c := range list {
			p.AddCert(c)
		}
		return p
	}
	start := func(p proxy.Options) (*proxy.Proxy, config.HTTPProxy) {
		p.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, microsoft.Addr().String())
		}
		x, err := proxy.New(p)
		if err != nil {
			t.Fatal(err)
		}
		l := listen(t)
		x.Serve(l)
		t.Cleanup(func() {
			if err := x.Close(); err != nil {
				t.Error(err)
			}
		})
		return x, config.HTTPProxy{Host: "proxy.meinefirma.de", Port: uint16(l.Addr().(*net.TCPAddr).Port)}
	}
	plain, toPlain := start(proxy.Options{User: "box", Password: "s3cr:et ü"})
	inspecting, toInspecting := start(proxy.Options{Inspect: roots(o.Root())})
	known := toPlain
	known.User, known.Password = "box", "s3cr:et ü"
	wrong := known
	wrong.Password = "x"
	for _, c := range []struct {
		name  string
		to    config.HTTPProxy
		roots *x509.CertPool
		words string // of the error and its cure; "": it works
	}{
		{"a name and a password", known, roots(o.Root()), ""},
		{"a wrong password", wrong, roots(o.Root()), "`password`"},
		{"no password", toPlain, roots(o.Root()), "`password`"},
		{"a proxy that inspects", toInspecting, roots(inspecting.CA()), ""},
		{"a proxy that inspects, of which nobody knows", toInspecting, roots(o.Root()), "`ca`"},
		{"a proxy in whose CA alone the box trusts, and that does not inspect", known, roots(inspecting.CA()), "`ca`"},
	} {
		way := egress.Way{Proxy: c.to, Roots: c.roots, Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			if host != "proxy.meinefirma.de" {
				return nil, errors.New("only the proxy knows " + host)
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}}
		client := graph.New(way.Transport(), o.credentials)
		got, err := client.Presences(t.Context(), []string{u.ID}, nil)
		client.Close()
		var e *graph.Error
		switch {
		case c.words == "" && (err != nil || len(got) != 1):
			t.Errorf("%s: %d presences, %v", c.name, len(got), err)
		case c.words != "" && (!errors.As(err, &e) || !strings.Contains(e.Text+" "+e.Cure, c.words)):
			t.Errorf("%s: want %q: %v: %+v", c.name, c.words, err, e)
		}
	}
	if list := plain.Tunnels(); !slices.Contains(list, entra.Login+":443") || !slices.Contains(list, entra.Graph+":443") {
		t.Errorf("tunnels: %q", list)
	}
	if list := inspecting.Read(); !slices.ContainsFunc(list, func(line string) bool {
		return strings.HasPrefix(line, "POST /contoso.onmicrosoft.com/oauth2/v2.0/token")
	}) {
		t.Errorf("the proxy has read %q", list)
	}
	if text := o.refused(); strings.Contains(text, "sign-in") || strings.Contains(text, "graph") {
		t.Errorf("Microsoft did not take:\n%s", text)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
