package call

import (
	"viaduct/appliance/callside"
	"viaduct/appliance/party"
	"viaduct/appliance/refusal"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/status"
)

// onReplaces hands an INVITE with Replaces to the call that it names.
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

// replace takes an INVITE with Replaces (RFC 3891): its leg takes the place of a leg of this call. A call queue of Teams hands over
// in this way (teams.md A.51), so does a PBX after an attended transfer inside, and, for a leg of ours that still rings, a pickup.
// If the new peer uses another codec, the other side is asked to change first. When that fails, everything stays as it was.
func (c *call) replace(in *sipgw.Incoming) {
	x, y := &c.a, &c.b
	if in.Replaces == c.b.Leg {
		x, y = &c.b, &c.a
	}
	switch {
	case c.ended() || x.Leg != in.Replaces || c.media == nil:
		in.Leg.Reject(481, "")
		return
	case c.coming != nil:
		in.Leg.Reject(491, "")
		return
	case in.Identity != "" && x.Line.Identity != in.Identity && c.up(x): // lamps show others' dialogs, but a conversation is its phone's own
		in.Leg.Reject(403, "")
		return
	}
	n := c.inPlaceOf(x, in)
	refuse := func(f refusal.Failure) {
		c.log.Warn("INVITE with Replaces refused", "if", in.Interface, "code", f.Code, "err", f.Text)
		n.ReleasePorts(x)
		c.releaseChannel()
		in.Leg.Reject(f.Code, f.Reason, f.Headers()...)
	}
	offer, err := c.described(&n, in.Request.ContentType, in.Request.Body, true)
	if err != nil {
		refuse(refusal.Unusable(err))
		return
	}
	n.TakeOffer(offer)
	if err := c.channel(n.Channels(), c.urgent); err != nil {
		refuse(refusal.Unlicensed(err))
		return
	}
	if err := c.takePorts(&n, x); err != nil {
		refuse(refusal.Unlicensed(err))
		return
	}
	if err := c.describe(&n, y); err != nil {
		refuse(refusal.Unusable(err))
		return
	}
	c.coming = in.Leg
	done := func(ok bool) {
		if c.coming != in.Leg {
			n.ReleasePorts(x) // it has given up
			c.releaseChannel()
			c.alignSides(y)
			return
		}
		c.coming = nil
		if !ok || x.Leg != in.Replaces {
			refuse(refusal.Failure{Code: 488, Reason: "Not Acceptable Here", Text: "no codec in common with the other side"})
			return
		}
		n.Remember(in.Request.Body)
		c.replaced(x, n)
	}
	if c.up(y) {
		c.alignCodec(y, n.Choice(), done)
	} else {
		done(true) // see answerCaller
	}
}

// inPlaceOf is the side that takes the place of x.
func (c *call) inPlaceOf(x *side, in *sipgw.Incoming) side {
	_, iface := in.Interface.In(c.cfg)
	n := side{Which: x.Which, Leg: in.Leg, Interface: iface, Line: callside.Line{Identity: in.Identity, Began: true}}
	n.NoteAllow(in.Request.Headers)
	if n.Interface == nil {
		n.Interface = x.Interface
	}
	n.Profile = c.profile(n.Interface)
	return n
}

// replaced puts the new leg in the place of x.
func (c *call) replaced(x *side, n side) {
	if n.Choice() != nil {
		if err := c.apply(&n); err != nil {
			c.log.Warn("media not set", "leg", n.Which.String(), "err", err)
		}
	}
	c.log.Info("replaced", "if", n.Interface.ID(), "leg", x.Which.String())
	c.abortTransfer()
	old, established := x.Leg, c.up(x)
	n.Leg.Answer(n.Text())
	c.takeOver(x, n)
	c.record.Replaced(n.Interface.ID(), n.Leg.Info())
	if !established { // a pickup: the caller is connected now
		c.alive()
		stop(c.early)
		old.Cancel(refusal.Header(refusal.CompletedElsewhere)...)
		if err := c.answerCaller(); err != nil {
			x.Leg.Bye(refusal.Header(refusal.Q850(88))...)
			x.Leg = nil
			c.hangUp(nil, refusal.Q850(88), status.ByBox)
		}
		return
	}
	c.tellLamps()
	old.Bye()
}

// describe answers the offer of the new leg, or makes one, with the codecs that y uses, could use, or may be asked to use.
func (c *call) describe(n, y *side) error {
	local, err := n.Draft(n.Terms())
	if err != nil {
		return err
	}
	switch u := c.joined; {
	case u != nil && u.x == y:
		local.Prefer, local.Other, local.Also = u.agreed.Codec.Name, u.agreed.Codecs(), u.agreed.Spares()
	case y.Choice() != nil:
		local.Prefer, local.Other, local.Also = y.Choice().Codec.Name, y.Able(), y.Choice().Spares()
	default:
		if local.Other, err = c.callerCodecs(); err != nil {
			return err
		}
	}
	if n.Remote() == nil {
		_, err = n.Offer(local) // the answer comes in the ACK
		return err
	}
	_, err = n.Answer(local)
	if err != nil && y.Choice() != nil {
		local.Other = sdp.Codecs(y.Profile)
		_, err = n.Answer(local)
	}
	return err
}

// referBack hands a call that came and went by the same interface back to its peer with REFER (`call-transfer emit`). The peer then
// connects its two users itself, without the box. Teams cannot (teams.md A.25), and two phones at the same interface are two peers.
func (c *call) referBack() {
	if c.ended() || c.a.Interface != c.b.Interface || c.a.Interface.Teams() || !c.a.Interface.Phones.IsZero() || !c.a.Interface.TransferEmit || !c.a.Refers || !c.b.Refers || c.referredBack || c.b.Leg == nil {
		return
	}
	c.referredBack = true
	dialog, target := c.b.Leg.Identify()
	c.log.Info("call handed back", "if", c.a.Interface.ID())
	c.a.Leg.Refer("<" + party.WithHeader(target, "Replaces", dialog.String()) + ">")
}

// referBackNotified hears how the peer got on with it.
func (c *call) referBackNotified(e sipgw.Notified) {
	switch {
	case !e.Final:
	case e.Code/100 == 2:
		c.hangUp(nil, "", status.ByTransfer)
	default:
		c.log.Info("call not handed back, it stays here", "if", c.a.Interface.ID(), "code", e.Code)
	}
}
