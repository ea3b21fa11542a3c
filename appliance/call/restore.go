package call

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"time"

	"viaduct/appliance/callkeep"
	"viaduct/appliance/callrecord"
	"viaduct/appliance/callside"
	"viaduct/appliance/callstate"
	"viaduct/appliance/config"
	"viaduct/appliance/giveway"
	"viaduct/appliance/mailbox"
	"viaduct/appliance/media"
	"viaduct/appliance/pair"
	"viaduct/appliance/refusal"
	"viaduct/appliance/route"
	"viaduct/appliance/status"
)

// restored is a call of the other box before it goes on here.
type restored struct {
	*call
	err   error  // why it can only be ended
	ended bool   // there is a record of it: it had ended already
	other string // that it was joined with
}

// Restore goes on with the calls of the other box of the pair, which is no more or has handed over. It must come after the gateways and the relay
// are there. A call that cannot go on is ended as far as it can be, with a record; errs says why, for each. A call of which there is a record
// had ended: its legs are ended once more, as nobody knows whether the other box could say so.
//
// The calls that this box has already are told to the standby as well: the pair may be new.
func (m *Manager) Restore(calls, media iter.Seq[pair.Kept]) (n int, errs error) {
	marks := map[string]pair.Kept{}
	for k := range media {
		marks[k.ID] = k
	}
	present := m.list("")
	var list []restored
	for _, k := range callkeep.ReadAll(calls) {
		r, err := m.restore(k, marks[k.ID])
		if err != nil {
			r.err = err
			errs = errors.Join(errs, fmt.Errorf("call %s: %w", k.ID, err))
			m.log.Error("call of the other box cannot go on", "call", k.ID, "err", err)
		}
		if r.call != nil {
			list = append(list, r)
		}
	}
	m.mu.Lock()
	for _, r := range list {
		m.calls[r.id] = r.call
		m.group.Add(1)
	}
	for i := range list {
		if r := &list[i]; r.joined != nil {
			if r.joined.other = m.calls[r.other]; r.joined.other == nil {
				r.joined, r.err = nil, errors.New("the call that it was joined with is not there")
				errs = errors.Join(errs, fmt.Errorf("call %s: %w", r.id, r.err))
			}
		}
	}
	m.mu.Unlock()
	for _, r := range list {
		m.room.Enter(r.id, netip.Addr{})
		m.room.Reached(r.id, giveway.Talking)
		r.do(func() { r.goOn(r) })
		go r.run()
		if r.err == nil && !r.ended {
			n++
		}
	}
	for _, c := range present {
		c.do(c.changed)
	}
	return n, errs
}

// restore makes the call that the other box had, and does not start it.
func (m *Manager) restore(k callkeep.Read, marks pair.Kept) (r restored, err error) {
	v := k.Call
	switch {
	case k.Err != nil:
		return r, k.Err
	case v.ID != k.ID || len(m.list(v.ID)) > 0:
		return r, errors.New("there is another call of this name")
	}
	c := &call{
		m: m, id: v.ID, log: m.log.With("call", v.ID), box: mailbox.Under(m.turns, true), done: make(chan struct{}), cfg: m.Config(), state: v.State,
		record: callrecord.Restore(v.Record, m.Leg), origin: origin{forwards: v.Origin.Forwards, hops: v.Origin.Hops, diverted: v.Origin.Diverted},
		lease: lease{share: m.Licenses.Resume(v.Holds.Sessions, v.Holds.Channels)},
	}
	c.a, c.b = callside.FromValue(c.cfg, media.A, &v.Sides[0]), callside.FromValue(c.cfg, media.B, &v.Sides[1])
	c.props, c.plan, c.urgent, c.lamps.Lit, c.referredBack = c.record.Properties(), &route.Plan{}, v.Urgent, v.Lamps, v.Back
	c.props.Time = c.record.Started.In(c.cfg.Clock.Location())
	if g := v.Goes; g != nil {
		c.plan.Attempts = []route.Attempt{{Interface: config.InterfaceID(g.Interface), Call: g.Call, Written: g.Written}}
	}
	c.carry(media.A, v.Carried[0])
	c.carry(media.B, v.Carried[1])
	if r.call = c; v.Joined != nil {
		r.other = v.Joined.Other
	}
	r.ended = m.Recorded != nil && m.Recorded(c.id)
	since := time.Since(k.At)
	return r, errors.Join(c.restoreMedia(v, since, marks), c.restoreLegs(v, since))
}

// restoreLegs restores as many legs as can be, so that those can be ended at least.
func (c *call) restoreLegs(v *callkeep.Call, since time.Duration) (err error) {
	for n, s := range []*side{&c.a, &c.b} {
		var failed error
		if leg := v.Sides[n].Leg; leg != nil {
			s.Leg, failed = c.m.SIP.Restore(*leg, since, c)
		}
		if failed == nil && s.Interface == nil {
			failed = fmt.Errorf("interface %s does not exist", config.InterfaceID(v.Sides[n].Interface))
		}
		err = errors.Join(err, failed)
	}
	if u := v.Joined; u != nil && err == nil {
		c.joined = &joined{x: c.at(u.Side), agreed: u.Agreed}
		if u.Left != nil {
			c.joined.left, err = c.m.SIP.Restore(*u.Left, since, c)
		}
	}
	return err
}

// restoreMedia has the relay go on on the same ports.
func (c *call) restoreMedia(v *callkeep.Call, since time.Duration, k pair.Kept) (err error) {
	var marks callkeep.Marks
	if k.Value != nil {
		if marks, err = callkeep.ReadMarks(k.Value); err != nil {
			return fmt.Errorf("marks of media: %w", err)
		}
		since = time.Since(k.At)
	}
	session, err := c.m.Media.Restore(v.Media, marks.Of(0), since)
	if err != nil {
		return err
	}
	c.hear(session)
	for n, s := range []*side{&c.a, &c.b} {
		hop := v.Sides[n].Hop
		if hop == nil {
			continue
		}
		session, err := c.m.Media.Restore(hop.Media, marks.Of(1+n), since)
		if err != nil {
			return err
		}
		s.Hop = &callside.Hop{Session: session, Inner: hop.Inner, Outer: hop.Outer}
		c.hearHop(s.Hop)
	}
	return nil
}

// settling is how long a restored call says nothing: the sockets of its gateways are not open yet.
const settling = time.Second

// goOn begins the life of a restored call. A transfer that was under way is over: whoever asked for it hears no more of it.
func (c *call) goOn(r restored) {
	if r.ended || r.err != nil {
		c.become(callstate.Ended)
		c.after(settling, func() { c.lay(r.err) })
		return
	}
	c.changed()
	for _, s := range []*side{&c.a, &c.b} {
		if s.Leg == nil || s.Choice() == nil {
			continue
		}
		if err := c.apply(s); err != nil {
			c.log.Warn("media not set", "leg", s.Which.String(), "err", err)
		}
	}
	c.tellLamps()
	complete := (c.a.Leg != nil || c.isJoined(&c.a)) && (c.b.Leg != nil || c.isJoined(&c.b))
	c.after(settling, func() { c.catchUp(complete) })
}

// isJoined reports whether a side is connected to another call.
func (c *call) isJoined(s *side) bool { return c.joined != nil && c.joined.x == s }

// lay ends the legs of a call that does not go on. With an error it has been lost, and gets its record; else there is one already.
func (c *call) lay(err error) {
	const reason = `Q.850;cause=41;text="lost with its box"`
	for _, s := range []*side{&c.a, &c.b} {
		if s.Leg != nil {
			s.Leg.Bye(refusal.Header(refusal.Bare(reason))...)
		}
	}
	if err == nil {
		c.dissolve()
		return
	}
	c.record.End(status.ByBox, 0, reason)
	c.conclude()
}

// catchUp does what the other box could not do any more. A call is not complete when a peer had left it for another one, whom this box does not know.
func (c *call) catchUp(complete bool) {
	switch {
	case c.ended():
		return
	case !complete:
		c.hangUp(nil, "", status.ByTransfer)
		return
	}
	c.log.Info("call goes on here", "if", c.a.Interface.ID())
	if c.urgent {
		c.m.room.Urgent(c.id)
	}
	c.farewell()
	for _, s := range []*side{&c.a, &c.b} {
		if s.Leg != nil && !s.Offering() {
			s.FinishReinvite(true, func() { c.rekey(s) }) // that was due
			c.hold(s, s.Wanted())
		}
	}
	c.after(doubtful+rand.N(doubtful), c.askSilent)
}

// doubtful is how long a side of a restored call may be silent before its peer is asked.
const doubtful = 5 * time.Second

// askSilent asks the peers of sides that are silent whether they still have the call: one that hung up while no box was there would be called
// connected until its session timer has run out. Who knows no such call answers 481, and the leg ends.
func (c *call) askSilent() {
	for _, s := range []*side{&c.a, &c.b} {
		if c.ended() || s.Leg == nil {
			continue
		}
		if session, which := c.relay(s); time.Since(session.Stats(which).Last) >= doubtful {
			s.Leg.Request("OPTIONS", "", nil)
		}
	}
}

// RestoreHeld has new calls begin that waited at the other box for the end of a planned switch. It comes when the
// sockets are open.
func (m *Manager) RestoreHeld(held iter.Seq[pair.Kept]) (n int, errs error) {
	for k := range held {
		if err := m.SIP.TakeIn(k.Value, time.Since(k.At)); err != nil {
			errs = errors.Join(errs, fmt.Errorf("new call %s: %w", k.ID, err))
			m.log.Error("new call of the other box not taken", "call", k.ID, "err", err)
			continue
		}
		n++
	}
	return n, errs
}
