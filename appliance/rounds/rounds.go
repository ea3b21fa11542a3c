// Package rounds finds calls that go in a circle: two users who forward to each other on both sides make a new call on every round, with a new
// Call-ID and fresh Max-Forwards, and each takes a license and two ports.
//
// It owns how many calls from one number to another may be under way unanswered. It does not own what becomes of one too many: package call.
// It has no goroutines; its lock guards the count.
package rounds

import (
	"sync"

	"viaduct/appliance/config"
)

// MaxAlike is the most calls alike that may be under way unanswered. More are taken for a loop.
const MaxAlike = 20

// Way is the same for every round of such a loop.
type Way struct {
	From            config.InterfaceID
	Calling, Called string
}

// Counter counts unanswered calls. The zero value has none.
type Counter struct {
	mu   sync.Mutex
	ways map[Way]int
}

// Enter counts a call until Leave. False: it is one round too many, and not counted. A call that lacks a number is none of a loop.
func (c *Counter) Enter(w Way) (*Round, bool) {
	if w.Calling == "" || w.Called == "" {
		return nil, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ways[w] >= MaxAlike {
		return nil, false
	}
	if c.ways == nil {
		c.ways = map[Way]int{}
	}
	c.ways[w]++
	return &Round{c, w}, true
}

// Round is a call that is counted; nil: one that is not.
type Round struct {
	in  *Counter
	way Way
}

// Leave removes the call from the count, once: it was answered, or has ended.
func (r *Round) Leave() {
	if r == nil || r.in == nil {
		return
	}
	c := r.in
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ways[r.way]--; c.ways[r.way] == 0 {
		delete(c.ways, r.way)
	}
	r.in = nil
}
