package call

import (
	"slices"

	"viaduct/appliance/media"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
)

// What the transferee hears while the new peer of a transfer rings: what a caller would hear (teams.md A.27), but it has been answered
// and can be told nothing with 180. So from the first ringing or voice on it hears that and not the one who asked, whose music may
// have played until now; ringing is a tone of ours, until a voice comes.

// targetProgress is a provisional response of the new peer.
func (c *call) targetProgress(t *transfer, e sipgw.Progress) {
	if e.Code < 180 || e.Code > 189 {
		return
	}
	if t.state == targetCalled {
		c.becomeTarget(t, targetAlerted)
	}
	described, _ := c.answered(&t.next, e.ContentType, e.Body)
	switch {
	case e.Code == 180:
		c.hearTarget(t)
		c.tone(t)
	case described:
		c.hearTarget(t)
		stop(t.wait)
		t.wait = c.after(earlyVoice, func() { c.tone(t) })
	}
}

// hearTarget lets the transferee hear the new peer: nothing of the old one any more, and no hold that it has asked for.
func (c *call) hearTarget(t *transfer) {
	if t.state.heard() {
		return
	}
	c.becomeTarget(t, targetHeard)
	if x := t.x; t.next.Choice() == nil && x.Choice() != nil {
		if err := c.set(x, x.Choice(), sdp.Inactive); err != nil {
			c.log.Warn("media not set", "leg", x.which.String(), "err", err)
		}
	}
	c.hold(c.beyond(t.x), sdp.SendRecv)
}

// tone plays the ringing tone to the transferee, unless a voice has come.
func (c *call) tone(t *transfer) {
	if c.ended() || c.transfer != t || t.state != targetHeard {
		return
	}
	session, which := c.relay(c.beyond(t.x))
	if err := session.Ring(which, true); err != nil {
		c.log.Info("no ringing tone", "leg", which.String(), "err", err)
		return
	}
	c.becomeTarget(t, targetRinging)
}

// toneGoesOn plays the tone to a transferee again that was on hold until now: the relay has ended it, because it could not be heard.
func (c *call) toneGoesOn(s *side) {
	if t := c.transfer; t != nil && t.state == targetRinging && s == c.beyond(t.x) {
		c.becomeTarget(t, targetHeard)
		c.tone(t)
	}
}

// targetSpeaks is the first voice of the new peer, which ends our tone.
func (c *call) targetSpeaks(t *transfer) {
	if t.next.Choice() != nil && (t.state == targetHeard || t.state == targetRinging) {
		c.becomeTarget(t, targetSpeaking)
	}
}

// quieten ends the timers and the tone of a transfer.
func (c *call) quieten(t *transfer) {
	t.hunting.alive()
	stop(t.wait)
	if t.state == targetRinging {
		session, which := c.relay(c.beyond(t.x))
		session.Ring(which, false)
	}
}

// ringback plays the ringing tone to the caller where the interface says so (`ringback local`), as early media. It reports whether the
// caller has been told of it. The callee's voice takes the tone's place.
func (c *call) ringback() bool {
	if !c.a.iface.LocalRingback || c.a.Remote() == nil {
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
	c.become(EarlyMedia)
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
	list := sdp.Takes(s.Remote(), s.profile)
	if s.iface.LocalRingback {
		list = slices.DeleteFunc(list, func(c sdp.Codec) bool { return c.Voice() == nil })
	}
	return list
}
