package sipgw

import (
	"sync"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

// dialogs are the legs of a gateway, by Call-ID and our tag. One that has ended stays for a moment, for a BYE that crosses ours.
type dialogs struct {
	mu   sync.Mutex
	legs map[string]*Leg
}

func newDialogs() dialogs { return dialogs{legs: map[string]*Leg{}} }

func dialogKey(callID, localTag string) string { return callID + " " + localTag }

func (d *dialogs) add(l *Leg) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.legs[dialogKey(l.callID, l.localTag)] = l
}

func (d *dialogs) drop(l *Leg) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.legs, dialogKey(l.callID, l.localTag))
}

// leg finds the leg that a request names with its Call-ID and our tag; nil: there is none.
func (d *dialogs) leg(callID, localTag string) *Leg {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.legs[dialogKey(callID, localTag)]
}

func (d *dialogs) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.legs)
}

// find finds a leg by its Call-ID and both tags, with its state.
func (d *dialogs) find(r sipmsg.Replaces) (*Leg, legState) {
	if l := d.leg(r.CallID, r.ToTag); l != nil {
		if state, ok := l.outline.named(r); ok {
			return l, state
		}
	}
	return nil, legOver
}

// replaced finds the leg that an INVITE with Replaces wants to take the place of; nil without such a header. A peer has no
// business with the dialogs of others. The order of the checks is that of RFC 3891 3.
func (g *gateway) replaced(req *sipmsg.Request, from siptransport.Origin) (*Leg, *sipmsg.Fault) {
	values := req.Headers("Replaces")
	if len(values) == 0 {
		return nil, nil
	}
	r, ok := sipmsg.ParseReplaces(values[0])
	if !ok || len(values) > 1 || len(req.Headers("Join")) > 0 {
		return nil, &sipmsg.Fault{Code: 400, Reason: "Malformed Replaces"}
	}
	l, state := g.dialogs.find(r)
	switch {
	case l == nil:
		return nil, &sipmsg.Fault{Code: 481}
	case !l.heeds(from):
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
	l, state := g.dialogs.find(r)
	if l == nil || !l.with(i) || state != legConfirmed && state != legAnswered {
		return nil
	}
	return l
}

// with reports whether the leg's peer is one of an interface.
func (l *Leg) with(i *config.SIPInterface) bool {
	peer, _ := l.outline.speakers()
	return l.iface.ID() == i.ID() || l.g.TrustedBy(i, peer)
}

// Identify is the dialog as its peer would name it in a Replaces header, and the peer's Contact.
func (l *Leg) Identify() (r sipmsg.Replaces, target string) {
	return sipmsg.Replaces{CallID: l.callID, ToTag: l.remoteTag, FromTag: l.localTag}, l.target
}
