package call

import (
	"encoding/json"
	"errors"
	"iter"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/disturb"
	"viaduct/appliance/forecast"
	"viaduct/appliance/media"
	"viaduct/appliance/pair"
	"viaduct/appliance/refusal"
	"viaduct/appliance/route"
	"viaduct/appliance/status"
)

// wanted finds out for which Teams user an attempt is, and whether he wants to be rung: the zero failure. An emergency call does not ask.
func (c *call) wanted(s *hunting, a *route.Attempt) refusal.Failure {
	s.whom = c.m.guard.Whom(c.cfg, s.asked, a)
	if s.urgent {
		return refusal.Failure{}
	}
	return refusal.Declined(c.m.guard.Refuses(s.whom))
}

// unwanted refuses the call before it takes anything, when none of its destinations wants it.
func (c *call) unwanted() bool {
	var f refusal.Failure
	for n := range c.plan.Attempts {
		if f = c.wanted(&c.hunting, &c.plan.Attempts[n]); f.Code == 0 {
			return false
		}
	}
	if f.Code == 0 {
		return false
	}
	first := &c.plan.Attempts[0]
	c.record.Begin(first.Interface, status.ChosenFirst, &first.Call)
	c.record.Attempt(status.Declined, f.Text)
	c.refuse(f)
	return true
}

// carry notes which identity takes part on a side; "": none, or nobody knows which.
func (c *call) carry(side media.Side, identity string) {
	c.m.guard.Carry(c.carried[side], identity)
	c.carried[side] = identity
}

// Foresee says how a call with this plan would go if it were made now, under a configuration. It was asked with p by an interface.
func (m *Manager) Foresee(cfg *config.Config, from config.InterfaceID, p route.Call, plan *route.Plan) forecast.Forecast {
	w := forecast.World{Unavailable: m.Peers.Unavailable, Spares: m.Service.Spares, Free: m.Licenses.Free, Guard: m.guard, Resolved: m.Resolved, Phones: m.foreseePhones}
	return w.Of(cfg, from, p, plan)
}

func (m *Manager) foreseePhones(i *config.SIPInterface, a *route.Attempt) (n, code int, why string) {
	targets, _, f := m.phonesOf(i, a)
	return len(targets), f.Code, f.Text
}

// Carries reports whether there is a call from or to Teams in which an identity takes part. It may be asked from any goroutine.
func (m *Manager) Carries(identity string) bool { return m.guard.Carries(identity) }

// rescue notes who makes an emergency call: he may be called back.
func (c *call) rescue(account, number string) {
	c.m.guard.Rescues(disturb.User{Identity: account, Number: number})
	c.m.tellRescued()
}

// tellRescued has the standby know all who may be called back.
func (m *Manager) tellRescued() {
	if !m.paired() {
		return
	}
	if b, err := json.Marshal(m.guard.Rescued()); err == nil { // texts and times
		m.Pair.Put(pair.Rescued, "rescued", b)
	}
}

// RestoreRescued takes from the other box of the pair who has called an emergency number there, and may be called back.
func (m *Manager) RestoreRescued(kept iter.Seq[pair.Kept]) error {
	var errs error
	for k := range kept {
		var rescued map[string]time.Time
		err := json.Unmarshal(k.Value, &rescued)
		errs = errors.Join(errs, err)
		m.guard.Resume(rescued)
	}
	m.tellRescued()
	return errs
}
