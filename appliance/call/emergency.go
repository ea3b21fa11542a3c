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
func (c *call) urgency() {
	sw := c.cfg.SwitchOf(c.a.iface)
	c.urgent = sw.IsEmergency(c.props.CalledE164) || slices.ContainsFunc(c.plan.Attempts, func(a route.Attempt) bool {
		return sw.IsEmergency(a.Call.CalledE164)
	})
	if c.urgent {
		c.log.Warn("emergency call", "if", c.a.iface.Name)
	}
}

// likelyFirst moves the destinations that answer OPTIONS before those that do not.
func (c *call) likelyFirst() {
	slices.SortStableFunc(c.plan.Attempts, func(a, b route.Attempt) int {
		return rank(c.m.SIP.Available(b.Interface)) - rank(c.m.SIP.Available(a.Interface))
	})
}

func rank(available bool) int {
	if available {
		return 1
	}
	return 0
}

// following is the attempt after the present one, which failed with f.
func (c *call) following(f failure) (int, bool) {
	if c.urgent {
		return c.attempt + 1, c.attempt+1 < len(c.plan.Attempts)
	}
	return c.plan.Next(c.attempt, f.cause)
}

// switchOf returns the context cs that holds the interface, an empty one when none does.
func switchOf(cfg *config.Config, i *config.SIPInterface) *config.Switch {
	if sw := cfg.SwitchOf(i); sw != nil {
		return sw
	}
	return &config.Switch{}
}
