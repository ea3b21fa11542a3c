package presence

import (
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// status is the state of the service.
func (s *service) status() status.PresenceService {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := status.PresenceService{
		Name: s.name, State: s.shown.state, Since: s.shown.since, Error: printable.Text(s.shown.why), Cure: printable.Text(s.shown.cure),
		Failures: s.poll.failing, Polled: s.poll.done, Latency: s.poll.took, Read: s.reading.done,
		Directory: s.people.found.Read, Left: s.people.left, Counters: s.counters,
		Starface: s.pbx.status(),
		Reports:  status.PresenceSink{State: s.reports.state, Since: s.reports.since},
	}
	if s.dir != nil && s.shown.state == status.PresenceThrottled {
		st.Held = s.dir.Held()
	}
	if s.reading.err != nil {
		st.ReadError = printable.Text(s.reading.err.Error())
	}
	if s.reports.err != nil {
		st.Reports.Error = printable.Text(s.reports.err.Error())
	}
	for _, m := range s.people.found.Missing {
		st.Problems = append(st.Problems, status.PresenceProblem{User: printable.Text(m.Name), Why: m.Reason})
	}
	for _, f := range s.people.found.Problems {
		st.Problems = append(st.Problems, status.PresenceProblem{User: printable.Text(f.UPN), Why: f.Reason})
	}
	st.Problems = st.Problems[:min(len(st.Problems), mostProblems)]
	for _, p := range s.people.list {
		if p.leaving {
			continue
		}
		st.Matched++
		u := p.status()
		if why := s.pbx.trouble(p); why != "" && u.Error == "" {
			u.Error = "do not disturb at the STARFACE: " + why
		}
		st.Users = append(st.Users, u)
	}
	return st
}

func (p *person) status() status.PresenceUser {
	x := &p.session
	u := status.PresenceUser{
		Name: printable.Text(p.user.UPN), ID: printable.Text(p.user.ID), Identity: p.identity, Extension: p.extension,
		State: string(p.state), Activity: printable.Text(p.activity), Since: p.since, Heard: p.heard, Echo: p.echo,
		Refuse: p.follows.Refuse, Published: p.published, Starface: p.follows.StarfaceDND,
		Line: p.line.state, Busy: p.line.since, Session: x.state, Until: x.until, Error: printable.Text(x.err),
	}
	if x.chosen != nil {
		u.Before = string(x.chosen.Before)
	}
	return u
}
