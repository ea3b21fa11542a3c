package call

import (
	"bytes"

	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
)

// onReplaces gives an INVITE with Replaces to the call that it is about.
func (m *Manager) onReplaces(in *sipgw.Incoming) {
	c, ok := in.Replaces.Owner().(*call)
	if !ok {
		in.Leg.Reject(481, "")
		return
	}
	in.Leg.Take(c)
	if !c.Post(func() { c.replace(in) }) {
		in.Leg.Reject(603, "") // over meanwhile (RFC 3891 3)
	}
}

// replace takes an INVITE with Replaces (RFC 3891): its leg takes the place of one of this call's. That is a call queue of Teams
// that hands over (teams.md A.51), an attended transfer inside a PBX, or, for a leg of ours that still rings, a pickup.
func (c *call) replace(in *sipgw.Incoming) {
	x, y := &c.a, &c.b
	if in.Replaces == c.b.leg {
		x, y = &c.b, &c.a
	}
	if c.over || x.leg != in.Replaces || c.media == nil {
		in.Leg.Reject(481, "")
		return
	}
	n := side{which: x.which, leg: in.Leg, iface: x.iface, profile: x.profile, refers: allows(in.Request.Headers, "REFER"), opened: x.opened, ports: x.ports, addr: x.addr, bridge: x.bridge}
	body, err := c.describe(&n, y, in)
	if err != nil {
		c.log.Warn("INVITE with Replaces refused", "if", in.Interface, "err", err)
		f := unusable(err)
		in.Leg.Reject(f.code, f.reason)
		if x.choice != nil {
			c.apply(x)
		}
		return
	}
	c.log.Info("replaced", "if", in.Interface, "leg", x.which.String())
	c.dropTransfer()
	old, established := x.leg, x.up
	in.Leg.Answer(body)
	c.takeOver(x, n)
	if !established { // a pickup: the caller is connected now
		stop(c.noAnswer)
		stop(c.early)
		old.Cancel(reasonHeader(`SIP;cause=200;text="Call completed elsewhere"`)...)
		if err := c.answerCaller(); err != nil {
			c.hangUp(nil, q850Cause(88), "box")
		}
		return
	}
	old.Bye()
}

// describe answers the offer of the new leg, or makes one, with what y uses or may use.
func (c *call) describe(n, y *side, in *sipgw.Incoming) ([]byte, error) {
	offer, err := sdp.ParseBody(in.Request.ContentType, in.Request.Body)
	if err != nil {
		return nil, err
	}
	n.remote = offer
	local, err := c.local(n)
	if err != nil {
		return nil, err
	}
	if y.choice != nil {
		local.Prefer, local.Other = y.choice.Codec.Name, agreed(y)
	} else if local.Other, err = c.callerCodecs(); err != nil {
		return nil, err
	}
	if offer == nil {
		if n.local, err = sdp.Offer(local); err != nil { // the answer comes in the ACK
			return nil, err
		}
		return n.local.Marshal(), nil
	}
	if n.local, n.choice, err = sdp.Answer(offer, local); err != nil {
		return nil, err
	}
	n.lastTaken = bytes.Clone(in.Request.Body)
	return n.local.Marshal(), c.apply(n)
}

// pushBack hands a call that came and goes by the same interface back to its peer (`call-transfer emit`), when the peer knows
// REFER: it connects its two users itself, and the box is out of the way.
func (c *call) pushBack() {
	if c.a.iface != c.b.iface || !c.a.iface.TransferEmit || !c.a.refers || !c.b.refers || c.pushed || c.b.leg == nil {
		return
	}
	c.pushed = true
	dialog, target := c.b.leg.Identify()
	c.log.Info("call handed back", "if", c.a.iface.Name)
	c.a.leg.Refer("<" + target + separator(target) + "Replaces=" + escapeHeader(dialog.String()) + ">")
}

// handedBack tells how the peer went about it.
func (c *call) handedBack(e sipgw.Notified) {
	switch {
	case !e.Final:
	case e.Code/100 == 2:
		c.hangUp(nil, "", "transfer")
	default:
		c.log.Info("call not handed back, it stays here", "if", c.a.iface.Name, "code", e.Code)
	}
}
