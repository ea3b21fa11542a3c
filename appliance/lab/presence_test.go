package lab

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lab/entra"
	webproxy "viaduct/appliance/lab/proxy"
	"viaduct/appliance/status"
)

const (
	tenantName    = "contoso.onmicrosoft.com"
	applicationID = "0f0f0f0f-1111-2222-3333-444444444444"
	secretValue   = "Q~first.secret"
)

// teamsUsers are the users of the tenant, with the identities of the reference configuration.
var teamsUsers = map[string]string{"user.01": "anna@contoso.com", "user.02": "bert@contoso.com", "user.03": "cara@contoso.com"}

// microsoft is the sign-in service and Graph of the world, at their own names and port 443 of the WAN.
type microsoft struct {
	*entra.Service
	app *entra.Application
	r   *running
}

// startMicrosoft starts it, with an application to which everything is granted and whose secret is secretValue. All users are available.
func startMicrosoft(r *running) *microsoft {
	r.t.Helper()
	s, err := entra.New(entra.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	l, err := r.WAN.Listen(r.ctx, "tcp4", netip.AddrPortFrom(GatewayAddr, 443).String())
	if err != nil {
		r.t.Fatal(err)
	}
	s.Serve(l)
	r.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			r.t.Error(err)
		}
		if r.t.Failed() {
			r.t.Logf("Microsoft has refused:\n%s", strings.Join(s.Refusals(), "\n"))
		}
	})
	r.DNS.Set(entra.Login, GatewayAddr)
	r.DNS.Set(entra.Graph, GatewayAddr)
	m := &microsoft{Service: s, app: s.Register(applicationID, entra.UsersRead, entra.PresenceWrite), r: r}
	m.app.Grant(entra.UsersRead, entra.PresenceWrite)
	m.app.AddSecret(secretValue, time.Now().AddDate(1, 0, 0))
	for _, name := range teamsUsers {
		s.AddUser(entra.User{UPN: name, Mail: name})
		s.SignIn(name, entra.Available)
	}
	return m
}

// configure has the box know Microsoft's issuer, and pastes a presence-service TEAMS, with lines of the caller's in it.
func (m *microsoft) configure(lines ...string) {
	m.r.t.Helper()
	text := []string{"import pki:certificate/MICROSOFT", string(CertificatePEM(m.Root().Raw)), "configure", "presence-service TEAMS", "tenant " + tenantName, "application " + applicationID,
		"secret " + secretValue, "poll-interval 5"}
	for identity, name := range teamsUsers {
		text = append(text, fmt.Sprintf("user %s identity %s", name, identity))
	}
	text = append(text, lines...)
	m.r.paste(append(text, "exit", "context cs SWITCH", "interface sip if_sip_starface", "use presence-service TEAMS", "end")...)
}

// service is how the presence-service is; the zero value before the box has applied its lines.
func (m *microsoft) service() (s status.PresenceService) {
	m.r.t.Helper()
	var p status.Presence
	if err := m.r.status("presence", &p); err != nil {
		m.r.t.Fatal(err)
	}
	if len(p.Services) > 0 {
		s = p.Services[0]
	}
	return s
}

// known waits until the box knows that a user is in a state.
func (m *microsoft) known(name, state string) {
	m.r.t.Helper()
	m.r.wait(name+" is known to be "+state, func() bool {
		return slices.ContainsFunc(m.service().Users, func(u status.PresenceUser) bool { return u.Name == name && u.State == state })
	})
}

// test is what `presence test` says, on one line.
func (m *microsoft) test() string {
	m.r.t.Helper()
	return strings.Join(strings.Fields(m.r.says("presence test")), " ")
}

// alarmed waits for an alarm that tells all of some words, and returns its text and advice.
func (r *running) alarmed(id string, words ...string) (text string) {
	r.t.Helper()
	r.wait("alarm "+id+" telling "+strings.Join(words, ", "), func() bool {
		text = strings.Join(strings.Fields(r.says("show alarms")), " ")
		return r.raised(id, true) == nil && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
	})
	return text
}

// refusedAtOnce has the PBX call a user who does not want to be rung. Another call comes afterwards: it is the first that Teams sees.
func (r *running) refusedAtOnce(identity, other string) {
	r.t.Helper()
	refused, err := r.Starface.Call(r.ctx, Ring{Account: identity})
	if err != nil {
		r.t.Fatal(err)
	}
	if e, err := refused.WaitOver(r.ctx); err != nil || !e.ByBox || e.Code != 486 {
		r.t.Errorf("the call for %s: %+v, %v", identity, e, err)
	}
	out, in := r.fromPBX(Ring{Account: other})
	if want := map[string]string{"user.01": "+497123222", "user.02": "+497123223", "user.03": "+497123224"}[other]; !strings.Contains(in.RequestURI(), want) {
		r.t.Errorf("Teams is asked for %s, want %s", in.RequestURI(), want)
	}
	r.end(out, in)
}

// TestPresence has the whole box, configured by lines, and what an administrator sees of it.
func TestPresence(t *testing.T) {
	t.Parallel() // it waits more than it works
	r := newRunning(t)
	r.patience(5 * time.Minute)
	m := startMicrosoft(r)
	r.start(Setup{Sessions: 4, Channels: 4})
	m.configure()
	m.known("anna@contoso.com", "available")

	text := m.test()
	for _, want := range []string{"Name of login.microsoftonline.com: " + GatewayAddr.String(), "TCP to graph.microsoft.com", `certificate from "Lab Issuer For Microsoft"`, "with a secret",
		"Presence.ReadWrite.All; User.Read.All", "3 of 3 users read in"} {
		if !strings.Contains(text, want) {
			t.Errorf("presence test does not say %q: %s", want, text)
		}
	}
	m.SignIn("anna@contoso.com", entra.State{Availability: "DoNotDisturb", Activity: "DoNotDisturb"})
	m.known("anna@contoso.com", "do-not-disturb")
	r.refusedAtOnce("user.01", "user.02")
	if text := r.says("show presence"); !strings.Contains(text, "anna@contoso.com") || !strings.Contains(text, "do-not-disturb") {
		t.Errorf("show presence:\n%s", text)
	}
	if step, found := r.firstFailed(); found {
		t.Errorf("check all finds %+v", step)
	}

	t.Run("the secret ends", func(t *testing.T) {
		m.app.AddSecret(secretValue, time.Now())
		m.Revoke()
		text := r.alarmed("presence-refused", "the secret has expired (AADSTS7000222)", "Make a new one in Entra")
		if strings.Contains(text, secretValue) {
			t.Error("an alarm shows the secret")
		}
		if step, found := r.firstFailed(); !found || step.ID != "presence" || !strings.Contains(step.Problem, "AADSTS7000222") {
			t.Errorf("check all finds %+v", step)
		}
		// What is too old is not known, and calls go on.
		m.known("anna@contoso.com", "")
		out, in := r.fromPBX(Ring{Account: "user.01"})
		r.end(out, in)
		m.app.AddSecret("Q~second.secret", time.Now().AddDate(1, 0, 0))
		r.paste("configure", "presence-service TEAMS", "secret Q~second.secret", "end")
		m.known("anna@contoso.com", "do-not-disturb")
		r.wait("the alarm is cleared", func() bool { return r.raised("presence-refused", false) == nil })
		r.refusedAtOnce("user.01", "user.03")
	})

	t.Run("consent is withdrawn", func(t *testing.T) {
		m.app.Grant()
		m.Revoke()
		text := r.alarmed("presence-refused", "the application lacks User.Read.All and Presence.Read.All", "An administrator of the tenant must consent")
		if text := m.test(); !strings.Contains(text, "Permissions of the application: the application lacks") {
			t.Errorf("presence test: %s", text)
		}
		// The administrator follows the link of the alarm.
		if err := m.Consent(regexp.MustCompile(`https://\S+/adminconsent\?\S+`).FindString(text)); err != nil {
			t.Fatal(err)
		}
		r.wait("the alarm is cleared", func() bool { return r.raised("presence-refused", false) == nil })
		m.known("anna@contoso.com", "do-not-disturb")
	})

	t.Run("a proxy that inspects", func(t *testing.T) {
		r.DNS.Remove(entra.Login) // nothing leads to Microsoft but the proxy
		r.DNS.Remove(entra.Graph)
		p, at := r.inspector(m, "box", "pass word")
		r.paste("import pki:certificate/PROXYCA", string(CertificatePEM(p.CA().Raw)))
		line := fmt.Sprintf("http-proxy %s %d username box password %%s ca pki:certificate/PROXYCA", at.Addr(), at.Port())
		r.paste("configure", "presence-service TEAMS", fmt.Sprintf(line, "wrong"), "end")
		if text := m.test(); !strings.Contains(text, "Proxy "+at.String()+": the proxy wants a user name and a password") || !strings.Contains(text, "cure: Check `username` and `password` of `http-proxy`") {
			t.Errorf("a test at once after the line was entered: %s", text)
		}
		r.paste("configure", "presence-service TEAMS", fmt.Sprintf(line, `"pass word"`), "end")
		r.wait("all steps are well", func() bool {
			text := m.test()
			return strings.Contains(text, "3 of 3 users read in") && !strings.Contains(text, "cure:")
		})
		m.SignIn("bert@contoso.com", entra.State{Availability: "DoNotDisturb", Activity: "Presenting"})
		m.known("bert@contoso.com", "presenting")
		r.refusedAtOnce("user.02", "user.03")
	})
	if log := r.log.String(); strings.Contains(log, secretValue) || strings.Contains(log, "second.secret") || strings.Contains(log, "pass word") || strings.Contains(log, "eyJ") {
		t.Error("the log shows a secret, a password or a token")
	}
}

// inspector is a proxy in the LAN that wants a password and reads what passes.
func (r *running) inspector(m *microsoft, user, password string) (*webproxy.Proxy, netip.AddrPort) {
	r.t.Helper()
	at := netip.AddrPortFrom(LANPeerAddr, 3128)
	known := x509.NewCertPool()
	known.AddCert(m.Root())
	p, err := webproxy.New(webproxy.Options{User: user, Password: password, Inspect: known, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return r.WAN.Dial(ctx, network, GatewayAddr.String(), netip.AddrPortFrom(GatewayAddr, 443).String()) // the company's own line to the internet
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	l, err := r.LAN.Listen(r.ctx, "tcp4", at.String())
	if err != nil {
		r.t.Fatal(err)
	}
	p.Serve(l)
	r.t.Cleanup(func() {
		if err := p.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return p, at
}
