package presence

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/usermatch"
)

const (
	statesHold = 3 // polls for which a state is known, then calls go through; one that takes longer than the interval counts for that long
	pollsTake  = 2 // intervals at most: what comes later is of no use
)

// people are the users of the directory who are identities of ours.
type people struct {
	list     []*person // by user principal name
	byID     map[string]*person
	asked    []string // ids for Graph; nil: to be made
	answer   []graph.Presence
	found    *usermatch.Result // of the last reading
	left     int               // of ours that are beyond mostUsers
	acting   int               // requests about sessions under way
	restored bool              // what the last run had remembered has been taken over
}

// person is one of them.
type person struct {
	user      usermatch.User
	identity  string
	extension string
	leaving   bool // he is none of ours any more; what was told of him is being taken back

	// What Teams tells.
	state    config.PresenceState // that the box has not set itself
	activity string
	since    time.Time // the state
	heard    time.Time // the last time that Graph told anything
	until    time.Time // the state holds
	echo     bool      // Graph tells what the box has set

	// What follows from it.
	follows   config.PresenceMap
	verdict   *refusal             // nil: calls go on
	told      bool                 // the publisher knows him
	published bool                 // as busy
	shown     config.PresenceState // to the publisher
	marked    span                 // while the PBX is told that he is busy

	line    lineState
	session session
	names   names
}

// ids are the ids of all whose presence is read.
func (l *people) ids() []string {
	if l.asked == nil {
		l.asked = make([]string, 0, len(l.list))
		for _, p := range l.list {
			if !p.leaving {
				l.asked = append(l.asked, p.user.ID)
			}
		}
	}
	return l.asked
}

// hear takes what Graph tells of a user, in the poll of this number, which began then.
func (s *service) hear(a graph.Presence, number uint64, began, now time.Time) {
	p := s.people.byID[a.ID]
	if p == nil || p.leaving {
		return
	}
	p.heard, p.until = now, began.Add(statesHold*max(s.p.PollInterval, now.Sub(began)))
	if p.verdict != nil {
		p.verdict.until.Store(int64(p.until.Sub(s.e.base)))
	}
	held := began.Before(p.session.until)
	if p.echo = p.session.hears(a.State, number, began); p.echo {
		// What stands above our session would be told in its place, so it is over. What there is beneath the session, Graph does not tell: if it
		// stayed published, a PBX that takes that for a call would keep the session alive, and the session the publication, for ever.
		if a.State != config.InACall || !outranks(p.state) && !(held && p.follows.Publish) {
			return
		}
		a.State, a.Activity = config.PresenceUnknown, ""
	}
	p.activity = a.Activity
	if p.state == a.State {
		return
	}
	was := p.state
	p.state, p.since = a.State, now
	s.counters.Changes++
	level := slog.LevelDebug
	if follows(s.p.Follows(a.State)) || follows(p.follows) {
		level = slog.LevelInfo // calls or others learn of it
	}
	s.logChange(level, p, was)
}

// follows reports whether anything follows from a state.
func follows(m config.PresenceMap) bool { return m.Refuse != 0 || m.Publish || m.StarfaceDND }

// age has states end that are too old.
func (s *service) age(now time.Time, n *next) {
	changed := false
	for _, p := range s.people.list {
		if p.state == config.PresenceUnknown {
			continue
		}
		if now.Before(p.until) {
			n.at(p.until)
			continue
		}
		was := p.state
		p.state, p.since, p.activity = config.PresenceUnknown, now, ""
		s.logChange(slog.LevelDebug, p, was) // the alarm of the service says why
		changed = true
	}
	if changed {
		s.judge(now)
	}
}

// judge has follow what is to follow from the states.
func (s *service) judge(now time.Time) {
	changed := false
	for _, p := range s.people.list {
		var f config.PresenceMap
		if !p.leaving {
			f = s.p.Follows(p.state)
		}
		if p.state == config.PresenceUnknown {
			f = config.PresenceMap{}
		}
		p.follows = f
		switch {
		case f.Refuse == 0:
			changed = changed || p.verdict != nil
			p.verdict = nil
		case p.verdict == nil || p.verdict.code != f.Refuse || p.verdict.state != p.state || p.verdict.identity != p.identity:
			p.verdict = &refusal{identity: p.identity, state: p.state, code: f.Refuse, why: whyRefused(p.state)}
			p.verdict.until.Store(int64(p.until.Sub(s.e.base)))
			changed = true
		}
		s.publish(p, f, now)
	}
	s.wish()
	if !changed {
		return
	}
	verdicts := map[string]*refusal{}
	for _, p := range s.people.list {
		if p.verdict != nil {
			verdicts[p.identity] = p.verdict
		}
	}
	s.refusals.Store(&verdicts)
}

// whyRefused is for the record of a call, and its log line.
func whyRefused(state config.PresenceState) string {
	return "the called user is " + string(state) + " in Teams"
}

// publish tells those who watch the extension, when there is news.
func (s *service) publish(p *person, f config.PresenceMap, now time.Time) {
	busy := f.Publish
	switch {
	case s.e.o.Publisher == nil, p.leaving && !p.told:
		return
	case !p.leaving && !p.told && p.heard.IsZero(): // nothing is known yet
		return
	case !p.leaving && p.told && busy == p.published && p.state == p.shown:
		return
	}
	p.marked.set(busy, now)
	p.told, p.published, p.shown = !p.leaving, busy, p.state
	s.e.o.Publisher.Publish(Publication{Service: s.name, Identity: p.identity, Extension: p.extension, State: p.state, Busy: busy, Gone: p.leaving})
}

func (s *service) logChange(level slog.Level, p *person, was config.PresenceState) {
	s.e.o.Log.Log(context.Background(), level, "presence changed", "service", s.name, "user", p.user.UPN, "identity", p.identity, "state", shownState(p.state), "was", shownState(was))
}

func shownState(state config.PresenceState) string {
	if state == config.PresenceUnknown {
		return "unknown"
	}
	return string(state)
}

// without removes those of whom nothing remains to be taken back.
func (l *people) without(gone func(*person) bool) {
	l.list = slices.DeleteFunc(l.list, func(p *person) bool {
		if !gone(p) {
			return false
		}
		if l.byID[p.user.ID] == p {
			delete(l.byID, p.user.ID)
		}
		return true
	})
}
