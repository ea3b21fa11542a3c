package callside

import (
	"fmt"

	"viaduct/appliance/media"
	"viaduct/appliance/mediaterms"
)

// Hop is a second media session behind a side whose new peer is reached from another address of the box. The ports of the other
// side must stay the same (teams.md A.44), and a session has one address a side. The two sessions are connected at the address that
// the side had, so the first one does not notice.
type Hop struct {
	Session Session
	Inner   media.Ports // of its side A, towards the call's own session
	Outer   media.Ports // of that session's side, towards the hop
}

// TakePorts gives a new side n the media ports of x. If n is reached from another address, it gets a hop of its own, of which hear is told.
func (n *Side) TakePorts(e Env, x *Side, hear func(*Hop)) error {
	if n.LocalAddr(e) == x.Ports.RTP.Addr() {
		n.Ports, n.Addr, n.Hop = x.Ports, x.Addr, x.Hop
		return nil
	}
	b := &Hop{Session: e.Media.NewSession(), Outer: x.Ports}
	if x.Hop != nil {
		b.Outer = x.Hop.Outer
	}
	n.Hop = b
	hear(b)
	inner, err := b.Session.Open(media.A, media.PortOptions{Addr: b.Outer.RTP.Addr()})
	if err == nil {
		b.Inner = inner
		err = n.Open(e)
	}
	if err != nil {
		n.CloseHop()
		return fmt.Errorf("relay hop to %s: %w", n.Interface.Name, err)
	}
	return nil
}

// MovePorts has a side reached from the address that its next leg will have.
func (s *Side) MovePorts(e Env, hear func(*Hop)) error {
	n := Side{Which: s.Which, Interface: s.Interface, Profile: s.Profile}
	if err := n.TakePorts(e, s, hear); err != nil {
		return err
	}
	s.CloseHop()
	s.Ports, s.Addr, s.Hop = n.Ports, n.Addr, n.Hop
	return nil
}

// connect joins the hop with the call's own session once the codec is known.
func (b *Hop) connect(own Session, s *Side) error {
	if err := b.Session.Set(media.A, mediaterms.Plain(b.Outer, s.Choice())); err != nil {
		return err
	}
	return own.Set(s.Which, mediaterms.Plain(b.Inner, s.Choice()))
}

// ReleasePorts gives back what TakePorts gave a side that does not take the place of x after all.
func (n *Side) ReleasePorts(x *Side) {
	if n.Hop != x.Hop {
		n.CloseHop()
	}
}

// CloseHop gives back the ports of a hop.
func (s *Side) CloseHop() {
	if s.Hop != nil {
		s.Hop.Session.Close()
		s.Hop = nil
	}
}
