package call

import (
	"time"

	"viaduct/appliance/sdp"
)

// rekeyAgain is how long after a refusal the next try follows.
const rekeyAgain = time.Minute

// rekey offers a side a fresh key for the packets that we send (`srtp key-lifetime`: the relay says so when three quarters of it are
// used). Both ends count roll-overs from 0 under it, we when its answer has come; the peer's own key goes on, or, when its answer
// brings another one, begins at 0 too (teams.md A.45).
func (c *call) rekey(s *side) { c.freshKey(s, true) }

// renegotiate offers a side a fresh key once its dialog stands, where the interface says so (`srtp renegotiate-on-connect`): the first
// one was in an offer that every fork of the call has read. A peer that refuses keeps the first.
func (c *call) renegotiate(s *side) {
	if s.iface != nil && s.iface.SRTPRenegotiate && !s.renegotiated && s.choice != nil && s.choice.Local != nil {
		s.renegotiated = true
		c.freshKey(s, false)
	}
}

// freshKey offers a fresh key; again says that a refusal is not the last word.
func (c *call) freshKey(s *side, again bool) {
	switch {
	case c.over || s.leg == nil || !s.up || s.local == nil || s.choice == nil || s.choice.Local == nil:
		return
	case s.reinvite:
		s.worn = true // after the re-INVITE that is under way
		return
	}
	s.worn = false
	leg := s.leg
	fresh := func() (*sdp.Session, error) {
		s.crypto = nil
		return c.propose(s, c.toward(s))
	}
	c.reinvite(s, fresh, func(ok bool) {
		switch {
		case ok:
			c.log.Info("srtp key renewed", "leg", s.which.String())
		case again && !c.over:
			c.after(rekeyAgain, func() {
				if s.leg == leg {
					c.rekey(s)
				}
			})
		}
	})
}
