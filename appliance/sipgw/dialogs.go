package sipgw

import (
	"cmp"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

// open are the legs that are not over.
func (g *gateway) open() []*Leg {
	return slices.DeleteFunc(g.legs.All(), func(l *Leg) bool { return l.outline.Over() })
}

// find finds a leg by its Call-ID and both tags, with its state.
func (g *gateway) find(r sipmsg.Replaces) (*Leg, legState) {
	if l := g.legs.Find(r.CallID, r.ToTag); l != nil {
		if state, ok := l.outline.Named(r.FromTag); ok {
			return l, state
		}
	}
	// Phones disagree on whose tag a lamp's dialog-info calls local, and write them the other way round.
	if l := g.legs.Find(r.CallID, r.FromTag); l != nil && ofPhones(l.iface) {
		if state, ok := l.outline.Named(r.ToTag); ok {
			return l, state
		}
	}
	return nil, legOver
}

// named is find for a peer of interface i. A phone may name a leg of another one, which has registered at another gateway.
func (g *gateway) named(i *config.SIPInterface, r sipmsg.Replaces) (*Leg, legState) {
	l, state := g.find(r)
	if l != nil || !ofPhones(i) {
		return l, state
	}
	g.stack.mu.Lock()
	defer g.stack.mu.Unlock()
	for _, other := range g.stack.gateways {
		if l, state := other.find(r); l != nil {
			return l, state
		}
	}
	return nil, legOver
}

// replaced finds the leg that an INVITE with Replaces wants to take the place of; nil without such a header. A peer has no
// business with the dialogs of others, but a phone that has shown who it is (identity) picks up the calls of those beside it. The order of the
// checks is that of RFC 3891 3.
func (g *gateway) replaced(req *sipmsg.Request, from siptransport.Origin, i *config.SIPInterface, identity string) (*Leg, *sipmsg.Fault) {
	values := req.Headers("Replaces")
	if len(values) == 0 {
		return nil, nil
	}
	r, ok := sipmsg.ParseReplaces(values[0])
	if !ok || len(values) > 1 || len(req.Headers("Join")) > 0 {
		return nil, &sipmsg.Fault{Code: 400, Reason: "Malformed Replaces"}
	}
	l, state := g.named(i, r)
	switch {
	case l == nil:
		return nil, &sipmsg.Fault{Code: 481}
	case !l.heeds(from) && (identity == "" || l.iface.Phones != i.Phones):
		return nil, &sipmsg.Fault{Code: 403}
	case state == legOver:
		return nil, &sipmsg.Fault{Code: 603}
	case state == legRinging:
		return nil, &sipmsg.Fault{Code: 481} // an early dialog that the peer began
	case r.EarlyOnly && state != legInviting:
		return nil, &sipmsg.Fault{Code: 486}
	}
	return l, nil
}

// Dialog returns the established leg that r names, among those with the peer of a SIP interface: what a REFER of it may speak of.
// Nil: there is none.
func (s *Stack) Dialog(iface config.InterfaceID, r sipmsg.Replaces) *Leg {
	i, g := s.sipInterface(iface)
	if g == nil {
		return nil
	}
	l, state := g.named(i, r)
	if l == nil || !l.with(i) || state != legConfirmed && state != legAnswered {
		return nil
	}
	return l
}

// with reports whether the leg's peer is one of an interface.
func (l *Leg) with(i *config.SIPInterface) bool {
	if ofPhones(i) {
		return l.iface.Phones == i.Phones
	}
	peer, _ := l.outline.Speakers()
	return l.iface.ID() == i.ID() || l.g.TrustedBy(i, peer)
}

// Identify is the dialog as its peer would name it in a Replaces header, and the peer's Contact. Of the early dialogs that our INVITE has
// made it is the first; there is none while ToTag is "".
func (l *Leg) Identify() (r sipmsg.Replaces, target string) {
	return sipmsg.Replaces{CallID: l.dialog.CallID, ToTag: cmp.Or(l.dialog.RemoteTag, l.outline.FirstFork()), FromTag: l.dialog.LocalTag}, l.dialog.Target
}
