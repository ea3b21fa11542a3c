package sipua

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/printable"
	"viaduct/appliance/roster"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"

	"github.com/emiago/sipgo/sip"
)

// A registration keeps one identity registered with its registrar (RFC 3261 section 10.2). It is one goroutine that asks, sleeps
// until half to four fifths of the granted time are over, and asks again; what it does when refused is in retry.
const (
	startSpread  = 20 * time.Millisecond // registrations start within this time each, so that hundreds of accounts are no burst
	maxSpread    = 10 * time.Second
	goodbyeTime  = 2 * time.Second  // for unregistering at the end
	maxWait      = time.Hour        // the longest Retry-After that we keep to
	leadInterval = 40 * time.Second // one identity of each registrar asks so often: a PBX that has gone silent is noticed within a minute
)

// registrationSpec is everything that a registration depends on; another spec is another registration.
type registrationSpec struct {
	via                        client
	gateway, service, identity string
	aor                        string // "sip:user@domain"
	uri                        string // Request-URI: the registrar
	contact                    string // our Contact URI
	to                         siptransport.Target
	account                    config.Credential
	lifetime                   time.Duration
	clientError, serverError   time.Duration // retry time-outs
	systemError                time.Duration
	lead                       bool // the first identity of its registrar
}

// key is what stays the same when the configuration of a registration changes.
func (p registrationSpec) Key() string { return p.gateway + "\x00" + p.service + "\x00" + p.identity }

// binds tells whether two specs make the same binding, so that one can take over from the other without unregistering.
func (p registrationSpec) binds(q registrationSpec) bool {
	return p.via == q.via && p.aor == q.aor && p.to == q.to && p.contact == q.contact
}

// client is the part of a sipdialog.Client that registrations and probes use.
type client interface {
	Resolve(ctx context.Context, to siptransport.Target) error
	Contact(user string, to siptransport.Target) string
	NewRequest(method sip.RequestMethod, uri, from, to, contactUser string, where siptransport.Target, h ...sipmsg.Header) (*sip.Request, error)
	Do(ctx context.Context, req *sip.Request, to siptransport.Target) (*sipmsg.Response, error)
}

// registration belongs to its goroutine, except where noted.
type registration struct {
	spec     registrationSpec
	log      *slog.Logger
	asking   Asking
	first    *sip.Request // the others are copies of it: one Call-ID for all (RFC 3261 section 10.2)
	contact  string       // our Contact URI in the last request
	cseq     uint32
	delay    time.Duration // before the first attempt
	bound    bool          // there is, or may be, a binding at the registrar
	refusals int           // in a row: credentials refused
	failures int           // in a row: everything else

	kick     chan time.Duration // an attempt in this time, whatever was planned
	demand   chan struct{}      // one token: an administrator wants an attempt now
	takeover atomic.Bool        // a successor keeps our binding: do not unregister

	*roster.Shown[status.Registration]
}

// newRegistration returns one of so many registrations that start now.
func newRegistration(spec registrationSpec, among int, log *slog.Logger) *registration {
	return &registration{
		spec: spec, log: log.With("gw", spec.gateway, "name", spec.identity, "peer", spec.uri),
		asking: Asking{Via: spec.via, Auth: sipmsg.NewAuthenticator(spec.account.Username, string(spec.account.Password)), Lifetime: spec.lifetime}, delay: rand.N(Spread(among)),
		kick: make(chan time.Duration, 1), demand: make(chan struct{}, 1),
		Shown: roster.Show(status.Registration{Gateway: spec.gateway, Identity: spec.identity, AOR: spec.aor,
			Registrar: strings.TrimPrefix(spec.uri, "sip:"), Since: time.Now()}),
	}
}

// Spread is the time within which so many registrations, or what else identities ask for, start.
func Spread(among int) time.Duration {
	return min(startSpread*time.Duration(max(among, 1)), maxSpread)
}

// Replaced: a new registration that makes the same binding goes on with it.
func (r *registration) Replaced(by registrationSpec) { r.takeover.Store(by.binds(r.spec)) }

// Run registers, after a delay, until ctx ends; then it unregisters.
func (r *registration) Run(ctx context.Context) {
	for next := r.delay; r.sleep(ctx, next); {
		next = r.attempt(ctx)
	}
	r.goodbye()
}

// sleep waits for the next attempt; false: there is none.
func (r *registration) sleep(ctx context.Context, d time.Duration) bool {
	r.Change(func(s *status.Registration) { s.Next = time.Now().Add(d) })
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return ctx.Err() == nil
		case <-r.demand:
			r.refusals, r.failures = 0, 0 // the password may be another one now, at either end
			return ctx.Err() == nil
		case soon := <-r.kick:
			// A registrar that refused our password is not asked more often because a link flaps.
			if r.refusals == 0 {
				timer.Reset(soon)
			}
		}
	}
}

// attempt registers once and returns when to do so again.
func (r *registration) attempt(ctx context.Context) time.Duration {
	r.Change(func(s *status.Registration) { s.Next = time.Time{} })
	start := time.Now()
	res, err := r.exchange(ctx, r.asking.Lifetime)
	if ctx.Err() != nil {
		r.bound = r.bound || err != nil && res == nil || err == nil && res.StatusCode/100 == 2 // a request without response may have arrived
		return 0
	}
	var granted time.Duration
	if err == nil && res.StatusCode/100 == 2 {
		if granted = grantedTime(res, r.contact, r.asking.Lifetime); granted <= 0 {
			err = errors.New("registrar keeps the registration for no time at all")
		}
	} else if err == nil {
		err = fmt.Errorf("%d %s", res.StatusCode, printable.Text(res.Reason))
	}
	if err != nil {
		return r.failed(res, err)
	}
	r.bound, r.refusals, r.failures = true, 0, 0
	r.Change(func(s *status.Registration) {
		if s.State != status.Registered {
			r.log.Info("registered", "code", res.StatusCode)
			s.State, s.Since = status.Registered, time.Now()
		}
		s.Expires, s.Code, s.Reason, s.Error = start.Add(granted), res.StatusCode, printable.Text(res.Reason), ""
	})
	wait := time.Duration(float64(granted) * (0.5 + 0.3*rand.Float64()))
	if r.spec.lead {
		wait = min(wait, leadInterval)
	}
	return max(wait, time.Second)
}

// failed notes a failed attempt. A registration that has not expired yet goes on being one.
func (r *registration) failed(res *sipmsg.Response, err error) time.Duration {
	wait := r.retry(res, err)
	r.Change(func(s *status.Registration) {
		why := printable.Text(err.Error())
		if !siptransport.IsSilence(err) && s.Error != why {
			r.log.Warn("registration failed", "err", err)
		}
		s.Code, s.Reason, s.Error = 0, "", why
		if res != nil {
			s.Code, s.Reason = res.StatusCode, printable.Text(res.Reason)
		}
		if s.State != status.RegistrationFailed && !time.Now().Before(s.Expires) {
			s.State, s.Since = status.RegistrationFailed, time.Now()
		}
	})
	return wait
}

// retry says how long to wait after a failure: the retry time-out of its kind, with some jitter, not less than Retry-After.
//
// Refused credentials are repeated ever more slowly: a PBX bans an address after a few of them within ten minutes.
// A peer that cannot be reached is tried soon at first, because names and routes are often seconds away when a box starts.
func (r *registration) retry(res *sipmsg.Response, err error) time.Duration {
	var wait, least time.Duration
	if res != nil {
		least = min(res.RetryAfter(), maxWait)
	}
	switch {
	case siptransport.IsUnreached(err):
		r.failures++
		wait = min(r.spec.systemError, time.Second<<min(r.failures-1, 10))
	case res == nil || res.StatusCode == 408:
		wait = r.spec.systemError
	case res.StatusCode == 401 || res.StatusCode == 403 || res.StatusCode == 407:
		steps := []time.Duration{1, 6, 30, 60, 90}
		wait = min(r.spec.clientError*steps[min(r.refusals, len(steps)-1)], max(15*time.Minute, r.spec.clientError))
		r.refusals++
	case res.StatusCode < 500 || res.StatusCode >= 600:
		wait = min(r.spec.clientError<<min(r.failures, 10), max(2*time.Minute, r.spec.clientError))
		r.failures++
	default:
		wait = r.spec.serverError
	}
	wait = max(wait, time.Second)
	return max(wait+rand.N(wait/5), least)
}

// exchange sends a REGISTER for a lifetime (0: unregister), answers challenges and a 423, and returns the final response.
// The error is one of transport, of digest, or of the context; a refusal by the registrar is a response.
func (r *registration) exchange(ctx context.Context, lifetime time.Duration) (*sipmsg.Response, error) {
	if err := r.spec.via.Resolve(ctx, r.spec.to); err != nil { // what we say of ourselves depends on where the registrar is
		return nil, err
	}
	return r.asking.Ask(ctx, lifetime, r.request)
}

// request builds the next REGISTER.
func (r *registration) request(lifetime time.Duration) (*sip.Request, siptransport.Target, error) {
	if r.first == nil {
		req, err := r.spec.via.NewRequest(sip.REGISTER, r.spec.uri, r.spec.aor, r.spec.aor, r.spec.identity, r.spec.to)
		if err != nil {
			return nil, r.spec.to, err
		}
		r.first = req
	}
	req := r.first.Clone()
	r.cseq++
	req.ReplaceHeader(&sip.CSeqHeader{SeqNo: r.cseq, MethodName: sip.REGISTER})
	r.contact = r.spec.via.Contact(r.spec.identity, r.spec.to)
	req.ReplaceHeader(sip.NewHeader("Contact", "<"+r.contact+">"))
	req.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(int(lifetime/time.Second))))
	return req, r.spec.to, nil
}

// goodbye takes our binding back, so that the PBX does not ring a box that has gone.
func (r *registration) goodbye() {
	if !r.bound || r.takeover.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime)
	defer cancel()
	if _, err := r.exchange(ctx, 0); err != nil {
		r.log.Info("registrar not told of our end", "err", err)
	}
}

// Snapshot is the state now. A registration ends when it expires, even while the next attempt is under way.
func (r *registration) Snapshot() status.Registration {
	s := r.Shown.Snapshot()
	if s.State == status.Registered && !time.Now().Before(s.Expires) {
		s.State, s.Since = status.Registering, s.Expires
		if s.Error != "" {
			s.State = status.RegistrationFailed
		}
	}
	return s
}

// grantedTime reads from a 200 how long our contact is registered: its own expires parameter among all contacts of the AOR,
// else the Expires header, else what we asked for (RFC 3261 section 10.2.4), and never longer than that. A registrar behind NAT, or one
// that stores where a request came from, gives our contact back with another address: then the shortest of those with our user
// part counts, or of all. To ask too early costs one request, too late every call until then.
func grantedTime(res *sipmsg.Response, contact string, asked time.Duration) time.Duration {
	otherwise := asked
	if d, ok := sipmsg.Seconds(res.Header("Expires")); ok {
		otherwise = min(asked, d)
	}
	ours := sipmsg.SplitURI(contact)
	best, closest := otherwise, 0
	for _, n := range sipmsg.ParseList(res.Contacts) {
		granted := otherwise
		if e, ok := sipmsg.Param(n.Params, "expires"); ok {
			if d, ok := sipmsg.Seconds(e); ok {
				granted = min(asked, d)
			}
		}
		switch like := likeness(sipmsg.SplitURI(n.URI), ours); {
		case like > closest, like == closest && best == 0: // 0 is a binding that has ended, while another one may stand
			best, closest = granted, like
		case like == closest && granted != 0:
			best = min(best, granted)
		}
	}
	return best
}

// likeness tells how sure it is that a contact is ours: 3 is the same, 2 has our user part, 1 is any other.
func likeness(u, ours sipmsg.URI) int {
	switch {
	case u.User != ours.User:
		return 1
	case strings.EqualFold(u.Host, ours.Host) && cmp.Or(u.Port, 5060) == cmp.Or(ours.Port, 5060):
		return 3
	}
	return 2
}
