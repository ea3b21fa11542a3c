package call

import (
	"viaduct/appliance/callstate"
	"viaduct/appliance/media"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
)

// What a transferee hears while the new peer rings. It should hear what a caller would (teams.md A.27), but it has been answered, so
// 180 cannot tell it anything. From the first ringing or voice on it hears the new peer and no longer the old one, whose music may
// have played until then. Ringing is a tone of ours until a voice comes.

// targetProgress handles a provisional response of the new peer.
func (c *call) targetProgress(t *transfer, e sipgw.Progress) {
	if e.Code < 180 || e.Code > 189 {
		return
	}
	c.record.Rings()
	t.rang = true
	if t.state == callstate.TargetCalled {
		c.becomeTarget(t, callstate.TargetAlerted)
	}
	described, _ := c.answered(&t.next, e.ContentType, e.Body)
	switch {
	case e.Code == 180:
		c.hearTarget(t)
		c.playTone(t)
	case described:
		c.hearTarget(t)
		stop(t.wait)
		t.wait = c.after(earlyVoice, func() { c.playTone(t) })
	}
}

// hearTarget turns the transferee to the new peer: it hears nothing more of the old one, and a hold of the old one ends.
func (c *call) hearTarget(t *transfer) {
	if t.state.Heard() {
		return
	}
	c.becomeTarget(t, callstate.TargetHeard)
	if x := t.x; t.next.Choice() == nil && x.Choice() != nil {
		if err := c.set(x, x.Choice(), sdp.Inactive); err != nil {
			c.log.Warn("media not set", "leg", x.Which.String(), "err", err)
		}
	}
	c.hold(c.beyond(t.x), sdp.SendRecv)
}

// playTone plays the ringing tone to the transferee unless a voice has come.
func (c *call) playTone(t *transfer) {
	if c.ended() || c.transfer != t || t.state != callstate.TargetHeard {
		return
	}
	session, which := c.relay(c.beyond(t.x))
	if err := session.Ring(which, true); err != nil {
		c.log.Info("no ringing tone", "leg", which.String(), "err", err)
		return
	}
	c.becomeTarget(t, callstate.TargetRinging)
}

// resumeTone plays the tone again to a transferee that was on hold. The relay had ended it, because it could not be heard.
func (c *call) resumeTone(s *side) {
	if t := c.transfer; t != nil && t.state == callstate.TargetRinging && s == c.beyond(t.x) {
		c.becomeTarget(t, callstate.TargetHeard)
		c.playTone(t)
	}
}

// targetSpeaks is the first voice of the new peer, at which the relay ends our tone.
func (c *call) targetSpeaks(t *transfer) {
	if t.next.Choice() != nil && (t.state == callstate.TargetHeard || t.state == callstate.TargetRinging) {
		c.becomeTarget(t, callstate.TargetSpeaking)
	}
}

// stopTone ends timers and tone of a transfer.
func (c *call) stopTone(t *transfer) {
	t.hunting.alive()
	t.phones.stop()
	stop(t.wait)
	if t.state == callstate.TargetRinging {
		session, which := c.relay(c.beyond(t.x))
		session.Ring(which, false)
	}
}

// ringback plays the ringing tone to the caller as early media (`ringback local`). It reports whether it could. The callee's voice
// replaces the tone.
func (c *call) ringback() bool {
	if !c.a.Interface.LocalRingback || c.a.Remote() == nil {
		return false
	}
	body, err := c.answer(&c.a, &c.b)
	if err == nil {
		err = c.media.Ring(media.A, true)
	}
	if err != nil {
		c.log.Warn("no ringing tone", "leg", c.a.Which.String(), "err", err)
		return false
	}
	c.become(callstate.EarlyMedia)
	c.a.Leg.Provisional(183, "Session Progress", body)
	return true
}

// stopRingback ends the tone.
func (c *call) stopRingback() {
	if c.a.Interface.LocalRingback {
		if err := c.media.Ring(media.A, false); err != nil {
			c.log.Warn("ringing tone not ended", "leg", c.a.Which.String(), "err", err)
		}
	}
}
