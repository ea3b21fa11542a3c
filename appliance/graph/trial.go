package graph

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// Steps of a trial, in their order. Those of the way come for each host.
const (
	StepProxy       = "presence-proxy"      // in place of name and connection
	StepName        = "presence-name"       // of the host
	StepConnection  = "presence-connection" // with the host
	StepTLS         = "presence-tls"
	StepSignIn      = "presence-sign-in"
	StepPermissions = "presence-permissions"
	StepDirectory   = "presence-directory"
	StepRead        = "presence-read"
)

// triedUsers is of how many users a trial reads the presence.
const triedUsers = 10

// Try goes through everything that reading presences needs, and says each step: the way to both hosts, the sign-in, the permissions, of which write wants
// one more, and one read with its time. It signs in anew, and changes nothing in Teams. Made with a Client whose transport is new it sees the whole way;
// a connection that is open already is not made again. It returns the error of the step that failed.
func (c *Client) Try(ctx context.Context, write bool, say func(status.CheckStep)) error {
	t := trial{c: c, say: say}
	roles, err := t.signIn(ctx)
	if err != nil {
		t.skip(StepPermissions, StepDirectory, StepRead)
		return err
	}
	if err := t.permissions(roles, write); err != nil {
		t.skip(StepDirectory, StepRead)
		return err
	}
	return t.read(ctx)
}

type trial struct {
	c      *Client
	say    func(status.CheckStep)
	failed string // title of the step that did
}

var titles = map[string]string{
	StepProxy: "Proxy", StepName: "Name of", StepConnection: "TCP to", StepTLS: "TLS with",
	StepSignIn: "Sign-in to Microsoft Entra", StepPermissions: "Permissions of the application", StepDirectory: "Users of the tenant", StepRead: "Presence",
}

func newStep(id, subject string) status.CheckStep {
	subject = printable.Text(subject)
	return status.CheckStep{ID: id, Subject: subject, Title: strings.TrimSpace(titles[id] + " " + subject)}
}

// fails says a step that failed.
func (t *trial) fails(s status.CheckStep, err *Error) error {
	s.State, s.Problem, s.Advice = status.CheckFailed, err.Text, err.Cure
	if err.Code != "" {
		s.Problem += " (" + err.Code + ")"
	}
	t.failed = s.Title
	t.say(s)
	return err
}

// skip says what is not tried any more.
func (t *trial) skip(ids ...string) {
	for _, id := range ids {
		s := newStep(id, "")
		s.State, s.Because = status.CheckSkipped, t.failed
		t.say(s)
	}
}

func (t *trial) signIn(ctx context.Context) ([]string, error) {
	j := t.c.journey(t.c.hosts.Login)
	start := time.Now()
	roles, err := t.c.Roles(j.follow(ctx))
	took := time.Since(start)
	if e := asError(err); !t.way(j, e) {
		t.skip(StepSignIn)
		return nil, e
	} else if e != nil {
		return nil, t.fails(newStep(StepSignIn, ""), e)
	}
	s := newStep(StepSignIn, "")
	s.Took = took
	s.Seen = []string{"with a secret"}
	if t.c.c.Key != nil {
		s.Seen = []string{"with the certificate " + t.c.c.Thumbprint()}
	}
	t.say(s)
	return roles, nil
}

func (t *trial) permissions(roles []string, write bool) error {
	s := newStep(StepPermissions, "")
	for _, role := range roles {
		s.Seen = append(s.Seen, printable.Text(role))
	}
	if missing := Missing(roles, write); len(missing) > 0 {
		return t.fails(s, &Error{Op: opSignIn, Kind: Consent, Text: lacks(missing), Cure: t.c.c.fill(cureLacks)})
	}
	t.say(s)
	return nil
}

// errEnough ends the list of users early.
var errEnough = errors.New("enough users")

// read reads some users, and how they are.
func (t *trial) read(ctx context.Context) error {
	j := t.c.journey(t.c.hosts.Graph)
	start := time.Now()
	var ids []string
	err := t.c.Users(j.follow(ctx), func(u User) error {
		if ids = append(ids, u.ID); len(ids) == triedUsers {
			return errEnough
		}
		return nil
	})
	s := newStep(StepDirectory, "")
	s.Took = time.Since(start)
	if errors.Is(err, errEnough) {
		err = nil
	}
	if e := asError(err); !t.way(j, e) {
		t.skip(StepDirectory, StepRead)
		return e
	} else if e != nil {
		err := t.fails(s, e)
		t.skip(StepRead)
		return err
	}
	if len(ids) == 0 {
		err := t.fails(s, &Error{Op: opUsers, Kind: Refused, Text: "the tenant has no users", Cure: t.c.c.fill("Check `tenant` ({tenant}).")})
		t.skip(StepRead)
		return err
	}
	t.say(s)
	start = time.Now()
	list, err := t.c.Presences(ctx, ids, nil)
	s = newStep(StepRead, "")
	s.Took = time.Since(start)
	if e := asError(err); e != nil {
		return t.fails(s, e)
	}
	s.Seen = []string{fmt.Sprintf("%d of %d users read in %s", len(list), len(ids), s.Took.Round(time.Millisecond))}
	t.say(s)
	return nil
}

// asError is err as *Error, nil for none.
func asError(err error) *Error {
	var e *Error
	if err != nil && !errors.As(err, &e) {
		e = &Error{Kind: Refused, Text: printable.Text(err.Error()), Cure: cureReport, err: err}
	}
	return e
}

// journey is what was seen of the way to one host.
type journey struct {
	host  string
	proxy string // host and port; "": none

	mu       sync.Mutex
	addrs    []string
	named    bool // or no name had to be found
	reached  string
	began    time.Time
	took     time.Duration // of the connection that was made
	securing time.Time     // when a handshake began
	secured  time.Duration
	state    tls.ConnectionState
	arrived  bool // a request could be sent
	reused   bool
}

func (c *Client) journey(base string) *journey {
	j := &journey{host: hostOf(base)}
	if t, ok := c.http.Transport.(*http.Transport); ok && t.Proxy != nil {
		u, _ := url.Parse(base)
		if p, err := t.Proxy(&http.Request{URL: u}); err == nil && p != nil {
			j.proxy = p.Host
		}
	}
	return j
}

// follow has j see what happens to requests of a context.
func (j *journey) follow(ctx context.Context) context.Context {
	locked := func(f func()) {
		j.mu.Lock()
		defer j.mu.Unlock()
		f()
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone: func(i httptrace.DNSDoneInfo) {
			locked(func() {
				j.named = i.Err == nil
				for _, a := range i.Addrs {
					j.addrs = append(j.addrs, a.String())
				}
			})
		},
		ConnectStart: func(_, _ string) { locked(func() { j.named, j.began = true, time.Now() }) },
		ConnectDone: func(_, address string, err error) {
			locked(func() {
				if err == nil {
					j.reached, j.took = address, time.Since(j.began)
				}
			})
		},
		TLSHandshakeStart: func() { locked(func() { j.securing = time.Now() }) },
		TLSHandshakeDone: func(s tls.ConnectionState, err error) {
			locked(func() {
				if err == nil {
					j.state, j.secured = s, time.Since(j.securing)
				}
			})
		},
		GotConn: func(i httptrace.GotConnInfo) { locked(func() { j.arrived, j.reused = true, i.Reused }) },
	})
}

// way says the steps of the way to a host, and reports whether something can be asked there. err is what became of the request.
func (t *trial) way(j *journey, err *Error) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.arrived && (err == nil || err.err == nil) || j.reused {
		return true // nothing had to be asked, or there was a connection
	}
	type stage struct {
		status.CheckStep
		passed bool
	}
	var stages []stage
	if j.proxy != "" {
		s := newStep(StepProxy, j.proxy)
		s.Took = j.took
		s.Seen = j.seenConnection()
		stages = append(stages, stage{s, !j.securing.IsZero()})
	} else {
		name, tcp := newStep(StepName, j.host), newStep(StepConnection, j.host)
		name.Seen, tcp.Seen, tcp.Took = j.addrs, j.seenConnection(), j.took
		stages = append(stages, stage{name, j.named}, stage{tcp, j.reached != ""})
	}
	s := newStep(StepTLS, j.host)
	s.Took, s.Seen = j.secured, seenTLS(j.state)
	stages = append(stages, stage{s, j.arrived})
	for _, s := range stages {
		switch {
		case t.failed != "":
			s.State, s.Because = status.CheckSkipped, t.failed
			t.say(s.CheckStep)
		case s.passed || j.arrived:
			t.say(s.CheckStep)
		default:
			_ = t.fails(s.CheckStep, err)
		}
	}
	return j.arrived
}

func (j *journey) seenConnection() []string {
	if j.reached == "" {
		return nil
	}
	return []string{fmt.Sprintf("%s in %s", printable.Text(j.reached), j.took.Round(time.Millisecond))}
}

// seenTLS says with whom a connection is, so that a proxy that inspects TLS is seen.
func seenTLS(s tls.ConnectionState) []string {
	if len(s.PeerCertificates) == 0 {
		return nil
	}
	leaf := s.PeerCertificates[0]
	seen := []string{tls.VersionName(s.Version), fmt.Sprintf("certificate from %q, until %s",
		printable.Text(cmp.Or(leaf.Issuer.CommonName, leaf.Issuer.String())), leaf.NotAfter.UTC().Format(time.DateOnly))}
	if len(s.VerifiedChains) > 0 {
		chain := s.VerifiedChains[0]
		root := chain[len(chain)-1].Subject
		seen = append(seen, fmt.Sprintf("root %q", printable.Text(cmp.Or(root.CommonName, root.String()))))
	}
	return seen
}
