package call

import (
	"fmt"

	"viaduct/appliance/media"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
)

// bridge is a further media session behind a side whose peer is now reached from another address of the box than before: the ports
// of the other side must stay (teams.md A.44), and a session has one address a side. The two are connected on the address that
// the side had, as if the old peer had sent its media round.
type bridge struct {
	session MediaSession
	inner   media.Ports // of its side A, towards the call's own session
	joint   media.Ports // of that session's side, towards the bridge
}

// place gives a new side n the media ports of x, or a bridge when it is reached from another address.
func (c *call) place(n, x *side) error {
	if c.m.SIP.LocalAddr(n.iface.Name) == c.m.SIP.LocalAddr(x.iface.Name) && x.bridge == nil {
		n.opened, n.ports, n.addr = x.opened, x.ports, x.addr
		return nil
	}
	b := &bridge{session: c.m.Media.NewSession(), joint: x.ports}
	if x.bridge != nil {
		b.joint = x.bridge.joint
	}
	n.bridge = b
	inner, err := b.session.Open(media.A, media.PortOptions{Addr: b.joint.RTP.Addr()})
	if err == nil {
		b.inner = inner
		err = c.open(n)
	}
	if err != nil {
		n.unbridge()
		return fmt.Errorf("bridge to %s: %w", n.iface.Name, err)
	}
	return nil
}

// relay is the media session of a side, and which side of it that is.
func (c *call) relay(s *side) (MediaSession, media.Side) {
	if s.bridge != nil {
		return s.bridge.session, media.B
	}
	return c.media, s.which
}

// connect joins the bridge with the call's own session once the codec is known.
func (b *bridge) connect(c *call, s *side) error {
	if err := b.session.Set(media.A, plain(b.joint, s.choice)); err != nil {
		return err
	}
	return c.media.Set(s.which, plain(b.inner, s.choice))
}

// plain is RTP to ports of our own.
func plain(to media.Ports, ch *sdp.Choice) media.Params {
	return media.Params{Remote: to.RTP, RemoteRTCP: to.RTCP, Mux: to.RTP == to.RTCP, Send: true, Receive: true,
		AudioPT: ch.Codec.PT, DTMFPT: pt(ch.DTMF), CNPT: pt(ch.CN), Rate: ch.Codec.Rate, Law: law(ch.Codec)}
}

// trunk is RTP to ports of another call of ours, with numbers that both calls know and the codec of the peers beyond: the one who
// was between them may have had the other law.
func trunk(to media.Ports, ch *sdp.Choice) media.Params {
	p := plain(to, ch)
	p.AudioPT, p.DTMFPT, p.CNPT = 96, 101, 13
	return p
}

// unbridge gives the ports of a bridge back.
func (s *side) unbridge() {
	if s.bridge != nil {
		s.bridge.session.Close()
		s.bridge = nil
	}
}

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

// beyond is the other side of x.
func (c *call) beyond(x *side) *side {
	if x == &c.a {
		return &c.b
	}
	return &c.a
}
