package call

import (
	"slices"
	"strconv"

	"viaduct/appliance/callstate"
	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/party"
	"viaduct/appliance/sipgw"
)

// Lamps of other phones show the calls of a phone (RFC 4235), and pick up with what they show. What is told of a leg follows from the state of
// the call, and is compared with what was told before.

// lamp is a leg with a phone of which has been told.
type lamp struct {
	Leg                *sipgw.Leg
	location, identity string
	last               dialoginfo.Dialog
}

// lamps are those of a call.
type lamps struct {
	list []lamp
	lit  int // how many there were
}

// tellLamps tells what has changed on the lines of the phones that take part.
func (c *call) tellLamps() {
	if c.m.Line == nil {
		return
	}
	var next *side
	if c.transfer != nil {
		next = &c.transfer.next
	}
	sides := [...]*side{&c.a, &c.b, next}
	c.lamps.list = slices.DeleteFunc(c.lamps.list, func(l lamp) bool {
		gone := c.ended() || !slices.ContainsFunc(sides[:], func(s *side) bool { return s != nil && s.Leg == l.Leg })
		if gone {
			l.last.State = dialoginfo.Terminated
			c.m.Line(l.location, l.identity, l.last)
		}
		return gone
	})
	for _, s := range sides {
		if !c.ended() && s != nil && s.Leg != nil && s.Line.Identity != "" {
			c.tellLamp(s)
		}
	}
}

func (c *call) tellLamp(s *side) {
	dialog, _ := s.Leg.Identify()
	state := dialoginfo.Early
	switch {
	case s == c.at(s.Which) && c.up(s):
		state = dialoginfo.Confirmed
	case !c.rings(s) || dialog.ToTag == "":
		return
	}
	n := slices.IndexFunc(c.lamps.list, func(l lamp) bool { return l.Leg == s.Leg })
	if n < 0 {
		n = len(c.lamps.list)
		c.lamps.lit++
		d := dialoginfo.Dialog{ID: c.id + "-" + strconv.Itoa(c.lamps.lit), CallID: dialog.CallID, Direction: dialoginfo.Recipient, Remote: c.shown(s)}
		if s.Line.Began {
			d.Direction = dialoginfo.Initiator
		}
		c.lamps.list = append(c.lamps.list, lamp{Leg: s.Leg, location: s.Interface.Phones.Name, identity: s.Line.Identity, last: d})
	}
	l := &c.lamps.list[n]
	if l.last.State == state && l.last.LocalTag == dialog.ToTag {
		return
	}
	l.last.State, l.last.LocalTag, l.last.RemoteTag = state, dialog.ToTag, dialog.FromTag
	c.m.Line(l.location, l.identity, l.last)
}

// rings reports whether the phone of a side that has not answered rings, or hears ringing.
func (c *call) rings(s *side) bool {
	switch {
	case s == &c.a:
		return c.state != callstate.Routing
	case s == &c.b:
		return c.rang
	}
	return c.transfer.rang
}

// shown is the other party, as the phone of a side is told.
func (c *call) shown(s *side) dialoginfo.Party {
	if s.Line.Began {
		return dialoginfo.Party{URI: c.props.CalledE164, Name: c.props.CalledName}
	}
	h := &c.hunting
	if c.transfer != nil && s == &c.transfer.next {
		h = &c.transfer.hunting
	}
	if h.attempt < 0 || h.attempt >= len(h.plan.Attempts) {
		return dialoginfo.Party{}
	}
	a := &h.plan.Attempts[h.attempt]
	if party.Withheld(&a.Call) {
		return dialoginfo.Party{}
	}
	return dialoginfo.Party{URI: party.Calling(a), Name: a.Call.CallingName}
}

// phone is the identity of that name among the phones of an interface; nil: there is none.
func phone(cfg *config.Config, i *config.SIPInterface, name string) *config.Identity {
	l := i.Phones.In(cfg)
	if l == nil {
		return nil
	}
	if n := slices.IndexFunc(l.Identities, func(x *config.Identity) bool { return x.Name == name }); n >= 0 {
		return l.Identities[n]
	}
	return nil
}
