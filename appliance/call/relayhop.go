package call

import (
	"fmt"

	"viaduct/appliance/media"
	"viaduct/appliance/mediaterms"
)

// relayHop is a second media session behind a side whose new peer is reached from another address of the box. The ports of the other
// side must stay the same (teams.md A.44), and a session has one address a side. The two sessions are connected at the address that
// the side had, so the first one does not notice.
type relayHop struct {
	session MediaSession
	inner   media.Ports // of its side A, towards the call's own session
	outer   media.Ports // of that session's side, towards the hop
}

// takePorts gives a new side n the media ports of x. If n is reached from another address, it gets a relay hop of its own.
func (c *call) takePorts(n, x *side) error {
	if c.localAddr(n) == x.ports.RTP.Addr() {
		n.ports, n.addr, n.hop = x.ports, x.addr, x.hop
		return nil
	}
	b := &relayHop{session: c.m.Media.NewSession(), outer: x.ports}
	if x.hop != nil {
		b.outer = x.hop.outer
	}
	n.hop = b
	b.hear(c)
	inner, err := b.session.Open(media.A, media.PortOptions{Addr: b.outer.RTP.Addr()})
	if err == nil {
		b.inner = inner
		err = c.open(n)
	}
	if err != nil {
		n.closeHop()
		return fmt.Errorf("relay hop to %s: %w", n.iface.Name, err)
	}
	return nil
}

// movePorts has a side reached from the address that its next leg will have.
func (c *call) movePorts(s *side) error {
	n := side{which: s.which, iface: s.iface, profile: s.profile}
	if err := c.takePorts(&n, s); err != nil {
		return err
	}
	s.closeHop()
	s.ports, s.addr, s.hop = n.ports, n.addr, n.hop
	return nil
}

// relay is the media session of a side, and the side that it is there.
func (c *call) relay(s *side) (MediaSession, media.Side) {
	if s.hop != nil {
		return s.hop.session, media.B
	}
	return c.media, s.which
}

// connect joins the hop with the call's own session once the codec is known.
func (b *relayHop) connect(c *call, s *side) error {
	if err := b.session.Set(media.A, mediaterms.Plain(b.outer, s.Choice())); err != nil {
		return err
	}
	return c.media.Set(s.which, mediaterms.Plain(b.inner, s.Choice()))
}

// hear has the call hear the events of a hop.
func (b *relayHop) hear(c *call) {
	b.session.Notify(func(e media.Event) { c.Post(func() { c.fromHop(b, e) }) })
}

// fromHop handles events of a hop. Voice and silence of its peer show at the call's own session, too.
func (c *call) fromHop(b *relayHop, e media.Event) {
	for _, s := range []*side{&c.a, &c.b} {
		switch {
		case s.hop != b:
		case e.Kind == media.Moved:
			c.m.keeper.Mark(c.id)
		case e.Kind == media.KeyUsed && e.Side == media.B:
			c.rekey(s)
		}
	}
}

// releasePorts gives back what takePorts gave a side that does not take the place of x after all.
func (n *side) releasePorts(x *side) {
	if n.hop != x.hop {
		n.closeHop()
	}
}

// closeMedia gives all ports back and returns the final figures of both sides. A side behind a hop has the figures of its peer, not
// of the path between our own ports.
func (c *call) closeMedia() [2]media.Stats {
	final := c.media.Close()
	for _, s := range []*side{&c.a, &c.b} {
		if s.hop != nil {
			final[s.which] = s.hop.session.Close()[media.B]
			s.closeHop()
		}
	}
	return final
}

// closeHop gives back the ports of a hop.
func (s *side) closeHop() {
	if s.hop != nil {
		s.hop.session.Close()
		s.hop = nil
	}
}

// at is the side that the relay calls so.
func (c *call) at(which media.Side) *side {
	if which == media.A {
		return &c.a
	}
	return &c.b
}

// beyond is the other side of x.
func (c *call) beyond(x *side) *side { return c.at(media.B - x.which) }
