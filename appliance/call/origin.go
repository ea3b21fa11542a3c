package call

import (
	"strconv"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/party"
	"viaduct/appliance/sipgw"
)

// origin is what an INVITE brings that is no property for routing: how far the call has come, where the caller is, and who has
// forwarded it.
type origin struct {
	forwards int // Max-Forwards that is left for the next INVITE
	hops     int // times that it has passed through this box, see sipgw.Incoming
	location party.Location
	diverted party.Diverted
	loop     *loopKey        // that it is counted in; nil: none
	invite   *sipgw.Incoming // itself; nil: the call is established
}

const (
	defaultForwards = 70 // RFC 3261 8.1.1.6
	maxDiversions   = 10 // ISUP allows 5; more is a loop
)

// originOf reads the origin from an INVITE that begins a call.
func originOf(sw *config.Switch, in *sipgw.Incoming) origin {
	r := in.Request
	o := origin{invite: in, forwards: defaultForwards, hops: in.Hops, location: party.LocationOf(r), diverted: party.DivertedOf(sw, r)}
	if n, err := strconv.Atoi(strings.TrimSpace(r.Header("Max-Forwards"))); err == nil {
		o.forwards = max(0, n-1)
	}
	return o
}

// maxAlike is the most calls from one number to another that may be under way unanswered. More are taken for a loop: two users who
// forward to each other on both sides make a new call on every round, with a new Call-ID and fresh Max-Forwards, and each takes a
// license and two ports.
const maxAlike = 20

// loopKey is the same for every round of such a loop.
type loopKey struct {
	iface           config.InterfaceID
	calling, called string
}

// looping reports whether a call is one round too many. Otherwise it counts the call.
func (c *call) looping(in *sipgw.Incoming) bool {
	if c.origin.diverted.Times > maxDiversions {
		return true
	}
	r := loopKey{in.Interface, c.props.CallingE164, c.props.CalledE164}
	if r.calling == "" || r.called == "" {
		return false
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.m.rounds[r] >= maxAlike {
		return true
	}
	c.m.rounds[r]++
	c.origin.loop = &r
	return false
}

// endRound removes the call from that count: it was answered, or has ended.
func (c *call) endRound() {
	if c.origin.loop == nil {
		return
	}
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.m.rounds[*c.origin.loop]--; c.m.rounds[*c.origin.loop] == 0 {
		delete(c.m.rounds, *c.origin.loop)
	}
	c.origin.loop = nil
}
