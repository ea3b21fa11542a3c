package call

import (
	"context"
	"errors"
	"sync"
	"time"

	"viaduct/appliance/callstate"
	"viaduct/appliance/pair"
	"viaduct/appliance/party"
	"viaduct/appliance/refusal"
	"viaduct/appliance/sipgw"
)

// A planned switch loses no call. First those in set-up come through, while new ones wait (Gather); an emergency call does not wait. Then all
// stand still, and the other box is told how they stand (HandOver). At last they are gone here (Drop), or go on (Resume) because the switch was
// called off.

const (
	patience = 15 * time.Second       // for calls in set-up
	look     = 100 * time.Millisecond // between two looks at them
	mostHeld = 256                    // new calls that wait; those beyond begin at once, and may have to be ended
)

// switchover is how far a planned switch has come.
type switchover struct {
	gathers bool
	waiting map[*call]waiting
	still   *standstill // nil: calls go on
}

// waiting is a new call that begins after the switch.
type waiting struct {
	with  *sipgw.Incoming
	begun bool // it had begun, and nobody is called for it any more
}

// standstill is the time in which calls do nothing, because the other box may have them already.
type standstill struct {
	over chan struct{} // closed at its end
	gone bool          // then: the other box has the calls
}

// waits reports whether a new call is to wait for the end of a switch. The caller holds mu.
func (m *Manager) waits(c *call, in *sipgw.Incoming) bool {
	s := &m.switchover
	urgent := s.gathers && c.dialledEmergency(in)
	if !s.gathers || s.still == nil && (urgent || len(s.waiting) >= mostHeld) {
		return false
	}
	s.waiting[c] = waiting{with: in}
	return true
}

// dialledEmergency reports whether an INVITE is for an emergency number, before it is routed.
func (c *call) dialledEmergency(in *sipgw.Incoming) bool {
	sw, i := in.Interface.In(c.cfg)
	return i != nil && sw.IsEmergency(party.Number(sw, in.Request.URI))
}

// Gather has new calls wait, and returns when all others are established: the other box can go on with them. When ctx ends, or after 15 s, those
// that are not begin anew there, or are ended when their callers have heard too much already. An emergency call is not ended; the error says that
// the switch has to be called off, with Resume.
func (m *Manager) Gather(ctx context.Context) error {
	m.mu.Lock()
	m.switchover.gathers, m.switchover.waiting = true, map[*call]waiting{}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		late := m.unsettled()
		if len(late) == 0 {
			return nil
		}
		select {
		case <-time.After(look):
			continue
		case <-ctx.Done():
		}
		var urgent bool
		for _, c := range late {
			urgent = urgent || m.ask(c, func() bool { return !c.giveUp() })
		}
		if urgent {
			return errors.New("an emergency call is being set up")
		}
		return nil
	}
}

// unsettled are the calls that another box could not go on with as they are now.
func (m *Manager) unsettled() (list []*call) {
	for _, c := range m.list("") {
		m.mu.Lock()
		_, waits := m.switchover.waiting[c]
		m.mu.Unlock()
		if !waits && m.ask(c, func() bool { return !c.settled() }) {
			list = append(list, c)
		}
	}
	return list
}

// ask asks on a call's goroutine. One that has ended says no.
func (m *Manager) ask(c *call, f func() bool) bool {
	answer := make(chan bool, 1)
	if !c.Post(func() { answer <- f() }) {
		return false
	}
	select {
	case yes := <-answer:
		return yes
	case <-c.done:
		return false
	}
}

// settled reports whether the call has ended, or is established and nothing is under way in it.
func (c *call) settled() bool {
	return c.ended() || c.stands() && c.transfer == nil && c.coming == nil && !c.a.Offering() && !c.b.Offering()
}

// giveUp ends what the other box could not go on with: the call when it is not established and cannot begin anew, or what is under way in it.
// False: that is an emergency call.
func (c *call) giveUp() bool {
	switch {
	case c.ended() || c.lacksACK() || !c.stands() && c.resign():
	case c.urgent && !c.stands(), c.transfer != nil && c.transfer.urgent:
		return false
	case !c.stands():
		if c.b.Leg != nil {
			c.b.Leg.Bye(refusal.Header(refusal.Q850(41))...) // CANCEL, unless it has just answered
			c.b.Leg = nil
		}
		c.refuse(handedOver)
	case c.transfer != nil:
		c.transferFailed(handedOver.Code)
	}
	return true
}

// lacksACK reports whether the caller's ACK is all that an established call lacks. The other box goes on without it: a caller that has sent one into a
// connection that was ended does not send it again.
func (c *call) lacksACK() bool {
	return c.state == callstate.Answered && c.a.Choice() != nil && c.b.Choice() != nil
}

var handedOver = refusal.Failure{Code: 503, Cause: 41, Reason: "Service Unavailable", Text: "the box hands over to the other one", Retry: time.Second}

// resign has the call begin anew at the other box: nobody is called for it here any more. False: its caller has heard more than ringing.
func (c *call) resign() bool {
	in := c.origin.invite
	if in == nil || in.Held() == nil {
		return false
	}
	if c.b.Leg != nil {
		c.b.Leg.Cancel()
		c.b.Leg = nil
	}
	c.alive()
	c.phones.stop()
	stop(c.early)
	if c.unwait != nil {
		c.unwait()
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.m.switchover.waiting[c] = waiting{with: in, begun: true}
	return true
}

// HandOver has all calls stand still, and the standby keep how they stand. Nothing of a call happens from then on until Drop or Resume.
func (m *Manager) HandOver() {
	still := &standstill{over: make(chan struct{})}
	m.mu.Lock()
	s := &m.switchover
	if s.still != nil {
		m.mu.Unlock()
		return
	}
	s.gathers, s.still = true, still
	if s.waiting == nil {
		s.waiting = map[*call]waiting{}
	}
	m.mu.Unlock()
	var told sync.WaitGroup
	for _, c := range m.list("") {
		told.Add(1)
		if !c.Post(func() { c.stand(still, told.Done) }) {
			told.Done()
		}
	}
	told.Wait()
}

// stand has the call stand still.
func (c *call) stand(still *standstill, told func()) {
	c.m.mu.Lock()
	in := c.m.switchover.waiting[c].with
	c.m.mu.Unlock()
	if c.lacksACK() {
		c.acknowledged()
	}
	switch {
	case c.ended():
	case in != nil || !c.stands() && c.resign():
		if b := c.origin.invite.Held(); b != nil {
			c.m.Pair.Put(pair.Held, c.id, b)
		}
	default:
		c.changed()
		c.keep()
	}
	told()
	c.box.Await(still.over)
	if still.gone {
		c.vanish()
	}
}

// Resume goes on with all calls, and begins those that waited: the switch was called off. The standby is told of all calls: it may be a new one.
func (m *Manager) Resume() {
	for c, w := range m.endSwitch(false) {
		m.Pair.Drop(pair.Held, c.id)
		c.Post(func() {
			switch {
			case c.ended(): // the caller has given up
			case w.begun:
				c.refuse(handedOver)
			default:
				c.begin(w.with)
			}
		})
	}
	for _, c := range m.list("") {
		c.do(c.changed)
	}
}

// endSwitch ends the standstill.
func (m *Manager) endSwitch(gone bool) (list map[*call]waiting) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if still := m.switchover.still; still != nil {
		still.gone = gone
		close(still.over)
	}
	list, m.switchover = m.switchover.waiting, switchover{}
	return list
}

// Drop gives up all calls in silence, because the other box has them: no message, no record. What they held is free when it returns.
func (m *Manager) Drop() {
	list := m.list("")
	m.endSwitch(true)
	for _, c := range list {
		c.Post(c.vanish)
	}
	for _, c := range list {
		<-c.done
	}
	if len(list) > 0 {
		m.log.Info("calls dropped, the other box has them", "count", len(list))
	}
}
