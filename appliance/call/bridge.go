package call

import (
	"fmt"

	"viaduct/appliance/media"
	"viaduct/appliance/sdp"
)

// bridge is a further media session behind a side whose peer is now reached from another address of the box than before: the ports
// of the other side must stay (teams.md A.44), and a session has one address a side. The two are connected on the address that
// the side had, as if the old peer had sent its media round.
type bridge struct {
	session MediaSession
	inner   media.Ports // of its side A, towards the call's own session
	joint   media.Ports // of that session's side, towards the bridge
}

// place gives a new side n the media ports of x, or those of a bridge of its own when it is reached from another address.
func (c *call) place(n, x *side) error {
	if c.here(n) == x.ports.RTP.Addr() {
		n.opened, n.ports, n.addr, n.bridge = x.opened, x.ports, x.addr, x.bridge
		return nil
	}
	b := &bridge{session: c.m.Media.NewSession(), joint: x.ports}
	if x.bridge != nil {
		b.joint = x.bridge.joint
	}
	n.bridge = b
	b.session.Notify(func(e media.Event) { c.Post(func() { c.fromBridge(b, e) }) })
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
	p := media.Params{Remote: to.RTP, RemoteRTCP: to.RTCP, Mux: to.RTP == to.RTCP, Send: true, Receive: true,
		AudioPT: ch.Codec.PT, DTMFPT: pt(ch.DTMF), CNPT: pt(ch.CN), Rate: ch.Codec.Rate, Codec: name(ch.Codec), Voice: ch.Codec.Voice()}
	for _, c := range spares(ch) {
		p.Spare = append(p.Spare, media.Format{Received: c.PT, Wanted: c.PT, Codec: name(c), Voice: c.Voice()})
	}
	return p
}

// fromBridge handles what the relay says of a bridge. Voice and silence of the peer show at the call's own session too.
func (c *call) fromBridge(b *bridge, e media.Event) {
	for _, s := range []*side{&c.a, &c.b} {
		if s.bridge == b && e.Side == media.B && e.Kind == media.KeyUsed {
			c.rekey(s)
		}
	}
}

// displace gives back what place gave a side that does not take the place of x after all.
func (n *side) displace(x *side) {
	if n.bridge != x.bridge {
		n.unbridge()
	}
}

// closeMedia gives all ports back and returns the final figures of both sides: of a bridged one those of its peer, not of the way
// between our own ports.
func (c *call) closeMedia() [2]media.Stats {
	final := c.media.Close()
	for _, s := range []*side{&c.a, &c.b} {
		if s.bridge != nil {
			final[s.which] = s.bridge.session.Close()[media.B]
			s.unbridge()
		}
	}
	return final
}

// unbridge gives the ports of a bridge back.
func (s *side) unbridge() {
	if s.bridge != nil {
		s.bridge.session.Close()
		s.bridge = nil
	}
}

// beyond is the other side of x.
func (c *call) beyond(x *side) *side {
	if x.which == media.A {
		return &c.b
	}
	return &c.a
}
