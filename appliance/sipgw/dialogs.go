package sipgw

import (
	"maps"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"
)

// dialogs are the legs of a gateway, by Call-ID and our tag. One that has ended stays for a moment, for a BYE that crosses ours.
type dialogs struct {
	mu     sync.Mutex
	legs   map[string]*Leg
	buried []buried // in the order of their ends
	closed bool     // the gateway leaves
}

// buried is a dialog that has ended, and how long it stays.
type buried struct {
	leg *Leg
	due time.Time
}

func newDialogs() dialogs { return dialogs{legs: map[string]*Leg{}} }

func dialogKey(callID, localTag string) string { return callID + " " + localTag }

// add takes a leg in; false: the gateway leaves, and does not.
func (d *dialogs) add(l *Leg) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.legs[dialogKey(l.callID, l.localTag)] = l
	return true
}

// close takes no more legs in.
func (d *dialogs) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// open are the legs that are not over.
func (d *dialogs) open() []*Leg {
	d.mu.Lock()
	all := slices.Collect(maps.Values(d.legs))
	d.mu.Unlock()
	return slices.DeleteFunc(all, func(l *Leg) bool { return l.outline.over() })
}

// bury replaces a leg by what stays of it. It reports whether nothing else is buried, so that nobody sweeps yet.
func (d *dialogs) bury(key string, past *Leg) (first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.legs[key] = past
	d.buried = append(d.buried, buried{past, time.Now().Add(siptx.T4)})
	return len(d.buried) == 1
}

// sweepEvery is how long the next sweep waits at least: a thousand legs may end in a second.
const sweepEvery = time.Second / 4

// overdue takes out what has been buried for long enough, and tells when to look again; 0: nothing is left.
func (d *dialogs) overdue(now time.Time) (gone []*Leg, wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.buried {
		if b.due.After(now) {
			wait = max(b.due.Sub(now), sweepEvery)
			break
		}
		gone = append(gone, b.leg)
	}
	d.buried = slices.Delete(d.buried, 0, len(gone))
	return gone, wait
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
