package call

import (
	"slices"
	"time"

	"viaduct/appliance/negotiation"
	"viaduct/appliance/sdp"
)

// Two peers that are joined (a transfer, a fork, an attended transfer of two calls) may use codecs that the relay cannot join. One of them
// is then asked to change with a re-INVITE, before the two are connected where that can still be refused.

// able are the codecs that a side uses or could change to: those in the last description of its peer that its profile permits too.
func able(s *side) []sdp.Codec {
	list := s.Choice().Codecs()
	if s.Remote() != nil {
		for _, c := range sdp.Takes(s.Remote(), s.profile) {
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
	if s.Choice() != nil && to != nil && sdp.Joinable(s.Choice().Codec, to.Codec) {
		after := done
		done = func(bool) { after(true) }
	}
	switch {
	case s.Choice() == nil || to == nil || s.Choice().Reaches(to):
		done(true)
	case s.leg == nil || !c.up(s) || !permits(s, to.Codec):
		done(false)
	case s.AfterReinvite(func() { c.fit(s, to, done) }):
	default:
		c.log.Info("codec changes", "leg", s.which.String(), "name", to.Codec.Name)
		c.reinvite(s, negotiation.ForCodec, to, done)
	}
}

// sameCodec has a side change to the codec of the other one, after the fork that answered chose another one than the fork whose early
// media the caller has been hearing, or when a change was for somebody who did not come.
func (c *call) sameCodec(s *side) {
	c.fit(s, c.beyond(s).Choice(), func(ok bool) {
		if !ok && !c.ended() {
			c.log.Warn("the sides use different codecs")
		}
	})
}

// reinvite sends a side an offer for a change. Done, which may be nil, is told how it went. While one is under way nothing goes out.
func (c *call) reinvite(s *side, change negotiation.Change, like *sdp.Choice, done func(ok bool)) {
	if !s.BeginReinvite(change, like, done) {
		return
	}
	s.leg.Reinvite(func() []byte {
		offer, err := s.Reoffer(s.terms(), c.toward(s))
		if err != nil {
			c.log.Warn("offer not made", "leg", s.which.String(), "err", err)
			return nil
		}
		return offer
	})
}

// reinvited is the end of a re-INVITE of ours.
func (c *call) reinvited(s *side, ok bool) { s.FinishReinvite(ok, func() { c.rekey(s) }) }

// abandon tells those who wait for a side to change its codec that its peer is gone.
func (c *call) abandon(s *side) {
	for _, tell := range s.AbandonReinvite() {
		tell()
	}
}

// rekeyAgain is how long after a refusal the next try follows.
const rekeyAgain = time.Minute

// rekey offers a side a fresh key for the packets that we send (`srtp key-lifetime`: the relay says so when three quarters of it are
// used). Both ends count roll-overs from 0 under it, we when its answer has come; the peer's own key goes on, or, when its answer
// brings another one, begins at 0 too (teams.md A.45).
func (c *call) rekey(s *side) { c.freshKey(s, true) }

// renegotiate offers a side a fresh key once its dialog stands, where the interface says so (`srtp renegotiate-on-connect`): the first
// one was in an offer that every fork of the call has read. A peer that refuses keeps the first.
func (c *call) renegotiate(s *side) {
	if s.iface != nil && s.iface.SRTPRenegotiate && !s.renegotiated && s.Choice() != nil && s.Choice().Local != nil {
		s.renegotiated = true
		c.freshKey(s, false)
	}
}

// freshKey offers a fresh key; again says that a refusal is not the last word.
func (c *call) freshKey(s *side, again bool) {
	if s.leg == nil || !c.up(s) || s.Local() == nil || s.Choice() == nil || s.Choice().Local == nil {
		return
	}
	leg := s.leg
	c.reinvite(s, negotiation.ForKey, nil, func(ok bool) {
		switch {
		case ok:
			c.log.Info("srtp key renewed", "leg", s.which.String())
		case again && !c.ended():
			c.after(rekeyAgain, func() {
				if s.leg == leg {
					c.rekey(s)
				}
			})
		}
	})
}
