package call

import "viaduct/appliance/sipgw"

// maxAlike is how many calls from one number to another may be under way, none of them answered, before they are taken for one
// that goes in a circle: two users who forward to each other on both sides make a new call with new Call-ID and fresh Max-Forwards
// on every round, and each takes a license and two ports.
const maxAlike = 20

// round is what is the same in every round of such a loop.
type round struct{ iface, calling, called string }

// circles reports whether a call is one round too many, and counts it otherwise.
func (c *call) circles(in *sipgw.Incoming) bool {
	if c.origin.times > maxDiversions {
		return true
	}
	r := round{in.Interface, c.props.CallingE164, c.props.CalledE164}
	if r.calling == "" || r.called == "" {
		return false
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.m.rounds[r] >= maxAlike {
		return true
	}
	c.m.rounds[r]++
	c.round = &r
	return false
}

// settled takes the call off that count: it was answered, or is over.
func (c *call) settled() {
	if c.round == nil {
		return
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.m.rounds[*c.round]--; c.m.rounds[*c.round] == 0 {
		delete(c.m.rounds, *c.round)
	}
	c.round = nil
}
