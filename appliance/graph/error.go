package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/egress"
	"viaduct/appliance/printable"
)

// Kind is what sort of failure an Error is.
type Kind uint8

const (
	Refused   Kind = iota // Graph finds fault with a request, which should not happen
	Network               // not reached: name, route, proxy, TLS, or no answer in time
	SignIn                // Entra does not take the credentials
	Consent               // the application lacks a permission
	Throttled             // Microsoft wants to be left alone, see Client.Held
	NoUser                // no such user, or one without Teams
	Broken                // Microsoft is out of order, or something else answers
)

var kinds = [...]string{"refused", "network", "sign-in", "consent", "throttled", "no-user", "broken"}

func (k Kind) String() string { return kinds[k] }

// Error is why something was not done. Every text of it is printable, and free of secrets and tokens.
type Error struct {
	Op     string // what was being done: "reading presences"
	Kind   Kind
	Status int    // of the HTTP answer; 0: there was none, or none that is understood
	Code   string // of Graph, or AADSTS and its number; "": none
	Text   string // what is wrong
	Cure   string // what an administrator can do about it: one sentence or more
	err    error
}

// Error says what was being done, what is wrong and its code. The cure stands apart.
func (e *Error) Error() string {
	text := e.Op + ": " + e.Text
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	return text
}

// Unwrap is the error of the connection or the context, nil when it was an answer.
func (e *Error) Unwrap() error { return e.err }

// What is being done.
const (
	opSignIn    = "signing in"
	opUsers     = "reading users"
	opPresences = "reading presences"
	opSet       = "setting presence"
	opClear     = "clearing presence"
	opPrefer    = "setting preferred presence"
	opUnprefer  = "clearing preferred presence"
)

// What an administrator can do. {} are filled in by Credentials.fill.
const (
	cureCredentials = "Configure `certificate` (`generate presence-certificate` makes one), or `secret`."
	cureNames       = "Check the name servers, and `http-proxy` if the network has a proxy."
	cureRoute       = "The box must reach {login} and {graph} at TCP port 443: check routes, the firewall before the box, and `http-proxy`."
	cureProxy       = "Check host and port of `http-proxy`, and that the proxy lets the box connect to {login} and {graph} at port 443."
	cureProxyLogin  = "Check `username` and `password` of `http-proxy`. The proxy must offer Basic."
	cureIssuer      = "If a proxy inspects TLS here, import its CA (`import pki:certificate/NAME`) and name it with `ca` in `http-proxy`. Otherwise find out who answers in place of Microsoft."
	cureClock       = "Check the time with `show clock`, and the servers of `sntp-client`."
	cureSlow        = "Check the line to the internet, and that firewalls let the box connect to {login} and {graph} at port 443."
	cureWait        = "Nothing needs to be done: the box waits as long as Microsoft wishes. If it lasts, raise `poll-interval`, and look for other programs that use the same application."
	cureBroken      = "Find out whether a proxy or a firewall answers in place of Microsoft. Otherwise wait: https://status.cloud.microsoft says how Microsoft's services are."
	cureConsent     = "An administrator of the tenant must consent: {consent}"
	cureLacks       = "In Entra, \"API permissions\" of the application must list what is missing, as application permission and not as delegated. " + cureConsent
	cureNoUser      = "The user needs a licence with Teams, and must not be a guest of the tenant."
	cureReport      = "Please report this with the output of `show tech-support`."
)

// fill puts what is configured into a cure.
func (c *Credentials) fill(cure string) string {
	if !strings.Contains(cure, "{") {
		return cure
	}
	hosts := c.Hosts
	if hosts == (Hosts{}) {
		hosts = HostsOf(c.Cloud)
	}
	return strings.NewReplacer(
		"{consent}", printable.Short(ConsentLink(*c), 500), "{application}", printable.Text(c.Application), "{tenant}", printable.Text(c.Tenant),
		"{cloud}", printable.Text(string(c.Cloud)), "{thumbprint}", c.Thumbprint(),
		"{login}", printable.Text(hostOf(hosts.Login)), "{graph}", printable.Text(hostOf(hosts.Graph)),
	).Replace(cure)
}

func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.Host
}

// held is the answer that need not be asked for.
func (c *Client) held(op string, now time.Time) *Error {
	return &Error{Op: op, Kind: Throttled, Status: http.StatusTooManyRequests, Code: "TooManyRequests",
		Text: fmt.Sprintf("Microsoft limits requests, and takes none for another %s", c.hold.until.Sub(now).Round(time.Second)), Cure: cureWait}
}

// rubbish is an answer that is not what Graph would say.
func rubbish(op string, status int, err error) *Error {
	text := "the answer is not one of Microsoft Graph"
	var e *Error
	if errors.As(err, &e) {
		text = e.Text
	}
	if status != http.StatusOK {
		text = fmt.Sprintf("the answer is %d, and not one of Microsoft Graph", status)
		return &Error{Op: op, Kind: Broken, Status: status, Text: text, Cure: cureBroken}
	}
	return &Error{Op: op, Kind: Broken, Text: text, Cure: cureBroken, err: err}
}

// fail explains why there was no answer.
func (c *Client) fail(op string, err error) *Error {
	e := &Error{Op: op, Kind: Network, err: err}
	var refusal *egress.ProxyRefusal
	if errors.As(err, &refusal) {
		e.Code = fmt.Sprintf("proxy %d", refusal.Status)
	}
	fault, text := egress.Explain(err)
	e.Text, e.Cure = text, c.c.fill(faultCures[fault])
	return e
}

// faultCures are by what is wrong with the way to Microsoft.
var faultCures = map[egress.Fault]string{
	egress.ProxyRefuses: cureProxy, egress.ProxyLogin: cureProxyLogin, egress.ProxyAway: cureProxy, egress.NoTLS: cureProxy,
	egress.Untrusted: cureIssuer, egress.Expired: cureClock, egress.NoName: cureNames, egress.Slow: cureSlow, egress.Away: cureRoute, egress.Broken: cureBroken,
}

// refused explains an answer of Graph that is none of success. t is the token with which it was asked.
func (c *Client) refused(op string, r *http.Response, body []byte, t token) *Error {
	var a struct {
		Error struct{ Code, Message string }
	}
	status := r.StatusCode
	if err := json.Unmarshal(body, &a); err != nil || a.Error.Code == "" && status != http.StatusTooManyRequests {
		if status < 500 && status != http.StatusTooManyRequests && status != http.StatusUnauthorized && status != http.StatusForbidden && status != http.StatusNotFound {
			return rubbish(op, status, err)
		}
	}
	e := &Error{Op: op, Status: status, Code: printable.Short(told(a.Error.Code, t.text), 60), Text: printable.Text(told(a.Error.Message, t.text))}
	if e.Text == "" {
		e.Text = fmt.Sprintf("Microsoft Graph answers %d %s", status, http.StatusText(status))
	}
	switch {
	case status == http.StatusTooManyRequests:
		e.Kind, e.Text, e.Cure = Throttled, "Microsoft limits requests", cureWait
	case status == http.StatusUnauthorized:
		e.Kind, e.Text, e.Cure = SignIn, "Microsoft Graph does not take a token that it has just been given: "+e.Text, "Check `tenant` and `cloud`, and the time with `show clock`."
	case status == http.StatusForbidden:
		e.Kind, e.Cure = Consent, c.c.fill(cureConsent)
		missing := Missing(t.roles, writes(op))
		switch {
		case t.known && len(missing) > 0:
			e.Text, e.Cure = lacks(missing), c.c.fill(cureLacks)
		case t.known && writes(op): // it may, but not with this user
			e.Kind, e.Cure = NoUser, cureNoUser
		default:
			e.Text = "the application may not do this: " + e.Text
		}
	case status == http.StatusNotFound && writes(op):
		e.Kind, e.Cure = NoUser, cureNoUser
	case status == http.StatusNotFound:
		e.Kind, e.Cure = Refused, c.c.fill("Check `cloud` ({cloud}): not every cloud has presence.")
	case status >= 500:
		e.Kind, e.Cure = Broken, cureBroken
	default:
		e.Kind, e.Cure = Refused, cureReport
	}
	return e
}

// told is text of a server without what it was sent. Microsoft does not repeat that; who answers in its place may.
func told(text string, sent ...string) string {
	for _, s := range sent {
		if s != "" {
			text = strings.ReplaceAll(strings.ReplaceAll(text, s, "..."), url.QueryEscape(s), "...")
		}
	}
	return text
}

// writes tells the operations that need permission to write.
func writes(op string) bool {
	return slices.Contains([]string{opSet, opClear, opPrefer, opUnprefer}, op)
}

func lacks(permissions []string) string {
	return "the application lacks " + strings.Join(permissions, " and ")
}
