package call

import (
	"slices"

	"viaduct/appliance/sdp"
)

// Two peers that are joined (a transfer, a fork, an attended transfer of two calls) may use codecs that the relay cannot join. One of them
// is then asked to change with a re-INVITE, before the two are connected where that can still be refused.

// agreed are the codecs that a side has settled on: the other side is offered nothing else but its other law.
func agreed(s *side) []sdp.Codec { return settled(s.choice) }

func settled(ch *sdp.Choice) []sdp.Codec {
	list := append([]sdp.Codec{ch.Codec}, spares(ch)...)
	if ch.DTMF != nil {
		list = append(list, *ch.DTMF)
	}
	if ch.CN != nil {
		list = append(list, *ch.CN)
	}
	return list
}

// spares are the codecs that a peer may change to at any time.
func spares(ch *sdp.Choice) (list []sdp.Codec) {
	for _, f := range ch.Spare {
		if !f.Beside && !f.Same(ch.Codec) && !slices.ContainsFunc(list, f.Same) {
			list = append(list, f.Codec)
		}
	}
	return list
}

// passes reports whether whatever a peer may send has a way to another one.
func passes(from, to *sdp.Choice) bool {
	return !slices.ContainsFunc(settled(from), func(c sdp.Codec) bool {
		return c.IsAudio() && !slices.ContainsFunc(settled(to), func(o sdp.Codec) bool { return sdp.Joinable(c, o) })
	})
}

// able are the codecs that a side uses or could change to: those in the last description of its peer that its profile permits too.
func able(s *side) []sdp.Codec {
	list := agreed(s)
	if s.remote != nil {
		for _, c := range sdp.Takes(s.remote, s.profile) {
			if !slices.ContainsFunc(list, c.Same) {
				list = append(list, c)
			}
		}
	}
	return list
}

// permits reports whether a side's profile names a codec.
func permits(s *side, codec sdp.Codec) bool {
	return slices.ContainsFunc(sdp.Codecs(s.profile), codec.Same)
}

// fit has s change to the codec of another side where the relay cannot connect the two, and then calls done: false when s cannot, or
// its peer does not want to. A peer that has agreed on codecs that the other side has not is asked to leave them out; when it does not
// want to, nothing is lost until it uses them.
func (c *call) fit(s *side, to *sdp.Choice, done func(ok bool)) {
	if s.choice != nil && to != nil && sdp.Joinable(s.choice.Codec, to.Codec) {
		after := done
		done = func(bool) { after(true) }
	}
	switch {
	case s.choice == nil || to == nil || passes(s.choice, to):
		done(true)
	case c.over || s.leg == nil || !s.up || !permits(s, to.Codec):
		done(false)
	case s.reinvite:
		s.later = append(s.later, func() { c.fit(s, to, done) })
	default:
		c.log.Info("codec changes", "leg", s.which.String(), "name", to.Codec.Name)
		c.reinvite(s, func() (*sdp.Session, error) {
			local, err := c.local(s)
			if err != nil {
				return nil, err
			}
			local.Prefer, local.Other, local.Direction = to.Codec.Name, settled(to), c.toward(s)
			return sdp.Offer(local)
		}, done)
	}
}

// sameCodec has a side change to the codec of the other one, after the fork that answered chose another one than the fork whose early
// media the caller has been hearing, or when a change was for somebody who did not come.
func (c *call) sameCodec(s *side) {
	c.fit(s, c.beyond(s).choice, func(ok bool) {
		if !ok && !c.over {
			c.log.Warn("the sides use different codecs")
		}
	})
}

// reinvite sends a side an offer, which is made when it is sent. What was agreed until now goes on when it is refused (RFC 3261 14.1).
// Done, which may be nil, is told how it went.
func (c *call) reinvite(s *side, offer func() (*sdp.Session, error), done func(ok bool)) {
	s.reinvite, s.done = true, done
	s.leg.Reinvite(func() []byte {
		s.restore()
		s.retained = &agreement{s.local, s.crypto, s.lastTaken}
		o, err := offer()
		if err != nil {
			c.log.Warn("offer not made", "leg", s.which.String(), "err", err)
			return nil
		}
		s.local, s.lastTaken = o, nil
		return o.Marshal()
	})
}

// agreement is what holds on when an offer of ours is refused.
type agreement struct {
	local     *sdp.Session
	crypto    []sdp.Crypto
	lastTaken []byte
}

// restore takes back an offer of ours that was refused, also one that waits to be made again because it met an offer of the peer.
func (s *side) restore() {
	if was := s.retained; was != nil {
		s.local, s.crypto, s.lastTaken, s.retained = was.local, was.crypto, was.lastTaken, nil
	}
}

// reinvited is the end of a re-INVITE of ours.
func (c *call) reinvited(s *side, ok bool) {
	if !ok {
		s.restore()
	}
	done := s.done
	s.reinvite, s.retained, s.done = false, nil, nil
	if done != nil {
		done(ok)
	}
	if s.worn {
		c.rekey(s)
	}
	for !s.reinvite && len(s.later) > 0 {
		f := s.later[0]
		s.later = s.later[1:]
		f()
	}
}

// abandon tells those who wait for a side to change its codec that its peer is gone.
func (c *call) abandon(s *side) {
	done, later := s.done, s.later
	s.reinvite, s.retained, s.done, s.later = false, nil, nil, nil
	if done != nil {
		done(false)
	}
	for _, f := range later {
		f()
	}
}
