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
func (c *call) rekey(s *side) {
	switch {
	case c.over || s.leg == nil || !s.up || s.local == nil || s.choice == nil || s.choice.Local == nil:
		return
	case s.reinvite:
		s.worn = true // after the re-INVITE that is under way
		return
	}
	s.worn = false
	before := *s
	s.crypto = nil
	offer, err := c.propose(s, c.toward(s))
	if err != nil {
		s.crypto = before.crypto
		c.log.Warn("new srtp key not offered", "leg", s.which.String(), "err", err)
		return
	}
	s.retained = &agreement{before.local, before.crypto, before.lastTaken}
	s.local, s.reinvite, s.lastTaken = offer, true, nil
	s.leg.Reinvite(offer.Marshal())
}

// agreement is what holds on when an offer of ours is refused (RFC 3261 14.1).
type agreement struct {
	local     *sdp.Session
	crypto    []sdp.Crypto
	lastTaken []byte
}

// rekeyed notes how the re-INVITE with a fresh key went.
func (c *call) rekeyed(s *side, ok bool) {
	was := s.retained
	s.retained = nil
	switch {
	case was == nil && s.worn:
		c.rekey(s)
	case was != nil && ok:
		c.log.Info("srtp key renewed", "leg", s.which.String())
	case was != nil:
		s.local, s.crypto, s.lastTaken = was.local, was.crypto, was.lastTaken
		leg := s.leg
		c.after(rekeyAgain, func() {
			if s.leg == leg {
				c.rekey(s)
			}
		})
	}
}
