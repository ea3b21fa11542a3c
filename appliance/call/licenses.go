package call

import (
	"viaduct/appliance/callkeep"
	"viaduct/appliance/license"
	"viaduct/appliance/negotiation"
	"viaduct/appliance/route"
)

// A call takes one session. It takes one channel while one of its sides has SRTP, or may get it.

// license takes all that the call may need before its destination is known, or nothing. An emergency call is not refused.
func (c *call) license() error {
	share, err := c.m.Licenses.Acquire(1, c.mayNeed(&c.a, c.plan))
	switch {
	case err == nil:
		c.share = share
	case c.urgent:
		c.log.Warn("emergency call without a license", "err", err)
		return nil
	}
	return err
}

// mayNeed is how many channels a call of s by this plan may need.
func (c *call) mayNeed(s *side, plan *route.Plan) int {
	n := s.Channels()
	for _, a := range plan.Attempts {
		if _, i := a.Interface.In(c.cfg); i != nil && negotiation.OffersSRTP(c.profile(i)) {
			n = 1
		}
	}
	return n
}

// leased has a call that found no license wait for more from the hub, once. Meanwhile it hears its events as ever, as the caller may give up.
func (c *call) leased() bool {
	if c.unwait != nil {
		return false
	}
	stop, waits := c.m.Licenses.Await(1, c.mayNeed(&c.a, c.plan), func(s license.Share, err error) {
		if !c.Post(func() { c.granted(s, err) }) && err == nil {
			s.Release()
		}
	})
	c.unwait = stop
	return waits
}

// granted continues when the hub has given more, or when the wait is over. A call that has ended meanwhile gives back what it got.
func (c *call) granted(s license.Share, err error) {
	if err == nil {
		c.share = s
	}
	if !c.ended() {
		c.licensed(err)
		return
	}
	c.share.Release()
}

// channel takes or gives back the channel. It counts the sides that the call has now, and n for a side that it is to get. An error
// leaves things as they were.
func (c *call) channel(n int, urgent bool) error {
	err := c.share.Channels(n | c.channels())
	if err != nil && urgent {
		c.log.Warn("emergency call without a license", "err", err)
		return nil
	}
	return err
}

// channels is how many the sides need that the call has now.
func (c *call) channels() (n int) {
	for _, s := range []*side{&c.a, &c.b} {
		if s.Leg != nil {
			n |= s.Channels()
		}
	}
	return n
}

// holds is what the call holds of the licenses, for another box.
func (c *call) holds() (h callkeep.Holds) {
	if c.share != license.None {
		h = callkeep.Holds{Sessions: 1, Channels: c.channels()}
	}
	return h
}
