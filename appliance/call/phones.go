package call

import (
	"slices"
	"strconv"
	"time"

	"viaduct/appliance/callstate"
	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/lamps"
	"viaduct/appliance/party"
	"viaduct/appliance/refusal"
	"viaduct/appliance/route"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// Phones that have registered with the box are one destination: their identity. All ring at once, as one leg whose early dialogs are
// forks, or one after the other (`fork sequential`). An identity that does not exist, or none of whose phones has registered, lets every
// hunt go on.

// ringing are the phones of the attempt under way.
type ringing struct {
	identity string                     // "": the attempt is for none
	now      []siptransport.PhoneTarget // that are called
	later    []siptransport.PhoneTarget // whose turn is to come
	turn     *time.Timer                // of the one that rings; nil: all do
}

// waits reports whether there is a phone to try after one that has failed. Who declines the call declines it for all, and so does who
// forwards it (RFC 3261 16.7).
func (r *ringing) waits(f refusal.Failure) bool {
	r.stop()
	return len(r.later) > 0 && f.Code/100 != 6 && f.Cause != refusal.Redirected
}

// stop ends the turn of the phone that rings.
func (r *ringing) stop() {
	stop(r.turn)
	r.turn = nil
}

// find finds out which phones an attempt calls now. The zero failure: some, or it calls a peer of another kind.
func (c *call) find(s *hunting, i *config.SIPInterface, a *route.Attempt) (f refusal.Failure) {
	if i.Phones.IsZero() {
		return f
	}
	r := &s.phones
	if len(r.later) == 0 {
		r.later, r.identity, f = c.m.phonesOf(i, a)
	}
	n := len(r.later)
	if a.Phones != nil && a.Phones.OneByOne() {
		n = min(1, n)
	}
	r.now, r.later = r.later[:n:n], r.later[n:]
	return f
}

// phonesOf are the phones that an attempt is for.
func (m *Manager) phonesOf(i *config.SIPInterface, a *route.Attempt) ([]siptransport.PhoneTarget, string, refusal.Failure) {
	user := party.Called(a)
	if m.Phones == nil {
		return nil, "", refusal.Failure{Local: true, Code: 480, Cause: 20, Reason: "Temporarily Unavailable", Text: "no phone can register"}
	}
	switch targets, identity, known := m.Phones.Targets(i.ID(), user); {
	case !known:
		return nil, "", refusal.Failure{Local: true, Code: 404, Cause: 1, Reason: "Not Found", Text: i.Phones.Name + " has no identity " + strconv.Quote(user)}
	case len(targets) == 0:
		return nil, identity, refusal.Failure{Local: true, Code: 480, Cause: 20, Reason: "Temporarily Unavailable", Text: "no phone has registered as " + identity}
	default:
		return targets, identity, refusal.Failure{}
	}
}

// limitRinging ends the turn of a phone that does not answer, where they ring one after the other.
func (c *call) limitRinging(s *hunting, x *side, next func(refusal.Failure)) {
	a := &s.plan.Attempts[s.attempt]
	if a.Phones == nil || !a.Phones.OneByOne() {
		return
	}
	var t *time.Timer
	t = c.after(a.Phones.Timeout, func() {
		if c.ended() || s.phones.turn != t {
			return
		}
		x.Leg.Cancel(refusal.Header(refusal.Q850(19))...)
		x.Leg = nil
		f := refusal.Failure{Code: 480, Cause: 19, Reason: "Temporarily Unavailable", Text: "no answer within " + a.Phones.Timeout.String()}
		c.record.Attempt(status.Cancelled, f.Text)
		next(f)
	})
	s.phones.turn = t
}

// unavailable says what keeps calls away from the peer of an interface; "": nothing. One phone says nothing about the others.
func (m *Manager) unavailable(i *config.SIPInterface) string {
	if !i.Phones.IsZero() {
		return ""
	}
	return m.Peers.Unavailable(i.ID())
}

// Route plans a call that comes in by an interface, as it would go now. Survival is the name of the one whose routes it takes.
func (m *Manager) Route(cfg *config.Config, from config.InterfaceID, p route.Call) (plan *route.Plan, survival string, err error) {
	var d route.Detour
	if m.Survival != nil {
		if dest, name, ok := m.Survival.Route(from); ok {
			d = route.Detour{Survival: name, Dest: dest}
		}
	}
	plan, err = route.Around(cfg, from, p, d)
	return plan, d.Survival, err
}

// tellLamps tells the lamps of other phones what has changed on the lines of those that take part, see package lamps.
func (c *call) tellLamps() {
	if c.m.Line == nil {
		return
	}
	var next *side
	if c.transfer != nil {
		next = &c.transfer.next
	}
	sides := [...]*side{&c.a, &c.b, next}
	c.lamps.Keep(func(l any) bool {
		return !c.ended() && slices.ContainsFunc(sides[:], func(s *side) bool { return s != nil && s.Leg == l })
	}, c.m.Line)
	for _, s := range sides {
		if !c.ended() && s != nil && s.Leg != nil && s.Line.Identity != "" {
			c.tellLamp(s)
		}
	}
}

func (c *call) tellLamp(s *side) {
	line := lamps.Line{Call: c.id, Location: s.Interface.Phones.Name, Identity: s.Line.Identity, Direction: dialoginfo.Recipient, Remote: func() dialoginfo.Party { return c.shown(s) }}
	if s.Line.Began {
		line.Direction = dialoginfo.Initiator
	}
	switch dialog, _ := s.Leg.Identify(); {
	case s == c.at(s.Which) && c.up(s):
		c.lamps.Show(s.Leg, dialog, line, dialoginfo.Confirmed, c.m.Line)
	case c.rings(s):
		c.lamps.Show(s.Leg, dialog, line, dialoginfo.Early, c.m.Line)
	}
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
