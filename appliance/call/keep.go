package call

import (
	"viaduct/appliance/callkeep"
	"viaduct/appliance/callside"
	"viaduct/appliance/callstate"
	"viaduct/appliance/sipgw"
)

// An established call is kept by the standby box of a pair. Whatever another box must know to go on marks the call as changed; at the end of the
// function that changed it, its value goes to the standby. A transfer that is under way, or an INVITE with Replaces that waits, is not part of
// it: the other box has the two that talk.

// changed notes that the standby knows the call as it was.
func (c *call) changed() { c.stale = true }

// changes notes what an event may have changed. Digits and the course of a REFER change nothing that is kept.
func (c *call) changes(e sipgw.Event) {
	switch e.(type) {
	case sipgw.Offered, sipgw.Answered, sipgw.Acked, sipgw.Failed, sipgw.Ended, sipgw.Refreshed:
		c.changed()
	}
}

// stands reports whether the call is one that another box can go on with.
func (c *call) stands() bool { return c.state == callstate.Connected || c.state == callstate.Held }

// keep has the standby keep the call as it is now.
func (c *call) keep() {
	if !c.stale || !c.stands() || !c.m.paired() {
		return
	}
	c.stale = false
	b, err := callkeep.Marshal(c.value())
	if err != nil {
		c.log.Error("call not kept by the standby", "err", err)
		c.m.keeper.Drop(c.id) // an old value would be worse than none
		return
	}
	var s callkeep.Sessions
	s[0] = c.media
	for n, x := range []*side{&c.a, &c.b} {
		if x.Hop != nil {
			s[1+n] = x.Hop.Session
		}
	}
	c.m.keeper.Put(c.id, b, s)
}

// paired reports whether there is another box that is to know the calls.
func (m *Manager) paired() bool {
	cfg := m.Config()
	return cfg != nil && cfg.Pair() != nil
}

// value is the call for another box.
func (c *call) value() *callkeep.Call {
	v := &callkeep.Call{
		ID: c.id, State: c.state, Media: c.media.State(), Record: c.record.State(), Carried: c.carried, Lamps: c.lamps.Lit, Holds: c.holds(), Urgent: c.urgent,
		Back: c.referredBack, Origin: callkeep.Origin{Forwards: c.origin.forwards, Hops: c.origin.hops, Diverted: c.origin.diverted},
		Sides: [2]callkeep.Side{c.a.Value(), c.b.Value()},
	}
	if c.plan != nil && c.attempt >= 0 && c.attempt < len(c.plan.Attempts) {
		a := &c.plan.Attempts[c.attempt]
		v.Goes = &callkeep.Destination{Interface: callkeep.Interface(a.Interface), Call: a.Call, Written: a.Written}
	}
	if u := c.joined; u != nil {
		v.Joined = &callkeep.Joined{Other: u.other.id, Side: u.x.Which, Agreed: u.agreed, Left: callside.LegState(u.left)}
	}
	return v
}
