package sipevent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/printable"
	"viaduct/appliance/roster"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/sipua"
	"viaduct/appliance/status"

	"github.com/emiago/sipgo/sip"
)

// A subscription has the PBX tell which calls an identity has (RFC 4235), or which messages wait for it (RFC 3842). It is one goroutine that asks, sleeps until half to four fifths of the
// granted time are over, and asks again.
const (
	// lifetime is asked for. A PBX that has restarted has forgotten its subscriptions, and says so with 481 when it is asked again: for so long its
	// lines are not known.
	lifetime     = 10 * time.Minute
	settleTime   = 5 * time.Second        // identities register first
	notifyTime   = 32 * time.Second       // for the first NOTIFY: 64*T1 (RFC 6665 4.1.2.4, Timer N)
	goodbyeTime  = 2 * time.Second        // for the SUBSCRIBE that ends it
	soundTime    = time.Minute            // a subscription that lives for so long works: failures are counted anew
	refusedPause = time.Hour              // until what a PBX does not offer is asked for again: somebody may have configured it there
	leastPause   = 5 * time.Second        // after a failure; it doubles
	mostPause    = 15 * time.Minute       // a PBX bans those who ask often with a wrong password
	missedPause  = time.Second            // until a full document is asked for, when one has been missed
	missedEvery  = time.Minute            // not more often than this
	resumePause  = 500 * time.Millisecond // until a subscription that the PBX has ended is made anew
)

// subscriptionSpec is everything that a subscription depends on; another spec is another subscription.
type subscriptionSpec struct {
	via                        sipdialog.Client
	event                      string // dialog or message-summary
	gateway, service, identity string
	from, resource             string // "sip:user.01@pbx", "sip:21@pbx"
	to                         siptransport.Target
	account                    config.Credential
}

// Key is what stays the same when the configuration of a subscription changes.
func (p subscriptionSpec) Key() string {
	return p.gateway + "\x00" + p.service + "\x00" + p.identity + "\x00" + p.event
}

// subscription belongs to its goroutine, except where noted.
type subscription struct {
	agent  *Agent
	spec   subscriptionSpec
	log    *slog.Logger
	asking sipua.Asking
	delay  time.Duration // before the first attempt
	kick   chan time.Duration

	mu       sync.Mutex       // of what NOTIFYs change
	dialog   *sipdialog.Event // nil: none
	born     time.Time        // the dialog
	expires  time.Time        // the dialog, at the PBX; zero: it is not taken yet
	asked    time.Duration    // that it shall live
	missed   time.Time        // when a full document was last asked for
	puzzled  bool             // the log has a line about what is not understood
	table    dialoginfo.Table
	failures int  // in a row
	line     Line // as it was told last

	*roster.Shown[status.Subscription]
}

// newSubscription returns one of so many subscriptions that start now.
func (a *Agent) newSubscription(spec subscriptionSpec, among int) *subscription {
	return &subscription{
		agent: a, spec: spec, log: a.o.Log.With("gw", spec.gateway, "name", spec.identity, "event", spec.event, "peer", spec.to.URI()),
		asking: sipua.Asking{Via: spec.via, Auth: sipmsg.NewAuthenticator(spec.account.Username, string(spec.account.Password)), Lifetime: lifetime},
		delay:  settleTime + rand.N(sipua.Spread(among)),
		kick:   make(chan time.Duration, 1),
		line:   Line{Identity: spec.identity, Origin: FromSubscription},
		Shown: roster.Show(status.Subscription{Gateway: spec.gateway, Identity: spec.identity, Event: spec.event, Resource: spec.resource,
			Peer: strings.TrimPrefix(spec.to.URI(), "sip:"), Since: time.Now()}),
	}
}

// Replaced: nothing is left to a new subscription.
func (s *subscription) Replaced(subscriptionSpec) {}

// Run subscribes, after a delay, until ctx ends; then it unsubscribes.
func (s *subscription) Run(ctx context.Context) {
	for next := s.delay; s.sleep(ctx, next); {
		next = s.attempt(ctx)
	}
	s.goodbye()
}

// sleep waits for the next attempt; false: there is none.
func (s *subscription) sleep(ctx context.Context, d time.Duration) bool {
	s.Change(func(st *status.Subscription) { st.Next = time.Now().Add(d) })
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return ctx.Err() == nil
		case in := <-s.kick:
			s.Change(func(st *status.Subscription) { st.Next = time.Now().Add(in) })
			timer.Reset(in)
		}
	}
}

// soon has the next attempt made in this time, whatever was planned. It may be called from any goroutine.
func (s *subscription) soon(in time.Duration) {
	select {
	case <-s.kick: // what is planned last counts
	default:
	}
	select {
	case s.kick <- in:
	default:
	}
}

// attempt subscribes, or refreshes the subscription, and returns when to do so again.
func (s *subscription) attempt(ctx context.Context) time.Duration {
	s.Change(func(st *status.Subscription) { st.Next = time.Time{} })
	start := time.Now()
	if s.silent() {
		s.drop()
		return s.failed(nil, errors.New("the PBX has taken the subscription and sent no NOTIFY"))
	}
	res, err := s.subscribe(ctx, s.asking.Lifetime)
	switch {
	case ctx.Err() != nil:
		return 0
	case err == nil && ends(res.StatusCode) && s.drop():
		return resumeIn() // it was a refresh: a new subscription may work
	case err == nil && res.StatusCode/100 != 2:
		err = fmt.Errorf("%d %s", res.StatusCode, printable.Text(res.Reason))
		fallthrough
	case err != nil:
		return s.failed(res, err)
	}
	granted := s.asking.Lifetime
	if d, ok := sipmsg.Seconds(res.Header("Expires")); ok {
		granted = min(granted, d)
	}
	if granted <= 0 {
		s.drop()
		return s.failed(res, errors.New("the PBX keeps the subscription for no time at all"))
	}
	return s.taken(res, start.Add(granted))
}

// silent reports whether no NOTIFY has come to a subscription that was taken.
func (s *subscription) silent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialog != nil && !s.dialog.Begun()
}

// taken notes a 2xx.
func (s *subscription) taken(res *sipmsg.Response, expires time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dialog == nil {
		return resumePause // its NOTIFY has come before, and ended it
	}
	s.sound()
	s.dialog.Confirm(res)
	s.expires = expires
	s.Change(func(st *status.Subscription) {
		st.Expires, st.Code, st.Error = expires, res.StatusCode, ""
		if st.State != status.SubscriptionActive {
			enter(st, status.SubscriptionPending)
		}
	})
	if !s.dialog.Begun() {
		return notifyTime
	}
	return refreshIn(time.Until(expires))
}

// resumeIn is when to subscribe anew. A PBX that restarts ends the subscriptions of all identities at once.
func resumeIn() time.Duration { return resumePause + rand.N(4*resumePause) }

// refreshIn is when to refresh what lives for so long.
func refreshIn(left time.Duration) time.Duration {
	return max(time.Duration(float64(left)*(0.5+0.3*rand.Float64())), leastPause)
}

// ends reports whether an answer says that a dialog is no more (RFC 6665 4.1.2.2, RFC 5057 5).
func ends(code int) bool {
	switch code {
	case 404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604:
		return true
	}
	return false
}

// failed notes a failed attempt. What is known of the line holds until the subscription expires.
func (s *subscription) failed(res *sipmsg.Response, err error) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, wait := s.retry(res)
	now := time.Now()
	if s.dialog != nil && now.Before(s.expires) {
		wait = min(wait, max(s.expires.Sub(now), time.Second))
	} else {
		s.gone()
	}
	why := printable.Text(err.Error())
	if state == status.SubscriptionRefused {
		why = events[s.spec.event].refused + ": " + why
	}
	s.Change(func(st *status.Subscription) {
		if !siptransport.IsSilence(err) && st.Error != why {
			s.log.Warn("subscription failed", "err", why)
		}
		st.Code, st.Error = 0, why
		if res != nil {
			st.Code = res.StatusCode
		}
		if s.dialog == nil {
			enter(st, state)
		}
	})
	return wait
}

// retry says what a failure means, and how long to wait: ever longer, not less than Retry-After. The lock is held.
func (s *subscription) retry(res *sipmsg.Response) (status.SubscriptionState, time.Duration) {
	if res != nil {
		switch res.StatusCode {
		case 405, 489, 501: // no SUBSCRIBE there, or no such event
			return status.SubscriptionRefused, refusedPause + rand.N(refusedPause/10)
		}
	}
	wait := s.backoff()
	if res != nil {
		wait = max(wait, min(res.RetryAfter(), refusedPause))
	}
	return status.SubscriptionFailed, wait
}

// backoff is the pause after one more failure. The lock is held.
func (s *subscription) backoff() time.Duration {
	wait := min(leastPause<<min(s.failures, 10), mostPause)
	s.failures++
	return wait + rand.N(wait/5)
}

// sound counts failures anew if the dialog has lived for long enough: a PBX that takes subscriptions and ends them at once is not asked all the time.
// The lock is held.
func (s *subscription) sound() bool {
	if time.Since(s.born) < soundTime {
		return false
	}
	s.failures = 0
	return true
}

// subscribe asks for a lifetime (0: to end it) and returns the final response.
func (s *subscription) subscribe(ctx context.Context, lifetime time.Duration) (*sipmsg.Response, error) {
	if err := s.spec.via.Resolve(ctx, s.spec.to); err != nil { // what we say of ourselves depends on where the PBX is
		return nil, err
	}
	return s.asking.Ask(ctx, lifetime, s.request)
}

// request builds the next SUBSCRIBE.
func (s *subscription) request(lifetime time.Duration) (*sip.Request, siptransport.Target, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dialog == nil {
		p := s.spec
		s.dialog, s.born = p.via.Event(p.resource, p.from, p.resource, p.identity, p.to), time.Now()
		s.agent.expect(s.dialog, s)
	}
	s.asked = lifetime
	return s.dialog.Request(sip.SUBSCRIBE, "", nil, sipmsg.Header{Name: "Event", Value: s.spec.event}, sipmsg.Header{Name: "Accept", Value: events[s.spec.event].document},
		sipmsg.Header{Name: "Expires", Value: seconds(lifetime)})
}

// goodbye tells the PBX that nobody wants to know any more.
func (s *subscription) goodbye() {
	s.mu.Lock()
	stands := s.dialog != nil
	s.mu.Unlock()
	if stands {
		ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime)
		defer cancel()
		if _, err := s.subscribe(ctx, 0); err != nil {
			s.log.Info("PBX not told of the end of a subscription", "err", err)
		}
	}
	s.drop()
}

// drop forgets the dialog, if there is one that has begun at the PBX, and what is known of the line.
func (s *subscription) drop() (stood bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stood = s.dialog != nil && !s.expires.IsZero()
	s.gone()
	return stood
}

// gone does so. The lock is held.
func (s *subscription) gone() {
	if s.dialog != nil {
		s.agent.forget(s.dialog)
	}
	s.dialog, s.expires, s.missed, s.puzzled, s.table = nil, time.Time{}, time.Time{}, false, dialoginfo.Table{}
	s.Change(func(st *status.Subscription) {
		st.Expires = time.Time{}
		enter(st, status.Subscribing)
	})
	s.tell(false)
}
