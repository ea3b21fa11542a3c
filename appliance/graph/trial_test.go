package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/egress"
	"viaduct/appliance/status"
)

// directory answers like a tenant of some users, who are all busy.
func directory(users int) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		list := []any{}
		for i := range users {
			if strings.HasPrefix(q.URL.Path, "/v1.0/users") {
				list = append(list, map[string]any{"id": fmt.Sprint("u", i), "userPrincipalName": fmt.Sprint("u", i, "@contoso.com")})
			} else if i < triedUsers {
				list = append(list, one(fmt.Sprint("u", i), "Busy", "Busy"))
			}
		}
		say(w, http.StatusOK, map[string]any{"value": list})
	}
}

// try goes through a trial, and returns its steps as lines: "title: state", with problem or reason.
func try(t *testing.T, c *Client, write bool) (lines []string, steps []status.CheckStep, err error) {
	t.Helper()
	err = c.Try(t.Context(), write, func(s status.CheckStep) {
		steps = append(steps, s)
		line := fmt.Sprintf("%s: %s", s.Title, s.State)
		for _, more := range []string{s.Problem, s.Because} {
			if more != "" {
				line += ", " + more
			}
		}
		lines = append(lines, line)
		if (s.State == status.CheckFailed) != (s.Problem != "" && s.Advice != "") || (s.State == status.CheckSkipped) != (s.Because != "") {
			t.Errorf("%+v", s)
		}
	})
	return lines, steps, err
}

func TestATrialSaysEachStep(t *testing.T) {
	o, s := microsoft(t)
	o.graph = directory(30)
	port := netip.MustParseAddrPort(s.Listener.Addr().String()).Port()
	credentials := withCertificate(t)
	credentials.Hosts = Hosts{Login: fmt.Sprintf("https://example.com:%d", port), Graph: fmt.Sprintf("https://graph.example.com:%d", port)}
	w := egress.Way{Lookup: lookup("127.0.0.1"), Roots: trusting(s.Certificate())}
	through := newProxy(t, s.Listener.Addr().String())
	for name, c := range map[string]struct {
		proxy config.HTTPProxy
		want  string
	}{
		"directly": {want: `
Name of example.com:PORT: ok
TCP to example.com:PORT: ok
TLS with example.com:PORT: ok
Sign-in to Microsoft Entra: ok
Permissions of the application: ok
Name of graph.example.com:PORT: ok
TCP to graph.example.com:PORT: ok
TLS with graph.example.com:PORT: ok
Users of the tenant: ok
Presence: ok`},
		"through a proxy": {proxy: through.configured(), want: `
Proxy PROXY: ok
TLS with example.com:PORT: ok
Sign-in to Microsoft Entra: ok
Permissions of the application: ok
Proxy PROXY: ok
TLS with graph.example.com:PORT: ok
Users of the tenant: ok
Presence: ok`},
	} {
		t.Run(name, func(t *testing.T) {
			w.Proxy = c.proxy
			transport := w.Transport()
			defer transport.CloseIdleConnections()
			lines, steps, err := try(t, New(transport, credentials), true)
			must(t, err)
			want := strings.NewReplacer("PORT", fmt.Sprint(port), "PROXY", through.address.String()).Replace(strings.TrimSpace(c.want))
			if got := strings.Join(lines, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			var seen []string
			for _, s := range steps {
				seen = append(seen, s.Seen...)
			}
			all := strings.Join(seen, "; ")
			for _, want := range []string{"127.0.0.1", "TLS 1.3; certificate from \"O=Acme Co\", until", "with the certificate " + credentials.Thumbprint(), "Presence.ReadWrite.All", "10 of 10 users read in "} {
				if name == "through a proxy" && want == "127.0.0.1" {
					want = through.address.String() + " in "
				}
				if !strings.Contains(all, want) {
					t.Errorf("%s is not seen in %s", want, all)
				}
			}
		})
	}
}

func TestATrialNamesTheStepThatFails(t *testing.T) {
	o, s := microsoft(t)
	port := netip.MustParseAddrPort(s.Listener.Addr().String()).Port()
	gone := nobody(t, s.Listener.Addr().String())
	refusing := newProxy(t, s.Listener.Addr().String())
	refusing.refuse = http.StatusForbidden
	good := egress.Way{Lookup: lookup("127.0.0.1"), Roots: trusting(s.Certificate())}
	with := func(change func(*egress.Way)) egress.Way { w := good; change(&w); return w }
	for name, c := range map[string]struct {
		way   egress.Way
		port  uint16
		setup func()
		want  []string // lines that must be among those that are said
	}{
		"no such name": {way: with(func(w *egress.Way) {
			w.Lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such name") }
		}), want: []string{
			"Name of example.com:PORT: failed, the name example.com is not resolved: no such name", "TCP to example.com:PORT: skipped, Name of example.com:PORT",
			"Sign-in to Microsoft Entra: skipped, Name of example.com:PORT", "Presence: skipped, Name of example.com:PORT"}},
		"nobody listens": {way: good, port: gone.Port(), want: []string{
			"Name of example.com:PORT: ok", "TCP to example.com:PORT: failed, dial tcp 127.0.0.1:PORT: connect: connection refused", "TLS with example.com:PORT: skipped, TCP to example.com:PORT"}},
		"no proxy": {way: with(func(w *egress.Way) { w.Proxy = config.HTTPProxy{Host: "127.0.0.1", Port: gone.Port()} }), want: []string{
			"Proxy GONE: failed, the proxy is not reached: dial tcp GONE: connect: connection refused", "TLS with example.com:PORT: skipped, Proxy GONE", "Presence: skipped, Proxy GONE"}},
		"a proxy that refuses": {way: with(func(w *egress.Way) { w.Proxy = refusing.configured() }), want: []string{
			"Proxy REFUSING: failed, the proxy refuses to connect: 403 Forbidden (proxy 403)", "Sign-in to Microsoft Entra: skipped, Proxy REFUSING"}},
		"inspected": {way: with(func(w *egress.Way) { w.Roots = trusting() }), want: []string{
			"TCP to example.com:PORT: ok", `TLS with example.com:PORT: failed, whoever answers has a certificate from "Acme Co", which is not trusted here`,
			"Sign-in to Microsoft Entra: skipped, TLS with example.com:PORT"}},
		"secret expired": {way: good, setup: func() {
			o.signIn = func(w http.ResponseWriter, _ *http.Request) bool {
				saySignIn(w, http.StatusUnauthorized, "invalid_client", 7000222, "x")
				return true
			}
		}, want: []string{"TLS with example.com:PORT: ok", "Sign-in to Microsoft Entra: failed, the secret has expired (AADSTS7000222)",
			"Permissions of the application: skipped, Sign-in to Microsoft Entra", "Presence: skipped, Sign-in to Microsoft Entra"}},
		"permission missing": {way: good, setup: func() { o.roles = []string{"Presence.Read.All"} }, want: []string{"Sign-in to Microsoft Entra: ok",
			"Permissions of the application: failed, the application lacks User.Read.All and Presence.ReadWrite.All", "Users of the tenant: skipped, Permissions of the application"}},
		"empty tenant": {way: good, setup: func() { o.graph = directory(0) }, want: []string{"Permissions of the application: ok",
			"Users of the tenant: failed, the tenant has no users", "Presence: skipped, Users of the tenant"}},
		"Graph out of order": {way: good, setup: func() {
			o.graph = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
		}, want: []string{"TLS with graph.example.com:PORT: ok", "Users of the tenant: failed, Microsoft Graph answers 502 Bad Gateway"}},
		"no presence": {way: good, setup: func() {
			o.graph = func(w http.ResponseWriter, q *http.Request) {
				if strings.HasPrefix(q.URL.Path, "/v1.0/users") {
					directory(1)(w, q)
				} else {
					sayError(w, http.StatusNotFound, "Request_ResourceNotFound", "Resource 'presence' does not exist")
				}
			}
		}, want: []string{"Users of the tenant: ok", "Presence: failed, Resource 'presence' does not exist (Request_ResourceNotFound)"}},
	} {
		t.Run(name, func(t *testing.T) {
			o.mu.Lock()
			o.signIn, o.roles, o.graph = nil, []string{readUsers, writePresence}, directory(3)
			if c.setup != nil {
				c.setup()
			}
			o.mu.Unlock()
			at := port
			if c.port != 0 {
				at = c.port
			}
			credentials := testCredentials()
			credentials.Hosts = Hosts{Login: fmt.Sprintf("https://example.com:%d", at), Graph: fmt.Sprintf("https://graph.example.com:%d", at)}
			transport := c.way.Transport()
			defer transport.CloseIdleConnections()
			lines, steps, err := try(t, New(transport, credentials), true)
			if err == nil || len(lines) < 6 {
				t.Errorf("%v, %q", err, lines)
			}
			for _, want := range c.want {
				want = strings.NewReplacer("PORT", fmt.Sprint(at), "GONE", gone.String(), "REFUSING", refusing.address.String()).Replace(want)
				if !slices.Contains(lines, want) {
					t.Errorf("%q is not said in\n%s", want, strings.Join(lines, "\n"))
				}
			}
			failed := 0
			for _, s := range steps {
				if s.State == status.CheckFailed {
					failed++
				}
			}
			if failed != 1 {
				t.Errorf("%d steps failed:\n%s", failed, strings.Join(lines, "\n"))
			}
		})
	}
}
