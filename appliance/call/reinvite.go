package call

import (
	"time"

	"viaduct/appliance/negotiation"
	"viaduct/appliance/sdp"
)

// Two peers that are connected by a fork, a transfer or an attended transfer may use codecs that the relay cannot join
// (sdp.Joinable). One of them is then asked to change with a re-INVITE. This happens before the two are connected if that can still
// be refused.

// alignCodec has s change its codec if the relay cannot join it with another side, and then calls done. Done gets false when s
// cannot change, or its peer refuses. A peer that has agreed on further codecs, which the other side has not, is asked to leave them
// out. When it refuses, nothing is lost until it uses them.
func (c *call) alignCodec(s *side, to *sdp.Choice, done func(ok bool)) {
	if s.Choice() != nil && to != nil && sdp.Joinable(s.Choice().Codec, to.Codec) {
		after := done
		done = func(bool) { after(true) }
	}
	switch {
	case s.Choice() == nil || to == nil || s.Choice().Reaches(to):
		done(true)
	case s.Leg == nil || !c.up(s) || !s.Permits(to.Codec):
		done(false)
	case s.AfterReinvite(func() { c.alignCodec(s, to, done) }):
	default:
		c.log.Info("codec changes", "leg", s.Which.String(), "name", to.Codec.Name)
		c.reinvite(s, negotiation.ForCodec, to, done)
	}
}

// alignSides has a side change to the codec of the other one: the fork that answered has chosen another codec than the fork with the
// early media, or the side has changed its codec for a peer that did not come.
func (c *call) alignSides(s *side) {
	c.alignCodec(s, c.beyond(s).Choice(), func(ok bool) {
		if !ok && !c.ended() {
			c.log.Warn("the sides use different codecs")
		}
	})
}

// reinvite sends a side an offer for a change. Done, which may be nil, is told the result. Nothing is sent while a re-INVITE is
// under way.
func (c *call) reinvite(s *side, change negotiation.Change, like *sdp.Choice, done func(ok bool)) {
	if !s.BeginReinvite(change, like, done) {
		return
	}
	s.Leg.Reinvite(func() []byte {
		offer, err := s.Reoffer(s.Terms(), c.toward(s))
		if err != nil {
			c.log.Warn("offer not made", "leg", s.Which.String(), "err", err)
			return nil
		}
		return offer
	})
}

// reinvited is the end of a re-INVITE of ours.
func (c *call) reinvited(s *side, ok bool) { s.FinishReinvite(ok, func() { c.rekey(s) }) }

// abandon tells the functions that wait for a side's re-INVITE that its peer is gone.
func (c *call) abandon(s *side) {
	for _, tell := range s.AbandonReinvite() {
		tell()
	}
}

// rekeyAgain is the time between a refusal and the next try.
const rekeyAgain = time.Minute

// rekey offers a side a fresh key for the packets that we send (`srtp key-lifetime`). The relay asks for it when three quarters of
// the old one are used. Both ends count roll-overs from 0 under the new key, we as soon as its answer has come. The peer's own key
// goes on; if its answer brings a new one, that begins at 0, too (teams.md A.45).
func (c *call) rekey(s *side) { c.freshKey(s, true) }

// renegotiate offers a side a fresh key once its dialog stands (`srtp renegotiate-on-connect`). Every fork of the call has read the
// first one in our offer. A peer that refuses keeps the first key.
func (c *call) renegotiate(s *side) {
	if s.Interface != nil && s.Interface.SRTPRenegotiate && !s.Renegotiated && s.Choice() != nil && s.Choice().Local != nil {
		s.Renegotiated = true
		c.freshKey(s, false)
	}
}

// freshKey offers a fresh key. Again: try again after a refusal.
func (c *call) freshKey(s *side, again bool) {
	if s.Leg == nil || !c.up(s) || s.Local() == nil || s.Choice() == nil || s.Choice().Local == nil {
		return
	}
	leg := s.Leg
	c.reinvite(s, negotiation.ForKey, nil, func(ok bool) {
		switch {
		case ok:
			c.log.Info("srtp key renewed", "leg", s.Which.String())
			if again { // else it is part of every call
				c.record.Rekeys++
			}
		case again && !c.ended():
			c.after(rekeyAgain, func() {
				if s.Leg == leg {
					c.rekey(s)
				}
			})
		}
	})
}
