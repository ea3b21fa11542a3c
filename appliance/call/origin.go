package call

import (
	"strconv"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/party"
	"viaduct/appliance/rounds"
	"viaduct/appliance/sipgw"
)

// origin is what an INVITE brings that is no property for routing: how far the call has come, where the caller is, and who has
// forwarded it.
type origin struct {
	forwards int // Max-Forwards that is left for the next INVITE
	hops     int // times that it has passed through this box, see sipgw.Incoming
	location party.Location
	diverted party.Diverted
	round    *rounds.Round   // that it is; nil: none
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

// enterRound counts the call among those that may go in a circle. False: it does, see package rounds.
func (c *call) enterRound(in *sipgw.Incoming) (ok bool) {
	if c.origin.diverted.Times > maxDiversions {
		return false
	}
	c.origin.round, ok = c.m.rounds.Enter(rounds.Way{From: in.Interface, Calling: c.props.CallingE164, Called: c.props.CalledE164})
	return ok
}
