package call

import (
	"errors"

	"viaduct/appliance/callstate"
	"viaduct/appliance/media"
	"viaduct/appliance/mediaterms"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/status"
)

// joined is a call that an attended transfer has joined with another one. The peer x of both calls, who held one and spoke on the
// other, has left. The two peers beyond are connected through x's ports of both calls. Each call keeps its goroutine, ports, keys
// and license, and tells the other one of hold and of its end.
type joined struct {
	other  *call
	x      *side       // the side that is connected to the other call
	left   *sipgw.Leg  // of the peer that has left: it is ended when it has heard of the transfer's success; nil: it has been
	agreed *sdp.Choice // what flows there
}

// joinCalls asks the call that has leg to be joined with this one, for a REFER whose Refer-To names it in Replaces. The media
// between the two calls has the codecs that the callee here has agreed.
func (c *call) joinCalls(other *call, leg *sipgw.Leg) {
	t := c.transfer
	if t.state == callstate.TargetCalled {
		c.becomeTarget(t, callstate.CallsJoined)
	}
	y := c.beyond(t.x)
	if t.x.Hop != nil || t.x.Choice() == nil || y.Choice() == nil {
		c.transferFailed(488)
		return
	}
	agreed, ports, who := y.Choice(), t.x.Ports, t.x.Line.Identity
	answer := func(peer media.Ports, err error) { // on the other's goroutine
		if !c.do(func() { c.joinAnswered(t, other, leg, peer, agreed, err) }) && err == nil {
			other.hangUp(nil, "", status.ByTransfer) // this call has ended meanwhile
		}
	}
	if !other.do(func() { other.joinedBy(c, leg, who, agreed, ports, answer) }) {
		c.transferFailed(481)
	}
}

// otherCodec refuses to join calls: the peer beyond uses another codec and cannot change it.
type otherCodec struct{ choice *sdp.Choice }

func (e *otherCodec) Error() string { return "the other call uses " + e.choice.Codec.Name }

// joinedBy joins this call, at the side of leg, with another one that sends and expects the agreed codecs. A phone may join calls of its own
// identity (who) alone.
func (c *call) joinedBy(other *call, leg *sipgw.Leg, who string, agreed *sdp.Choice, ports media.Ports, answer func(media.Ports, error)) {
	x := &c.a
	if leg == c.b.Leg {
		x = &c.b
	}
	y := c.beyond(x)
	joinable := func() bool {
		return x.Leg == leg && x.Line.Identity == who && c.up(x) && y.Leg != nil && c.up(y) && y.Choice() != nil && x.Hop == nil && c.transfer == nil && c.joined == nil
	}
	unite := func(ok bool) {
		switch {
		case !joinable():
			if !c.ended() && c.joined == nil {
				c.alignSides(y)
			}
			answer(media.Ports{}, &sdp.Error{Code: 481, Text: "the other call has ended, or is being transferred itself"})
		case !ok:
			answer(media.Ports{}, &otherCodec{y.Choice()})
		default:
			answer(x.Ports, c.connectCalls(other, x, agreed, ports))
		}
	}
	if !joinable() {
		unite(false)
		return
	}
	c.alignCodec(y, agreed, unite)
}

// connectCalls connects side x with the ports of another call. The box ends both legs of the peer that asked for it, see farewell.
func (c *call) connectCalls(other *call, x *side, agreed *sdp.Choice, ports media.Ports) error {
	y := c.beyond(x)
	if err := c.media.Set(x.Which, mediaterms.Plain(ports, agreed)); err != nil {
		return err
	}
	c.joined = &joined{other: other, x: x, left: x.Leg, agreed: agreed}
	c.changed()
	c.record.Transfers++
	c.record.Talk()
	x.Leg = nil
	c.abandon(x)
	x.Reset()
	c.noteHold()
	c.tellLamps()
	c.log.Info("joined with another call", "leg", x.Which.String(), "other", other.id)
	c.releaseChannel()
	c.hold(y, sdp.SendRecv)
	return nil
}

// joinAnswered is the answer of the other call.
func (c *call) joinAnswered(t *transfer, other *call, leg *sipgw.Leg, peer media.Ports, agreed *sdp.Choice, err error) {
	gone := c.ended() || c.transfer != t
	var e *otherCodec
	switch {
	case gone && err == nil:
		other.Post(func() { other.hangUp(nil, "", status.ByTransfer) })
	case gone:
	case errors.As(err, &e) && t.state == callstate.CallsJoined: // then this side may be able to change
		c.becomeTarget(t, callstate.CallsJoinedAgain)
		c.alignCodec(c.beyond(t.x), e.choice, func(ok bool) {
			switch {
			case c.transfer != t:
			case ok:
				c.joinCalls(other, leg)
			default:
				c.log.Warn("transfer failed", "other", other.id, "err", err)
				c.transferFailed(488)
			}
		})
	case err != nil:
		c.log.Warn("transfer failed", "other", other.id, "err", err)
		c.transferFailed(488)
	default:
		c.transfer = nil
		t.notify(200)
		if t.x.Leg == nil {
			t.x.Leg = t.by // it has hung up already; ending it again does nothing
		}
		if err := c.connectCalls(other, t.x, agreed, peer); err != nil {
			c.log.Warn("transfer failed", "other", other.id, "err", err)
			other.Post(func() { other.hangUp(nil, "", status.ByTransfer) })
			c.hangUp(nil, "", status.ByBox)
			return
		}
		c.farewell() // which waits for the answer to the NOTIFY
		t.by.AfterRequests(func() { other.do(other.farewell) })
	}
}

// farewell ends the leg of the peer that has left. If that peer heard of the end of a call before the success of its transfer, its
// screen would say "transferring" for ever.
func (c *call) farewell() {
	if u := c.joined; u != nil && u.left != nil {
		u.left.Bye()
		u.left = nil
		c.changed()
	}
}

// endJoined ends the call that this one was joined with.
func (c *call) endJoined(reason string) {
	if u := c.joined; u != nil {
		c.farewell()
		c.joined = nil
		u.other.Post(func() {
			if u.other.joined != nil {
				u.other.joined = nil
				u.other.hangUp(nil, reason, status.ByTransfer)
			}
		})
	}
}

// holdBeyond passes hold and resume on to the other call when side x is joined with it. False: it is not.
func (c *call) holdBeyond(x *side, held bool) bool {
	u := c.joined
	if u == nil || u.x != x {
		return false
	}
	u.other.Post(func() {
		if o := u.other; o.joined != nil && !o.ended() {
			z := o.beyond(o.joined.x)
			o.hold(z, holdDirection(held, z.Interface.HoldMethod))
		}
	})
	return true
}
