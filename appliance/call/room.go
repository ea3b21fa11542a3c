package call

import (
	"net/netip"
	"time"

	"viaduct/appliance/status"
)

// Sessions are few, and a source that floods, or whose address is forged, must not hold them all with calls that come to nothing. When
// there is no room for a new call, one that counts little gives way: one that was answered and that nobody acknowledges, or one that
// nobody has answered yet of a source which goes on asking after it was refused. Calls that are talked on never do.

const (
	unackedAtLeast = 3 * time.Second // time for three 200s, before a missing ACK says anything
	noisyFrom      = 10              // refusals of a source
	quietsDown     = 0.5             // so many of them are forgotten in a second
	maxNoisy       = 1024            // sources whose refusals are counted
	maxTries       = 3               // calls that one asks to give way
)

// stage is how far a call has come; of those before the last one may give way.
type stage uint8

const (
	unanswered     stage = iota
	unacknowledged       // answered, without an ACK
	talking
)

// standing is what other calls see of a call; the manager guards it.
type standing struct {
	source netip.Addr
	stage  stage
	since  time.Time // of the stage
	urgent bool
	leaves bool // it was asked to give way, and has come no further since
}

// presses tells that this is an emergency call.
func (c *call) presses() {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.standing.urgent = true
}

// reached tells how far the call has come.
func (c *call) reached(s stage) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if s > c.standing.stage {
		c.standing.stage, c.standing.since, c.standing.leaves = s, time.Now(), false
	}
}

// noise counts what a source was refused; it goes down with time.
type noise struct {
	n    float64
	last time.Time
}

func (x noise) at(now time.Time) float64 {
	return max(0, x.n-now.Sub(x.last).Seconds()*quietsDown)
}

// refused notes that a call found no room.
func (m *Manager) refused(source netip.Addr) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for a, x := range m.noise {
		if x.at(now) == 0 || len(m.noise) >= maxNoisy {
			delete(m.noise, a)
		}
	}
	m.noise[source] = noise{min(2*noisyFrom, m.noise[source].at(now)+1), now}
}

// noisy reports whether a source goes on asking after it was refused; the lock is held.
func (m *Manager) noisy(source netip.Addr, now time.Time) bool {
	return m.noise[source].at(now) >= noisyFrom
}

// givesWay finds the call that counts least beside a newcomer, nil when all count. Of the calls without an ACK, and else of those of
// noisy sources, it is the oldest of whoever has most. For an emergency call every call gives way that is not talked on.
func (m *Manager) givesWay(newcomer *call) *call {
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
		if !unacked && !me.urgent && (s.source == me.source || !m.noisy(s.source, now) || m.noisy(me.source, now)) {
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

// room takes what the call needs with take, has others give way while that fails, and then goes on; without success it goes on with the error.
func (c *call) room(take func() error, then func(error), tries int) {
	if c.ended() {
		return // cancelled meanwhile
	}
	err := take()
	if err == nil || tries == 0 {
		then(err)
		return
	}
	victim := c.m.givesWay(c)
	if victim == nil {
		then(err)
		return
	}
	again := func() { c.Post(func() { c.room(take, then, tries-1) }) }
	if !victim.Post(func() { victim.giveWay(); again() }) {
		again() // it has ended by itself
	}
}

// giveWay ends a call that has not come about for another. One that has come further since it was chosen stays.
func (c *call) giveWay() {
	c.m.mu.Lock()
	leaves := c.standing.leaves
	c.m.mu.Unlock()
	if leaves && !c.ended() {
		c.log.Warn("call gave way to another", "if", c.a.iface.ID())
		c.hangUp(nil, q850Cause(resourcesUnavailable)+`;text="gave way"`, status.ByBox)
	}
}
