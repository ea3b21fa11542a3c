// Package giveway decides which call gives way to a new one that finds no room.
//
// Sessions are few. A source that floods, or whose address is forged, must not hold them all with calls that lead nowhere. When there is no room
// for a new call, a call of little weight gives way: one that was answered and never acknowledged, or an unanswered one of a source that keeps
// asking after refusals. A call in which people talk never gives way.
//
// It owns what it looks at of each call. It does not own calls, nor how one ends (package call). Its lock guards a Room, which may be asked from
// any goroutine; it has none itself.
package giveway

import (
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/insistent"
)

// UnackedAtLeast is the time for three 200s, before a missing ACK says anything.
const UnackedAtLeast = 3 * time.Second

// Stage is how far a call has come. Only calls before the last stage may give way.
type Stage uint8

const (
	Unanswered     Stage = iota
	Unacknowledged       // answered, without an ACK
	Talking
)

// standing is what counts of a call.
type standing struct {
	source netip.Addr
	stage  Stage
	since  time.Time // of the stage
	urgent bool
	leaves bool // it was asked to give way, and has come no further since
}

// Room holds the calls in progress, by their IDs. The zero value has none.
type Room struct {
	mu     sync.Mutex
	calls  map[string]*standing
	insist insistent.Sources // that find no room
}

// Enter takes a new call of a source.
func (r *Room) Enter(id string, source netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls == nil {
		r.calls = map[string]*standing{}
	}
	r.calls[id] = &standing{source: source, since: time.Now()}
}

// Leave forgets a call.
func (r *Room) Leave(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.calls, id)
}

// Urgent marks an emergency call.
func (r *Room) Urgent(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.calls[id]; c != nil {
		c.urgent = true
	}
}

// Reached notes the stage that a call has reached.
func (r *Room) Reached(id string, s Stage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.calls[id]; c != nil && s > c.stage {
		c.stage, c.since, c.leaves = s, time.Now(), false
	}
}

// Refused notes that a call has found no room.
func (r *Room) Refused(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.calls[id]; c != nil {
		r.insist.Refused(c.source, time.Now())
	}
}

// Leaves reports whether a call is to give way: it was chosen, and has come no further since.
func (r *Room) Leaves(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.calls[id]
	return c != nil && c.leaves
}

// For chooses the call of least weight for a newcomer. "": none may give way. Calls without an ACK come first, then those of sources that
// insist; among them the oldest call of the source that has most. For an emergency call any call gives way in which nobody talks.
func (r *Room) For(newcomer string) (id string) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	me := r.calls[newcomer]
	if me == nil {
		return ""
	}
	many := map[netip.Addr]int{}
	for _, c := range r.calls {
		if c.stage != Talking {
			many[c.source]++
		}
	}
	rank := func(c *standing) (unacked bool, n int) {
		return c.stage == Unacknowledged && now.Sub(c.since) >= UnackedAtLeast, many[c.source]
	}
	var found *standing
	for n, c := range r.calls {
		unacked, calls := rank(c)
		if c == me || c.stage == Talking || c.leaves || c.urgent {
			continue
		}
		if !unacked && !me.urgent && (c.source == me.source || !r.insist.Has(c.source, now) || r.insist.Has(me.source, now)) {
			continue
		}
		if found == nil {
			found, id = c, n
			continue
		}
		was, most := rank(found)
		if unacked != was {
			if unacked {
				found, id = c, n
			}
		} else if calls > most || calls == most && c.since.Before(found.since) {
			found, id = c, n
		}
	}
	if found != nil {
		found.leaves = true
	}
	return id
}
