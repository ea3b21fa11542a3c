package call

import (
	"net/netip"
	"time"

	"viaduct/appliance/status"
)

// Sessions are few. A source that floods, or whose address is forged, must not hold them all with calls that lead nowhere. When
// there is no room for a new call, a call of little weight gives way: one that was answered and never acknowledged, or an unanswered
// one of a source that keeps asking after refusals. A call in which people talk never gives way.

const (
	unackedAtLeast = 3 * time.Second // time for three 200s, before a missing ACK says anything
	maxTries       = 3               // calls that one asks to give way
)

// stage is the part of a call's state that other calls look at. Only calls before the last stage may give way.
type stage uint8

const (
	unanswered     stage = iota
	unacknowledged       // answered, without an ACK
	talking
)

// standing is what other calls see of a call. The manager's lock guards it.
type standing struct {
	source netip.Addr
	stage  stage
	since  time.Time // of the stage
	urgent bool
	leaves bool // it was asked to give way, and has come no further since
}

// markUrgent marks an emergency call.
func (c *call) markUrgent() {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.standing.urgent = true
}

// reached notes the stage that the call has reached.
func (c *call) reached(s stage) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if s > c.standing.stage {
		c.standing.stage, c.standing.since, c.standing.leaves = s, time.Now(), false
	}
}

// refused notes that a call of a source found no room.
func (m *Manager) refused(source netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.insist.Refused(source, time.Now())
}

// victimFor finds the call of least weight for a newcomer; nil: none may give way. Calls without an ACK come first, then those of
// sources that insist; among them the oldest call of the source that has most. For an emergency call any call gives way in which nobody
// talks.
func (m *Manager) victimFor(newcomer *call) *call {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	many := map[netip.Addr]int{}
	for _, c := range m.calls {
		if c.standing.stage != talking {
			many[c.standing.source]++
		}
	}
	me := newcomer.standing
	var found *call
	rank := func(c *call) (unacked bool, n int) {
		return c.standing.stage == unacknowledged && now.Sub(c.standing.since) >= unackedAtLeast, many[c.standing.source]
	}
	for _, c := range m.calls {
		s := c.standing
		unacked, n := rank(c)
		if c == newcomer || s.stage == talking || s.leaves || s.urgent {
			continue
		}
		if !unacked && !me.urgent && (s.source == me.source || !m.insist.Has(s.source, now) || m.insist.Has(me.source, now)) {
			continue
		}
		if found == nil {
			found = c
			continue
		}
		was, most := rank(found)
		if unacked != was {
			if unacked {
				found = c
			}
		} else if n > most || n == most && s.since.Before(found.standing.since) {
			found = c
		}
	}
	if found != nil {
		found.standing.leaves = true
	}
	return found
}

// makeRoom takes what the call needs. While that fails it has other calls give way. Then it goes on, with the error if there is no
// room.
func (c *call) makeRoom(take func() error, then func(error), tries int) {
	if c.ended() {
		return // cancelled meanwhile
	}
	err := take()
	if err == nil || tries == 0 {
		then(err)
		return
	}
	victim := c.m.victimFor(c)
	if victim == nil {
		then(err)
		return
	}
	again := func() { c.Post(func() { c.makeRoom(take, then, tries-1) }) }
	if !victim.Post(func() { victim.giveWay(); again() }) {
		again() // it has ended by itself
	}
}

// giveWay ends the call in favour of another. A call that has come further since it was chosen stays.
func (c *call) giveWay() {
	c.m.mu.Lock()
	leaves := c.standing.leaves
	c.m.mu.Unlock()
	if leaves && !c.ended() {
		c.log.Warn("call gave way to another", "if", c.a.iface.ID())
		c.hangUp(nil, q850Cause(resourcesUnavailable)+`;text="gave way"`, status.ByBox)
	}
}
