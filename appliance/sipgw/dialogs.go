package sipgw

import (
	"sync"

	"viaduct/appliance/sipmsg"
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
func (d *dialogs) find(r sipmsg.Replaces) (*Leg, string) {
	l := d.leg(r.CallID, r.ToTag)
	if l == nil {
		return nil, ""
	}
	state, ok := l.outline.named(r)
	if !ok {
		return nil, ""
	}
	return l, state
}
