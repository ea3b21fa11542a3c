package call

import (
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/route"
)

// An emergency call (`emergency-number`) is refused for nothing that is ours to decide: not for a license, not for the rate of calls
// (package sipgw), not because a destination has not answered OPTIONS or its registration is lost. Whatever a destination says, the
// next one is tried, those that are believed to work first.

// urgency finds out whether this is one: by the number that was dialled, or by what routing made of it.
func (c *call) urgency(s *search, from *config.SIPInterface, called string) {
	sw := c.cfg.SwitchOf(from)
	s.urgent = sw.IsEmergency(called) || slices.ContainsFunc(s.plan.Attempts, func(a route.Attempt) bool {
		return sw.IsEmergency(a.Call.CalledE164)
	})
	if s.urgent {
		c.log.Warn("emergency call", "if", from.Name)
	}
}

// likelyFirst moves the destinations that answer OPTIONS before those that do not.
func (c *call) likelyFirst(s *search) {
	slices.SortStableFunc(s.plan.Attempts, func(a, b route.Attempt) int {
		return rank(c.m.SIP.Unavailable(b.Interface)) - rank(c.m.SIP.Unavailable(a.Interface))
	})
}

func rank(unavailable string) int {
	if unavailable == "" {
		return 1
	}
	return 0
}

// switchOf returns the context cs that holds the interface, an empty one when none does.
func switchOf(cfg *config.Config, i *config.SIPInterface) *config.Switch {
	if sw := cfg.SwitchOf(i); sw != nil {
		return sw
	}
	return &config.Switch{}
}
