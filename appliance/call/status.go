package call

import (
	"slices"
	"strings"
	"time"

	"viaduct/appliance/callrecord"
	"viaduct/appliance/course"
	"viaduct/appliance/media"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// snapshot is a call in progress, and where the figures of its legs come from.
type snapshot struct {
	status.Call
	media  []mediaSide    // of the legs; without a session: none is open
	course *course.Course // nil: the call is not connected
}

type mediaSide struct {
	session MediaSession
	which   media.Side
	of      media.Side // of the call
}

// listened adds the figures of its legs to the call's course.
func (s *snapshot) listened() {
	for i, m := range s.media {
		if l := &s.Legs[i]; s.course != nil && m.session != nil {
			s.course.Add(int(m.of), time.Since(s.Started), l.Codec, l.Media)
		}
	}
}

// Calls describes the calls in progress, oldest first. It asks all of them before it waits for the first answer, and asks the relay
// for the figures of all together.
func (m *Manager) Calls() []status.Call {
	type asked struct {
		*call
		answer chan snapshot
	}
	var open []asked
	for _, c := range m.list("") {
		a := asked{c, make(chan snapshot, 1)}
		if c.Post(func() { a.answer <- c.snapshot() }) {
			open = append(open, a)
		}
	}
	list := make([]snapshot, 0, len(open))
	for _, a := range open {
		select {
		case s := <-a.answer:
			list = append(list, s)
		case <-a.done:
		}
	}
	measure(list)
	calls := make([]status.Call, len(list))
	for i := range list {
		list[i].listened()
		calls[i] = list[i].Call
	}
	slices.SortFunc(calls, func(a, b status.Call) int { return a.Started.Compare(b.Started) })
	return calls
}

// Lookup is the record of a call in progress as far as it has come.
func (m *Manager) Lookup(id string) (r status.Record, ok bool) {
	answer := make(chan status.Record, 1)
	for _, c := range m.list("") {
		if !strings.EqualFold(c.id, id) {
			continue
		}
		if !c.Post(func() { answer <- c.soFar() }) {
			return r, false
		}
		select {
		case r = <-answer:
			return r, true
		case <-c.done:
		}
	}
	return r, false
}

// soFar is the record as it would be if the call ended now, without its end.
func (c *call) soFar() status.Record {
	r := c.record
	if c.media != nil {
		var stats [2]media.Stats
		for n, s := range []*side{&c.a, &c.b} {
			if s.Opened() {
				session, which := c.relay(s)
				stats[n] = session.Stats(which)
			}
		}
		r.Measure(stats, c.kept(), time.Now())
	}
	return r.Kept()
}

// measure fills in what the relay has counted for all calls.
func measure(list []snapshot) {
	var sides []media.SessionSide
	var of []*status.Leg
	for _, s := range list {
		for i, m := range s.media {
			switch session := m.session.(type) {
			case nil:
			case *media.Session:
				sides, of = append(sides, media.SessionSide{Session: session, Side: m.which}), append(of, &s.Legs[i])
			default:
				s.Legs[i].Media = callrecord.Figures(session.Stats(m.which))
			}
		}
	}
	for i, stats := range media.StatsOf(sides) {
		of[i].Media = callrecord.Figures(stats)
	}
}

// snapshot describes the call without the figures of its media: measure asks for those of all calls at once.
func (c *call) snapshot() snapshot {
	x := snapshot{Call: status.Call{
		ID: c.id, State: c.state.Shown(), Calling: printable.Text(c.record.Calling), Called: printable.Text(c.record.Called), Name: printable.Text(c.record.Asked.CallingName),
		Started: c.record.Started, Connected: c.record.Connected,
	}}
	x.course = c.record.Course()
	for n, s := range []*side{&c.a, &c.b} {
		if s.Leg == nil {
			continue
		}
		leg := describe(s)
		if n == 0 {
			x.From = leg.Interface
		} else {
			x.To = leg.Interface
		}
		m := mediaSide{of: s.Which}
		if s.Opened() {
			m.session, m.which = c.relay(s)
		}
		x.Legs, x.media = append(x.Legs, leg), append(x.media, m)
	}
	return x
}

// describe is the leg of a side.
func describe(s *side) status.Leg {
	i := s.Leg.Info()
	l := status.Leg{Interface: i.Interface.String(), Peer: i.Peer, CallID: i.CallID, Codec: callrecord.Codec(s.Choice()), Suite: callrecord.Suite(s.Choice()), Digits: s.Digits(), Local: s.Ports.RTP}
	if s.Choice() != nil {
		l.Remote = s.Choice().Addr
	}
	return l
}

// kept is what the record wants to know of the sides.
func (c *call) kept() (sides [2]callrecord.Side) {
	for n, s := range []*side{&c.a, &c.b} {
		sides[n] = callrecord.Side{Choice: s.Choice(), Local: s.Ports.RTP}
		if s.Leg != nil {
			sides[n].CallID = s.Leg.Info().CallID
		}
	}
	return sides
}
