package call

import (
	"bytes"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/negotiation"
	"viaduct/appliance/refusal"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/status"
)

// inDialog handles an event of leg x inside the established call; y is the other leg. The box answers offers itself. A refresh of
// one peer's session timer, or a PBX that moves its media, does not concern the other peer (teams.md A.44, A.47). Only hold and
// resume are passed on.
func (c *call) inDialog(x, y *side, e sipgw.Event) {
	switch e := e.(type) {
	case sipgw.Offered:
		c.offered(x, y, e)
	case sipgw.Answered: // to our re-INVITE
		ok, _ := c.answered(x, e.ContentType, e.Body)
		c.reinvited(x, ok)
		if ok { // who gives no answer would give none again, without end
			x.Accepted()
			if x.Contradicts() {
				c.passHold(x, y)
			}
			c.hold(x, x.Wanted())
		}
	case sipgw.Failed:
		c.log.Warn("re-INVITE refused", "leg", x.Which.String(), "code", e.Code, "err", e.Err)
		c.reinvited(x, false)
		c.holdAgain(x, e)
	case sipgw.Info:
		c.digit(x, y, e)
	case sipgw.Acked:
		if x == &c.a {
			c.acknowledged()
		}
		c.offerAnswered(x, y, e)
		c.renegotiate(x)
		if x == &c.a {
			c.referBack()
		}
	case sipgw.Notified:
		if x == &c.a {
			c.referBackNotified(e)
		}
	case sipgw.Refer:
		c.refer(x, y, e)
	}
}

// offered answers a re-INVITE or UPDATE.
func (c *call) offered(x, y *side, e sipgw.Offered) {
	x.Withdraw() // an offer of ours that is out: they have met, and it has been refused
	if len(e.Body) == 0 {
		if e.Method == "UPDATE" || x.Local() == nil {
			x.Leg.Respond(e.ID, 200, "OK", nil) // a session timer's refresh (RFC 4028 7.4)
			return
		}
		x.Leg.Respond(e.ID, 200, "OK", c.reoffer(x))
		return
	}
	if x.Repeats(e.Body) && x.Local() != nil {
		// The same offer again is a refresh: the identical answer, same key, same version (teams.md A.45: a new key
		// without a new roll-over counter at both ends is one-way audio).
		x.Leg.Respond(e.ID, 200, "OK", x.Text())
		return
	}
	offer, err := c.described(x, e.ContentType, e.Body, true)
	if err == nil && offer == nil {
		x.Leg.Respond(e.ID, 200, "OK", nil)
		return
	}
	var body []byte
	if err == nil {
		body, err = c.reanswer(x, offer)
	}
	if err != nil {
		f := refusal.Unusable(err)
		c.log.Warn("offer refused", "leg", x.Which.String(), "err", err)
		x.Leg.Respond(e.ID, f.Code, f.Reason, nil, f.Headers()...)
		return
	}
	x.Remember(e.Body)
	x.Leg.Respond(e.ID, 200, "OK", body)
	c.passHold(x, y)
}

// passHold tells y what x has just said about hold.
func (c *call) passHold(x, y *side) {
	x.TakeHold()
	if t := c.transfer; t != nil && t.state.Heard() && x == t.x {
		return // y hears the new peer
	}
	if !c.holdBeyond(y, x.PeerHolds()) {
		c.hold(y, holdDirection(x.PeerHolds(), y.Interface.HoldMethod))
	}
}

// reoffer is our offer to a peer that asks for one, with the keys and ports in use. It is sendrecv even when that peer has held the
// call until now: many peers resume in this way (RFC 6337 5.3).
func (c *call) reoffer(x *side) []byte {
	d := c.toward(x)
	if x.Local().Audio.Direction == d {
		return x.Text()
	}
	offer, err := x.OfferAgain(x.Terms(), d)
	if err != nil {
		c.log.Warn("resume not offered", "leg", x.Which.String(), "err", err)
		return x.Text()
	}
	return offer
}

// offerAnswered takes the answer in an ACK: our 200 was the offer.
func (c *call) offerAnswered(x, y *side, e sipgw.Acked) {
	if ok, _ := c.answered(x, e.ContentType, e.Body); !ok {
		if x.Choice() == nil {
			c.log.Warn("call ended, no answer to our offer", "leg", x.Which.String())
			c.hangUp(nil, refusal.Q850(88), status.ByBox)
		}
		return
	}
	c.releaseChannel()
	if x.Local().Audio.Direction == sdp.SendRecv {
		c.passHold(x, y)
	}
	c.alignSides(y)
}

// reanswer answers an offer inside the dialog with the codec and key in use. An offer with SRTP needs a channel if the call has none
// for x.
func (c *call) reanswer(x *side, offer *sdp.Session) ([]byte, error) {
	channels := x.Channels()
	if offer.Audio.Secure && channels == 0 {
		if err := c.channel(1, c.urgent); err != nil {
			return nil, &sdp.Error{Code: 488, Text: err.Error()}
		}
	}
	old := x.Choice()
	answer, err := x.Reanswer(offer, x.Terms(), c.toward(x))
	if err != nil {
		c.releaseChannel()
		return nil, err
	}
	if otherKey(old, x.Choice()) {
		c.record.Rekeys++
	}
	if x.Channels() < channels {
		c.releaseChannel()
	}
	return answer, c.apply(x)
}

// otherKey reports whether a peer has changed its key.
func otherKey(old, now *sdp.Choice) bool {
	return old != nil && old.Remote != nil && now.Remote != nil && !bytes.Equal(old.Remote.Key, now.Remote.Key)
}

// holdDirection is the direction to offer a peer while the other one holds the call or not. Hold has the form that the peer
// understands (teams.md A.43).
func holdDirection(held bool, method config.HoldMethod) sdp.Direction {
	switch {
	case !held:
	case method == config.HoldInactive:
		return sdp.Inactive
	case method == config.HoldSendonly:
		return sdp.SendOnly
	}
	return sdp.SendRecv // with hold-method none the peer is not told; the music of the holding side flows
}

// toward is the direction of our next description for x. It says hold while the peer beyond holds the call.
func (c *call) toward(x *side) sdp.Direction {
	if t := c.transfer; t != nil && t.state.Heard() && x != t.x {
		return sdp.SendRecv // the transferee hears the new peer
	}
	return holdDirection(c.beyond(x).PeerHolds() && c.joined == nil, x.Interface.HoldMethod)
}

// hold offers y a direction unless y has it already. One re-INVITE is under way at a time; the last wish is looked at when it has
// been answered.
func (c *call) hold(y *side, d sdp.Direction) {
	if !y.Want(d) || y.Leg == nil || !c.up(y) {
		return
	}
	if d == sdp.SendRecv && y.PeerHolds() && !(y.PeerPlays() && holdDirection(true, c.beyond(y).Interface.HoldMethod).CanSend()) {
		return // it is y who holds, and y who will resume; nor is there music that the other side could hear
	}
	c.reinvite(y, negotiation.ForHold, nil, nil)
}

// Offers of hold and resume that a peer has refused for a passing reason are repeated after such a time.
const (
	offerAgainIn  = 5 * time.Second
	offerAgainMax = time.Minute
)

// holdAgain continues after a peer has refused an offer. Another direction may be wanted by now, or the refusal was not final: a
// peer that has met our offer six times in a row (491), or is busy with itself (500, 503), would otherwise keep a state that neither
// side wants.
func (c *call) holdAgain(x *side, e sipgw.Failed) {
	if c.ended() {
		return
	}
	now, later := x.Refused(!e.Local && (e.Code == 491 || e.Code == 500 || e.Code == 503 || e.Code == 504))
	if now {
		c.hold(x, x.Wanted())
	}
	if !later {
		return
	}
	leg := x.Leg
	c.after(max(offerAgainIn, min(e.RetryAfter, offerAgainMax)), func() {
		if !c.ended() && x.Leg == leg {
			c.hold(x, x.Wanted())
		}
	})
}

// held reports whether a side has put the call on hold.
func (c *call) held() bool {
	for _, s := range []*side{&c.a, &c.b} {
		if c.up(s) && s.Choice() != nil && s.Choice().Direction != sdp.SendRecv {
			return true
		}
	}
	return false
}
