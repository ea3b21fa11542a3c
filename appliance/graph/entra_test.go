package graph_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"crypto/x509"

	"viaduct/appliance/config"
	"viaduct/appliance/egress"
	"viaduct/appliance/graph"
	"viaduct/appliance/lab/entra"
	"viaduct/appliance/lab/proxy"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// Here a second implementation judges: the lab's Microsoft, which shares no code with the client, and tells what it does not take.

const (
	tenant      = "contoso.onmicrosoft.com"
	application = "0f0f0f0f-1111-2222-3333-444444444444"
	secret      = "Q~secret"
)

// cloud is the lab's Microsoft with one application, that everything is granted to.
func cloud(t *testing.T) (*entra.Service, *entra.Application) {
	t.Helper()
	s, err := entra.New(entra.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := s.Register(application, entra.UsersRead, entra.PresenceWrite)
	a.Grant(entra.UsersRead, entra.PresenceWrite)
	a.AddSecret(secret, time.Now().AddDate(1, 0, 0))
	return s, a
}

func bySecret() graph.Credentials {
	return graph.Credentials{Tenant: tenant, Application: application, Cloud: config.CloudGlobal, Secret: secret}
}

func byCertificate(t *testing.T) graph.Credentials {
	t.Helper()
	key, err := pki.NewKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := pki.SelfSigned([]string{"sbc.contoso.com"}, key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return graph.Credentials{Tenant: tenant, Application: application, Cloud: config.CloudGlobal, Key: key, Certificate: certificate}
}

func addUsers(s *entra.Service, n int) (ids []string) {
	for i := range n {
		ids = append(ids, s.AddUser(entra.User{UPN: fmt.Sprintf("user%04d@contoso.com", i), Mail: fmt.Sprintf("User.%d@contoso.com", i), EmployeeID: fmt.Sprint(i), Phones: []string{"+49 30 1"}}).ID)
	}
	return ids
}

// content fails for each thing that the lab's Microsoft did not take.
func content(t *testing.T, s *entra.Service) {
	t.Helper()
	for _, r := range s.Refusals() {
		t.Errorf("Microsoft refuses: %s", r)
	}
}

// kind is the kind of an error of the client; "": none.
func kind(t *testing.T, err error) string {
	t.Helper()
	var e *graph.Error
	if err == nil {
		return ""
	}
	if !errors.As(err, &e) {
		t.Fatalf("%v (%T) is no *graph.Error", err, err)
	}
	if e.Text == "" || e.Cure == "" || strings.Contains(e.Error()+e.Cure, secret) {
		t.Errorf("%#v helps nobody, or shows the secret", e)
	}
	return e.Kind.String()
}

func poll(t *testing.T, c *graph.Client, ids []string) error {
	t.Helper()
	list, err := c.Presences(t.Context(), ids, nil)
	if err == nil && len(list) != len(ids) {
		t.Errorf("%d of %d users", len(list), len(ids))
	}
	return err
}

func TestTheLabsMicrosoftIsContent(t *testing.T) {
	s, a := cloud(t)
	certified := byCertificate(t)
	a.Upload(certified.Certificate)
	ids := addUsers(s, 1301)
	s.SignIn(ids[0], entra.State{Availability: "DoNotDisturb", Activity: "Presenting"})
	s.SignIn(ids[1], entra.Available)
	s.SetOutOfOffice(ids[1], true)
	s.SignIn(ids[2], entra.Available)
	for name, credentials := range map[string]graph.Credentials{"certificate": certified, "secret": bySecret()} {
		t.Run(name, func(t *testing.T) {
			c := graph.New(s.Transport(), credentials)
			var users []graph.User
			if err := c.Users(t.Context(), func(u graph.User) error { users = append(users, u); return nil }); err != nil {
				t.Fatal(err)
			}
			if len(users) != len(ids) || users[7].ID != ids[7] || users[7].Mail != "User.7@contoso.com" || users[7].EmployeeID != "7" || !users[7].Enabled || len(users[7].Phones) != 1 {
				t.Fatalf("%d users, %+v", len(users), users[7])
			}
			list, err := c.Presences(t.Context(), ids, nil)
			if err != nil || len(list) != len(ids) {
				t.Fatalf("%d presences, %v", len(list), err)
			}
			states := map[string]graph.Presence{}
			for _, p := range list {
				states[p.ID] = p
			}
			if p := states[ids[0]]; p.State != config.Presenting {
				t.Errorf("%+v", p)
			}
			if p := states[ids[1]]; p.State != config.OutOfOffice || !p.OutOfOffice {
				t.Errorf("%+v", p)
			}
			if p := states[ids[3]]; p.State != config.Offline || p.ID != ids[3] {
				t.Errorf("%+v", p)
			}
			if err := c.Clear(t.Context(), ids[2]); err != nil {
				t.Errorf("a session that is none: %v", err)
			}
			if err := c.SetBusy(t.Context(), ids[2], 10*time.Minute); err != nil || s.Shows(ids[2]) != entra.InACall {
				t.Errorf("%v, %v", err, s.Shows(ids[2]))
			}
			if _, left, ok := s.Session(ids[2], application); !ok || left <= 9*time.Minute || left > 10*time.Minute {
				t.Errorf("session: %v, %v", left, ok)
			}
			if err := c.Clear(t.Context(), ids[2]); err != nil || s.Shows(ids[2]) != entra.Available {
				t.Errorf("%v, %v", err, s.Shows(ids[2]))
			}
			for _, state := range config.PresenceStates {
				err := c.Prefer(t.Context(), ids[2], graph.Preferred{State: state, Life: 10 * time.Minute})
				if (err == nil) != graph.Preferable(state) {
					t.Errorf("%s: %v", state, err)
				}
				if chosen, ok := s.Preferred(ids[2]); err == nil && (!ok || graph.StateOf(chosen.Availability, chosen.Activity) != state && state != config.Offline) {
					t.Errorf("%s is %v", state, chosen)
				}
			}
			if err := c.ClearPreferred(t.Context(), ids[2]); err != nil {
				t.Error(err)
			}
			if _, ok := s.Preferred(ids[2]); ok {
				t.Error("a preferred presence stays")
			}
		})
	}
	refusals := slices.DeleteFunc(s.Refusals(), func(r string) bool { return strings.Contains(r, "The presence session was not found") }) // wanted above
	if len(refusals) > 0 {
		t.Errorf("Microsoft refuses %q", refusals)
	}
}

// Half a day of polls: tokens are renewed in time, each assertion is good and new.
func TestADayOfTokens(t *testing.T) {
	credentials := byCertificate(t)
	synctest.Test(t, func(t *testing.T) {
		s, a := cloud(t)
		credentials := credentials
		var err error
		if credentials.Certificate, err = pki.SelfSigned([]string{"sbc.contoso.com"}, credentials.Key, time.Now()); err != nil {
			t.Fatal(err)
		}
		a.Upload(credentials.Certificate)
		ids := addUsers(s, 3)
		c := graph.New(s.Transport(), credentials)
		for range 12 * 60 {
			if err := poll(t, c, ids); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		content(t, s)
		if n := s.Requests("token"); n < 13 || n > 15 {
			t.Errorf("%d tokens in twelve hours", n)
		}
	})
}

func TestTheClockIsWrong(t *testing.T) {
	s, a := cloud(t)
	credentials := byCertificate(t)
	a.Upload(credentials.Certificate)
	s.RefuseSignIn(700024)
	err := poll(t, graph.New(s.Transport(), credentials), addUsers(s, 1))
	if got := kind(t, err); got != "sign-in" || !strings.Contains(err.Error(), "(AADSTS700024)") {
		t.Errorf("%s: %v", got, err)
	}
}

func TestConsentIsWithdrawnAndGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := cloud(t)
		ids := addUsers(s, 3)
		c := graph.New(s.Transport(), bySecret())
		if err := poll(t, c, ids); err != nil {
			t.Fatal(err)
		}
		a.Grant()
		s.Revoke() // or an hour passes
		if got := kind(t, poll(t, c, ids)); got != "consent" {
			t.Errorf("%s", got)
		}
		if roles, err := c.Roles(t.Context()); err != nil || len(roles) != 0 || len(graph.Missing(roles, true)) != 2 {
			t.Errorf("%v, %v", roles, err)
		}
		before := s.Requests("token")
		for range 60 {
			if got := kind(t, poll(t, c, ids)); got != "consent" {
				t.Errorf("%s", got)
			}
			time.Sleep(10 * time.Second)
		}
		if n := s.Requests("token") - before; n > 21 {
			t.Errorf("%d tokens in ten minutes without consent", n)
		}
		if err := s.Consent(c.ConsentLink()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if err := poll(t, c, ids); err != nil {
			t.Errorf("half a minute after consent: %v", err)
		}
	})
}

func TestASecretEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := cloud(t)
		a.AddSecret(secret, time.Now().Add(30*time.Minute))
		ids := addUsers(s, 3)
		c := graph.New(s.Transport(), bySecret())
		for range 59 {
			if err := poll(t, c, ids); err != nil {
				t.Fatal(err) // the token still serves
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(2 * time.Minute)
		before := s.Requests("token")
		for range 60 {
			err := poll(t, c, ids)
			if got := kind(t, err); got != "sign-in" || !strings.Contains(err.Error(), "the secret has expired (AADSTS7000222)") {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		if n := s.Requests("token") - before; n > 8 {
			t.Errorf("%d sign-ins in ten minutes", n)
		}
		a.AddSecret(secret, time.Now().AddDate(1, 0, 0))
		time.Sleep(6 * time.Minute)
		if err := poll(t, c, ids); err != nil {
			t.Errorf("after another secret: %v", err)
		}
	})
}

// What may be wrong with Graph or the way there: each poll ends, with an error that says it, and all is well afterwards.
func TestGraphIsOutOfOrder(t *testing.T) {
	for name, c := range map[string]struct {
		fault entra.Fault
		want  string
	}{
		"slow":          {entra.Fault{Delay: 30 * time.Second}, "network"},
		"gone":          {entra.Fault{Down: true}, "network"},
		"unavailable":   {entra.Fault{Status: 503}, "broken"},
		"bad gateway":   {entra.Fault{Status: 502}, "broken"},
		"a portal":      {entra.Fault{Body: "<html>Please log in to the hotel</html>", Type: "text/html"}, "broken"},
		"rubbish":       {entra.Fault{Body: `{"value":[{"id":`, Type: "application/json"}, "broken"},
		"cut":           {entra.Fault{Body: `{"value":[{"id":"a"}`, Type: "application/json", Cut: true}, "network"},
		"endless":       {entra.Fault{Body: strings.Repeat(" ", 64<<10), Type: "application/json", Endless: true}, "broken"},
		"limits, vague": {entra.Fault{Status: 429}, "throttled"},
		"limits":        {entra.Fault{Status: 429, RetryAfter: 90 * time.Second}, "throttled"},
	} {
		t.Run(name, func(t *testing.T) {
			lasts := 10 * time.Minute
			if c.fault.Endless {
				lasts = 20 * time.Second // it is 16 MiB each time
			}
			synctest.Test(t, func(t *testing.T) {
				s, _ := cloud(t)
				ids := addUsers(s, 700)
				client := graph.New(s.Transport(), bySecret())
				if err := poll(t, client, ids); err != nil {
					t.Fatal(err)
				}
				s.Fail(entra.Graph, c.fault)
				for end := time.Now().Add(lasts); time.Now().Before(end); time.Sleep(10 * time.Second) {
					start := time.Now()
					if got := kind(t, poll(t, client, ids)); got != c.want {
						t.Fatalf("%s, want %s", got, c.want)
					}
					if d := time.Since(start); d > 21*time.Second {
						t.Errorf("a poll takes %s", d)
					}
				}
				s.Heal()
				time.Sleep(time.Until(client.Held()) + time.Second)
				if err := poll(t, client, ids); err != nil {
					t.Errorf("when all is well again: %v", err)
				}
				for _, r := range s.Refusals() {
					if strings.Contains(r, "before Retry-After had passed") {
						t.Error(r)
					}
				}
				if n := s.Requests("token"); n != 1 {
					t.Errorf("%d tokens", n)
				}
			})
		})
	}
}

// Codes of the sign-in service as the lab has them, in Microsoft's words.
func TestSignInIsRefused(t *testing.T) {
	s, a := cloud(t)
	ids := addUsers(s, 1)
	for _, k := range graph.SignInCodes() {
		for _, number := range k.Numbers {
			if number == 7000229 {
				continue // the lab does not have it
			}
			s.RefuseSignIn(number)
			err := poll(t, graph.New(s.Transport(), bySecret()), ids)
			if got := kind(t, err); got != k.Kind.String() || !strings.Contains(err.Error(), fmt.Sprintf("%s (AADSTS%d)", k.Means, number)) {
				t.Errorf("%d: %s, %v", number, got, err)
			}
			s.Heal()
		}
	}
	for want, change := range map[string]func(*graph.Credentials){
		"AADSTS90002":   func(c *graph.Credentials) { c.Tenant = "fabrikam.onmicrosoft.com" },
		"AADSTS700016":  func(c *graph.Credentials) { c.Application = "99999999-1111-2222-3333-444444444444" },
		"AADSTS7000215": func(c *graph.Credentials) { c.Secret = "wrong" },
		"AADSTS700027":  func(c *graph.Credentials) { *c = byCertificate(t) },
	} {
		credentials := bySecret()
		change(&credentials)
		err := poll(t, graph.New(s.Transport(), credentials), ids)
		if kind(t, err) != "sign-in" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	a.Disable()
	if err := poll(t, graph.New(s.Transport(), bySecret()), ids); kind(t, err) != "sign-in" || !strings.Contains(err.Error(), "AADSTS7000112") {
		t.Error(err)
	}
}

// Over TLS, behind a proxy that wants a password and reads what passes with a CA of its own, as a company may have one.
func TestBehindAProxyThatInspects(t *testing.T) {
	s, a := cloud(t)
	credentials := byCertificate(t)
	a.Upload(credentials.Certificate)
	addUsers(s, 3)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(l)
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Root())
	p, err := proxy.New(proxy.Options{User: "box", Password: "pass word", Inspect: roots, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
	}})
	if err != nil {
		t.Fatal(err)
	}
	pl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.Serve(pl)
	defer p.Close()
	at := netip.MustParseAddrPort(pl.Addr().String())
	w := egress.Way{Proxy: config.HTTPProxy{Host: at.Addr().String(), Port: at.Port(), User: "box", Password: "wrong"}, Roots: roots}
	try := func() (steps []status.CheckStep, err error) {
		transport := w.Transport()
		defer transport.CloseIdleConnections()
		err = graph.New(transport, credentials).Try(t.Context(), true, func(x status.CheckStep) { steps = append(steps, x) })
		return steps, err
	}
	failed := func(steps []status.CheckStep) string {
		i := slices.IndexFunc(steps, func(x status.CheckStep) bool { return x.State == status.CheckFailed })
		if i < 0 {
			return ""
		}
		return steps[i].ID + ": " + steps[i].Problem + " " + steps[i].Advice
	}
	steps, err := try()
	if got := failed(steps); err == nil || !strings.HasPrefix(got, "presence-proxy: the proxy wants a user name") {
		t.Errorf("wrong password: %v, %s", err, got)
	}
	w.Proxy.Password = "pass word"
	steps, err = try()
	if got := failed(steps); err == nil || !strings.HasPrefix(got, "presence-tls: whoever answers has a certificate from") || !strings.Contains(got, "import its CA") {
		t.Errorf("its CA is not known: %v, %s", err, got)
	}
	w.Roots = x509.NewCertPool()
	w.Roots.AddCert(p.CA())
	if steps, err = try(); err != nil {
		t.Errorf("%v, %s", err, failed(steps))
	}
	if got := p.Read(); len(got) != 2 || !strings.HasPrefix(got[0], "POST /contoso") || !strings.HasPrefix(got[1], "GET /v1.0/users") {
		t.Errorf("the proxy has read %q", got)
	}
}
