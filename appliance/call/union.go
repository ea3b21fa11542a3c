package call

import (
	"viaduct/appliance/media"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
)

// union is a call joined with another one by an attended transfer: the peer x of both, who had one on hold and spoke with the
// other, has left, and the peers beyond are connected through x's ports of both calls. Each call keeps its own goroutine, ports,
// keys and license; what happens on one is told to the other.
type union struct {
	other *call
	x     *side // the side that is connected to the other call
}

// joinWith asks the call that has the leg to be joined with this one, for a REFER whose Refer-To names it in Replaces.
func (c *call) joinWith(other *call, leg *sipgw.Leg) {
	t := c.transfer
	y := c.beyond(t.x)
	if t.x.bridge != nil || t.x.choice == nil || y.choice == nil {
		c.transferFailed(488)
		return
	}
	answer := func(peer media.Ports, err error) { // on the other's goroutine
		if !c.Post(func() { c.joined(t, other, peer, err) }) && err == nil {
			other.hangUp(nil, "", "transfer") // this call has ended meanwhile
		}
	}
	joint, codec, ports := t.x.choice, y.choice.Codec, t.x.ports
	if !other.Post(func() { answer(other.joinBy(c, leg, codec, joint, ports)) }) {
		c.transferFailed(481)
	}
}

// joinBy joins this call, at the side of leg, with another one, whose callee uses codec. Between the two, both use the payload
// types of joint.
func (c *call) joinBy(other *call, leg *sipgw.Leg, codec sdp.Codec, joint *sdp.Choice, ports media.Ports) (media.Ports, error) {
	x := &c.a
	if leg == c.b.leg {
		x = &c.b
	}
	y := c.beyond(x)
	switch {
	case c.over || x.leg != leg || !x.up || y.leg == nil || !y.up || y.choice == nil || x.bridge != nil || c.transfer != nil || c.union != nil:
		return media.Ports{}, &sdp.Error{Code: 481, Text: "the call to be joined is over, or has other plans"}
	case y.choice.Codec.Name != codec.Name || y.choice.Codec.Rate != codec.Rate:
		return media.Ports{}, &sdp.Error{Code: 488, Text: "the calls use different codecs"}
	}
	if err := c.unite(other, x, joint, ports); err != nil {
		return media.Ports{}, err
	}
	return x.ports, nil
}

// unite connects side x with the ports of another call. Both legs of the one who asked for it are ended by us.
func (c *call) unite(other *call, x *side, joint *sdp.Choice, ports media.Ports) error {
	y := c.beyond(x)
	if err := c.media.Set(x.which, plain(ports, joint)); err != nil {
		return err
	}
	c.union = &union{other, x}
	x.leg.Bye()
	x.leg = nil
	x.local, x.choice = nil, nil
	c.log.Info("joined with another call", "leg", x.which.String(), "other", other.id)
	c.hold(y, sdp.SendRecv)
	return nil
}

// joined is the answer of the other call.
func (c *call) joined(t *transfer, other *call, peer media.Ports, err error) {
	gone := c.over || c.transfer != t
	if err != nil && !gone {
		c.log.Warn("transfer failed", "other", other.id, "err", err)
		c.transferFailed(488)
		return
	}
	if err == nil && gone {
		other.Post(func() { other.hangUp(nil, "", "transfer") })
	}
	if err != nil || gone {
		return
	}
	c.transfer = nil
	t.notify(200)
	if t.x.leg == nil {
		t.x.leg = t.by // it has hung up already; ending it again does nothing
	}
	if err := c.unite(other, t.x, t.x.choice, peer); err != nil {
		c.log.Warn("transfer failed", "other", other.id, "err", err)
		c.hangUp(nil, "", "box")
	}
}

// part ends the call that this one was joined with.
func (c *call) part(reason string) {
	if u := c.union; u != nil {
		c.union = nil
		u.other.Post(func() {
			if u.other.union != nil {
				u.other.union = nil
				u.other.hangUp(nil, reason, "transfer")
			}
		})
	}
}

// holdBeyond passes hold and resume of y on to the call that this one is joined with; false: it is not joined there.
func (c *call) holdBeyond(x *side, offer *sdp.Session) bool {
	u := c.union
	if u == nil || u.x != x {
		return false
	}
	u.other.Post(func() {
		if o := u.other; o.union != nil && !o.over {
			z := o.beyond(o.union.x)
			o.hold(z, wantedBy(offer, z.iface.HoldMethod))
		}
	})
	return true
}
