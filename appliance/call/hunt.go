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
	"viaduct/appliance/refusal"
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
func (c *call) hunt(s *hunting, f refusal.Failure, invite func(*config.SIPInterface, *route.Attempt) error) (refusal.Failure, bool) {
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
		if f = c.try(s, a, invite); f.Code == 0 {
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
func (s *hunting) following(f refusal.Failure) (int, bool) {
	switch n := s.attempt + 1; {
	case n == 0 || s.urgent: // an emergency call tries every destination, whatever the one before said
		return n, n < len(s.plan.Attempts)
	case f.Local:
		return s.plan.Next(s.attempt, route.NoAnswer)
	default:
		return s.plan.Next(s.attempt, f.Cause)
	}
}

// chosen is why the attempt at hand has its turn, after a failure f of the one before.
func (c *call) chosen(s *hunting, f refusal.Failure) status.Chosen {
	switch {
	case s.attempt == 0 && len(s.forwards) > 0:
		return status.ChosenForwarded
	case s.attempt == 0 && s != &c.hunting:
		return status.ChosenTransfer
	case s.attempt == 0:
		return status.ChosenFirst
	case s.urgent:
		return status.ChosenEmergency
	case f.Local:
		return status.ChosenUnreached
	}
	return status.ChosenHunted
}

// try starts one attempt. The zero failure means that it is under way.
func (c *call) try(s *hunting, a *route.Attempt, invite func(*config.SIPInterface, *route.Attempt) error) refusal.Failure {
	_, i := a.Interface.In(c.cfg)
	skipped := refusal.Failure{Local: true, Code: 503, Cause: 38, Reason: "Service Unavailable"}
	if i == nil {
		skipped.Text = "interface " + a.Interface.String() + " does not exist"
		c.record.Attempt(status.Skipped, skipped.Text)
		return skipped
	}
	if f := c.find(s, i, a); f.Code != 0 {
		c.log.Info("destination skipped", "if", a.Interface, "err", f.Text)
		c.record.Attempt(status.Skipped, f.Text)
		return f
	}
	if f := c.wanted(s, a); f.Code != 0 {
		c.log.Info("destination skipped", "if", a.Interface, "err", f.Text)
		c.record.Attempt(status.Declined, f.Text)
		return f
	}
	if why := c.m.unavailable(i); why != "" && !s.urgent {
		c.log.Info("destination skipped", "if", a.Interface, "err", why)
		skipped.Text = "the peer of " + a.Interface.String() + " " + why
		c.record.Attempt(status.Skipped, skipped.Text)
		return skipped
	}
	if why := c.m.Service.Spares(a.Interface); why != "" && !s.urgent && s == &c.hunting {
		c.log.Info("destination skipped", "if", a.Interface, "err", why)
		skipped.Text = why
		c.record.Attempt(status.Skipped, skipped.Text)
		return skipped
	}
	if err := invite(i, a); err != nil {
		c.log.Warn("destination not tried", "if", a.Interface, "err", err)
		var e *sdp.Error
		f := refusal.Unlicensed(err)
		if errors.As(err, &e) {
			f = refusal.Unusable(err)
		}
		f.Local = true
		c.record.Attempt(status.Skipped, f.Text)
		return f
	}
	return refusal.Failure{}
}

// limitSilence gives up the attempt under way, which calls x, when its peer has sent nothing, not even 100, within the timeout of
// the hunt group.
func (c *call) limitSilence(s *hunting, x *side, next func(refusal.Failure)) {
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

func (c *call) giveUpSilent(x *side, d time.Duration, next func(refusal.Failure)) {
	x.Leg.Cancel()
	x.Leg = nil
	f := refusal.Failure{Local: true, Code: 503, Cause: 41, Reason: "Service Unavailable", Text: "no answer within " + d.String()}
	c.record.Attempt(status.Silent, f.Text)
	c.log.Warn("destination does not answer", "if", x.Interface.ID())
	next(f)
}

// rejection reads a final response of the peer of a side.
func (c *call) rejection(by *side, rang bool, e sipgw.Failed) refusal.Failure {
	c.record.Rejected(by.Interface, e)
	return refusal.Of(e, rang)
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
