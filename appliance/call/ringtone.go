package call

import (
	"slices"

	"viaduct/appliance/media"
	"viaduct/appliance/sdp"
)

// ringback plays the ringing tone to the caller where the interface says so (`ringback local`), as early media. It reports whether the
// caller has been told of it. The callee's voice takes the tone's place.
func (c *call) ringback() bool {
	if !c.a.iface.LocalRingback || c.a.remote == nil || c.a.early {
		return false
	}
	body, err := c.answer(&c.a, &c.b)
	if err == nil {
		err = c.media.Ring(media.A, true)
	}
	if err != nil {
		c.log.Warn("no ringing tone", "leg", c.a.which.String(), "err", err)
		return false
	}
	c.a.early = true
	c.a.leg.Provisional(183, "Session Progress", body)
	return true
}

// answeredRing ends the tone.
func (c *call) answeredRing() {
	if c.a.iface.LocalRingback {
		if err := c.media.Ring(media.A, false); err != nil {
			c.log.Warn("ringing tone not ended", "leg", c.a.which.String(), "err", err)
		}
	}
}

// tonal are the codecs of a caller's offer that it may be answered with: where it is to hear a tone of ours those that one can be made in,
// and its callee is offered no other either, because it is agreed before the callee has spoken.
func tonal(s *side) []sdp.Codec {
	list := sdp.Takes(s.remote, s.profile)
	if s.iface.LocalRingback {
		list = slices.DeleteFunc(list, func(c sdp.Codec) bool { return c.Voice() == nil })
	}
	return list
}
