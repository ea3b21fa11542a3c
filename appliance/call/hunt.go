package call

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/disturb"
	"viaduct/appliance/route"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/status"
)

// hunting is the way of a call, or of a transfer, through the destinations of its plan.
type hunting struct {
	plan     *route.Plan
	attempt  int         // index into plan.Attempts of the one under way; -1: none yet
	noAnswer *time.Timer // the one under way has not answered at all
	urgent   bool        // to an emergency number
	asked    disturb.Asked
	whom     disturb.User // of the attempt under way
	phones   ringing      // of the attempt under way
	rang     bool         // a destination has sent 18x, and no other is tried: the callee's phones would ring again (teams.md A.30)
	forwards []string     // identities whose phones have forwarded it, see forward.go
}

// hunt tries the destinations that follow a failure f. False, with the failure to report, means that no attempt is under way.
func (c *call) hunt(s *hunting, f callFailure, invite func(*config.SIPInterface, *route.Attempt) error) (callFailure, bool) {
	s.alive()
	for {
		n, why := s.attempt, status.ChosenPhone
		if !s.phones.waits(f) {
			var ok bool
			if n, ok = s.following(f); !ok || s.rang {
				return f, false
			}
			s.attempt, s.phones = n, ringing{}
			why = c.chosen(s, f)
		}
		c.tellLamps() // that the one before is over
		a := &s.plan.Attempts[n]
		c.record.Begin(a.Interface, why, &a.Call)
		if f = c.try(s, a, invite); f.code == 0 {
			return f, true
		}
	}
}

// startHunt puts the destinations of a plan into the order in which they are tried.
func (c *call) startHunt(s *hunting) {
	s.plan.Rotate(c.m.nextInCycle)
	if s.urgent {
		c.likelyFirst(s)
	}
	s.attempt = -1
}

// decided lets go of the destinations that will not be tried, and of how all were found: the one that answered stays, see counterpart.
func (s *hunting) decided() {
	s.phones.stop()
	if s.plan != nil && s.attempt >= 0 && s.attempt < len(s.plan.Attempts) {
		s.plan, s.attempt = &route.Plan{Attempts: []route.Attempt{s.plan.Attempts[s.attempt]}}, 0
	}
}

// following is the attempt to make after the present one has failed with f.
func (s *hunting) following(f callFailure) (int, bool) {
	switch n := s.attempt + 1; {
	case n == 0 || s.urgent: // an emergency call tries every destination, whatever the one before said
		return n, n < len(s.plan.Attempts)
	case f.local:
		return s.plan.Next(s.attempt, route.NoAnswer)
	default:
		return s.plan.Next(s.attempt, f.cause)
	}
}

// chosen is why the attempt at hand has its turn, after a failure f of the one before.
func (c *call) chosen(s *hunting, f callFailure) status.Chosen {
	switch {
	case s.attempt == 0 && len(s.forwards) > 0:
		return status.ChosenForwarded
	case s.attempt == 0 && s != &c.hunting:
		return status.ChosenTransfer
	case s.attempt == 0:
		return status.ChosenFirst
	case s.urgent:
		return status.ChosenEmergency
	case f.local:
		return status.ChosenUnreached
	}
	return status.ChosenHunted
}

// try starts one attempt. The zero failure means that it is under way.
func (c *call) try(s *hunting, a *route.Attempt, invite func(*config.SIPInterface, *route.Attempt) error) callFailure {
	_, i := a.Interface.In(c.cfg)
	skipped := callFailure{local: true, code: 503, cause: 38, reason: "Service Unavailable"}
	if i == nil {
		skipped.text = "interface " + a.Interface.String() + " does not exist"
		c.record.Attempt(status.Skipped, skipped.text)
		return skipped
	}
	if f := c.find(s, i, a); f.code != 0 {
		c.log.Info("destination skipped", "if", a.Interface, "err", f.text)
		c.record.Attempt(status.Skipped, f.text)
		return f
	}
	if f := c.wanted(s, a); f.code != 0 {
		c.log.Info("destination skipped", "if", a.Interface, "err", f.text)
		c.record.Attempt(status.Declined, f.text)
		return f
	}
	if why := c.m.unavailable(i); why != "" && !s.urgent {
		c.log.Info("destination skipped", "if", a.Interface, "err", why)
		skipped.text = "the peer of " + a.Interface.String() + " " + why
		c.record.Attempt(status.Skipped, skipped.text)
		return skipped
	}
	if why := c.m.Service.Spares(a.Interface); why != "" && !s.urgent && s == &c.hunting {
		c.log.Info("destination skipped", "if", a.Interface, "err", why)
		skipped.text = why
		c.record.Attempt(status.Skipped, skipped.text)
		return skipped
	}
	if err := invite(i, a); err != nil {
		c.log.Warn("destination not tried", "if", a.Interface, "err", err)
		var e *sdp.Error
		f := unlicensed(err)
		if errors.As(err, &e) {
			f = unusable(err)
		}
		f.local = true
		c.record.Attempt(status.Skipped, f.text)
		return f
	}
	return callFailure{}
}

// limitSilence gives up the attempt under way, which calls x, when its peer has sent nothing, not even 100, within the timeout of
// the hunt group.
func (c *call) limitSilence(s *hunting, x *side, next func(callFailure)) {
	d := s.plan.Attempts[s.attempt].Timeout
	if d == 0 {
		return
	}
	var t *time.Timer
	t = c.after(d, func() {
		if !c.ended() && s.noAnswer == t {
			c.giveUpSilent(x, d, next)
		}
	})
	s.noAnswer = t
}

// alive stops that timer: the peer has sent something.
func (s *hunting) alive() {
	stop(s.noAnswer)
	s.noAnswer = nil
}

func (c *call) giveUpSilent(x *side, d time.Duration, next func(callFailure)) {
	x.leg.Cancel()
	x.leg = nil
	f := callFailure{local: true, code: 503, cause: 41, reason: "Service Unavailable", text: "no answer within " + d.String()}
	c.record.Attempt(status.Silent, f.text)
	c.log.Warn("destination does not answer", "if", x.iface.ID())
	next(f)
}

// rejection reads a final response. For 4xx and 6xx the status code decides; a Reason header only refines a 5xx. Teams says "busy on
// busy" with 486 and cause 34 (teams.md A.29): a hunt on that cause would ring the callee three times.
func (c *call) rejection(by *side, rang bool, e sipgw.Failed) callFailure {
	// Its reason phrase stays here: it is text of one side and may name things there.
	f := callFailure{code: e.Code, text: e.Text, retry: e.RetryAfter, cause: route.CauseFromSIP(e.Code)}
	if e.Code >= 500 && e.Code < 600 && e.Cause != 0 {
		f.cause = e.Cause
	}
	if e.Local {
		// DNS, TCP, TLS or a peer that is gone: the next destination at once.
		f.local, f.cause, f.reason = true, 38, "Service Unavailable"
		if f.code < 500 || f.code >= 600 {
			f.code = 503
		}
		if e.Err != nil {
			f.text = e.Err.Error()
		}
	}
	switch {
	case rang && (e.Local || e.Code == 408 || e.Code == 503 || e.Code == 504):
		// It has rung. 408, 503 and 504 would make Teams try its next trunk, and the phone ring again.
		f.code, f.reason, f.cause = 480, "Temporarily Unavailable", 19
	case e.Code == 401 || e.Code == 407:
		// The caller cannot answer a challenge that was meant for our account.
		f.code, f.reason = 503, "Service Unavailable"
	case e.Code >= 300 && e.Code < 400:
		f.code, f.reason, f.cause = 480, "Temporarily Unavailable", 23
	}
	c.record.Rejected(by.iface, e)
	return f
}

// An emergency call (`emergency-number`) is never refused by a rule of the box: neither by licenses, nor by the rate of calls
// (package sipgw), nor because a destination does not answer OPTIONS or has lost its registration. Every destination is tried,
// whatever the one before has said, and those that seem to work come first.

// urgency finds out whether a call is an emergency call: by the number that was dialled, or by the number that routing made of it.
func (c *call) urgency(s *hunting, from *config.SIPInterface, called string) {
	sw := c.cfg.SwitchOf(from)
	s.urgent = sw.IsEmergency(called) || slices.ContainsFunc(s.plan.Attempts, func(a route.Attempt) bool {
		return sw.IsEmergency(a.Call.CalledE164)
	})
	if s.urgent {
		c.log.Warn("emergency call", "if", from.ID())
	}
}

// likelyFirst moves destinations that answer OPTIONS to the front.
func (c *call) likelyFirst(s *hunting) {
	rankOf := func(a *route.Attempt) int {
		_, i := a.Interface.In(c.cfg)
		if i == nil {
			return 0
		}
		return rank(c.m.unavailable(i))
	}
	slices.SortStableFunc(s.plan.Attempts, func(a, b route.Attempt) int { return rankOf(&b) - rankOf(&a) })
}

func rank(unavailable string) int {
	if unavailable == "" {
		return 1
	}
	return 0
}

// switchOf returns the context cs that holds the interface, an empty one when none does.
func switchOf(cfg *config.Config, i *config.SIPInterface) *config.Switch {
	return cmp.Or(cfg.SwitchOf(i), &config.Switch{})
}

// showRoute logs the steps of a call through the tables for `debug route`, one line each.
func (c *call) showRoute(plan *route.Plan) {
	if plan == nil || !c.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	for _, step := range plan.Trace {
		c.log.Debug("route", "topic", "route", "name", step.String())
	}
}
