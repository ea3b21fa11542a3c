package presence

import (
	"context"
	"errors"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

const (
	sessionLife  = 10 * time.Minute // so long does a box that dies lie at most
	sessionRenew = sessionLife / 2
	writesAtOnce = 4
	endsAtOnce   = 16 // when the box stops
	writeTime    = 30 * time.Second
)

// session is the presence session of the application for one user: Busy, in a call.
type session struct {
	state  status.PresenceSession
	until  time.Time // Teams may hold it until then; zero: it holds none
	renew  time.Time
	retry  time.Time // after a failure
	failed int       // in a row
	err    string
	acting bool   // a request is under way
	guard  uint64 // up to the poll of this number, what Graph tells may still be ours

	chosen *remembered // what the user had chosen before the box preferred for him; nil: it does not
	seen   bool        // Graph has told what the box prefers
	yields bool        // the user has chosen himself since
}

// report brings the sessions in Teams to where the lines want them.
func (s *service) report(ctx context.Context, now time.Time, n *next) {
	if s.poll.done.IsZero() || s.poll.failing > 0 {
		return // nobody can be told now, and what Teams holds is not known
	}
	s.restore(now)
	for _, p := range s.people.list {
		want := s.look(p, now, n)
		x := &p.session
		s.fade(x, now)
		if x.acting {
			continue
		}
		if want && (x.state == status.SessionNone || x.state == status.SessionClearing) {
			x.state, x.retry, x.failed = status.SessionSetting, time.Time{}, 0
		}
		if !want && x.state != status.SessionClearing {
			was := x.state
			if x.state = status.SessionClearing; x.until.IsZero() && x.chosen == nil {
				x.state = status.SessionNone
			}
			if x.state != was || x.state == status.SessionNone {
				x.retry, x.failed = time.Time{}, 0
			}
		}
		if x.state == status.SessionSet && !now.Before(x.renew) {
			x.state = status.SessionRenewing
		}
		if !x.until.IsZero() {
			n.at(x.until)
		}
		switch x.state {
		case status.SessionNone:
		case status.SessionSet:
			n.at(x.renew)
		default:
			if now.Before(x.retry) {
				n.at(x.retry)
			} else if s.people.acting < writesAtOnce { // the end of one of those looks again
				s.act(ctx, p, now)
			}
		}
	}
	s.people.without(func(p *person) bool { return p.leaving && p.session.state == status.SessionNone && !p.session.acting })
	s.outcome(now)
}

// unsettled reports whether somebody is still to be told something after a failure.
func (l *people) unsettled() bool {
	return slices.ContainsFunc(l.list, func(p *person) bool { return p.session.failed > 0 })
}

// restore takes over what the run before has left, once the first poll has said how users are: what it preferred for them, and its sessions.
func (s *service) restore(now time.Time) {
	if s.people.restored {
		return
	}
	s.people.restored = true
	kept := s.e.kept.of(s.name)
	for _, p := range s.people.list {
		x := &p.session
		if r := kept[p.user.ID]; r != nil {
			x.chosen, x.seen, x.yields = r, true, p.state != config.Busy
		}
		if x.chosen != nil || s.p.ReportCalls && p.state == config.InACall {
			x.until = now.Add(sessionLife)
		}
	}
}

// fade has a session end that Teams has let go by itself.
func (s *service) fade(x *session, now time.Time) {
	if x.until.IsZero() || now.Before(x.until) || x.acting {
		return
	}
	x.until, x.guard, x.failed = time.Time{}, s.poll.number+1, 0
	switch x.state {
	case status.SessionSet, status.SessionRenewing:
		x.state = status.SessionSetting
	case status.SessionClearing:
		if x.chosen == nil {
			x.state = status.SessionNone
		}
	}
}

// act asks Graph for what the state of a session says.
func (s *service) act(ctx context.Context, p *person, now time.Time) {
	x := &p.session
	x.acting = true
	s.people.acting++
	setting := x.state != status.SessionClearing
	before := x.until
	var request func(ctx context.Context, dir Directory) error
	chosen, kept := x.chosen, false
	switch {
	case !setting:
		request = s.e.free(p.user.ID, chosen, x.yields)
	case x.yields:
		request = s.e.busy(p.user.ID, nil, nil)
	default:
		if s.p.Preferred && chosen == nil && overrides(p.state) {
			chosen = &remembered{Service: s.name, User: p.user.ID, Before: p.state, Since: now}
		}
		request = s.e.busy(p.user.ID, chosen, &kept)
	}
	if setting {
		x.until = now.Add(sessionLife) // from the moment of the request on it may exist
	}
	first := x.state == status.SessionSetting
	s.begin(ctx, writeTime, request, func(err error) {
		now := time.Now()
		x.acting = false
		s.people.acting--
		x.err = ""
		if kept {
			x.chosen = chosen
		}
		switch {
		case err != nil:
			x.err = err.Error()
			x.failed++
			x.retry = now.Add(pause(x.failed, firstPause, lastPause))
			s.reports.failed(err, now)
			if k := kindOf(err); setting && (k == graph.NoUser || k == graph.SignIn || k == graph.Consent || k == graph.Throttled || k == graph.Refused) {
				x.until = before // it was refused, so that there is none
			}
			t := task{at: x.retry}
			s.learn(err, &t)
			x.retry = t.at
			return
		case setting:
			x.state, x.until, x.renew = status.SessionSet, now.Add(sessionLife), now.Add(sessionRenew)
			if first {
				s.counters.Reports++
			}
		default:
			*x = session{guard: s.poll.number + 1}
		}
		x.failed, x.retry = 0, time.Time{}
		s.reports.arrived(now)
		if first || !setting {
			s.e.o.Log.Info("presence told to Teams", "service", s.name, "user", p.user.UPN, "identity", p.identity, "busy", setting)
		}
	})
}

// busy returns what makes a user busy: a session, and with it what is preferred for him. What he had chosen is kept first.
func (e *Engine) busy(id string, chosen *remembered, kept *bool) func(ctx context.Context, dir Directory) error {
	return func(ctx context.Context, dir Directory) error {
		if err := dir.SetBusy(ctx, id, sessionLife); err != nil {
			return err
		}
		if chosen == nil {
			return nil
		}
		if err := e.kept.put(chosen); err != nil {
			return err
		}
		*kept = true
		return dir.Prefer(ctx, id, graph.Preferred{State: config.Busy, Life: sessionLife})
	}
}

// free returns what takes that back, save what the user has chosen since. What is preferred comes first: without a session it would have the user be
// offline.
func (e *Engine) free(id string, chosen *remembered, yields bool) func(ctx context.Context, dir Directory) error {
	return func(ctx context.Context, dir Directory) error {
		if chosen != nil {
			var err error
			switch {
			case yields:
			case chosen.Before == config.BeRightBack || chosen.Before == config.OffWork:
				err = dir.Prefer(ctx, id, graph.Preferred{State: chosen.Before})
			default:
				err = dir.ClearPreferred(ctx, id)
			}
			if err != nil && kindOf(err) != graph.NoUser {
				return err
			}
			if err := e.kept.drop(chosen); err != nil {
				return err
			}
		}
		if err := dir.Clear(ctx, id); err != nil && kindOf(err) != graph.NoUser {
			return err
		}
		return nil
	}
}

// overrides reports whether being on the phone counts for more than a state in which a user is. He has chosen some of them himself, so that only a
// preferred presence stands above: be right back, and appear offline.
func overrides(state config.PresenceState) bool {
	switch state {
	case config.Available, config.Away, config.BeRightBack, config.Offline, config.OffWork, config.OutOfOffice:
		return true
	}
	return false
}

// outlet is whether what the box tells arrives.
type outlet struct {
	state status.PresenceSinkState
	since time.Time
	err   error
}

func (o *outlet) become(state status.PresenceSinkState, err error, now time.Time) {
	if o.state != state {
		o.since = now
	}
	o.state, o.err = state, err
}

func (o *outlet) arrived(now time.Time) { o.become(status.SinkTelling, nil, now) }

// failed takes the failure of a report. That one user cannot be told is shown with him.
func (o *outlet) failed(err error, now time.Time) {
	if kindOf(err) != graph.NoUser && !errors.Is(err, context.Canceled) {
		o.become(status.SinkFailing, err, now)
	}
}

// lasting reports whether a failure will come again with the next report.
func lasting(err error) bool {
	switch kindOf(err) {
	case graph.Consent, graph.SignIn, graph.Refused:
		return true
	}
	return false
}

// outcome raises the alarm of reports that fail while polls are answered, and ends it.
func (s *service) outcome(now time.Time) {
	o := &s.reports
	switch {
	case !s.p.ReportCalls:
		o.become(status.SinkOff, nil, now)
	case o.state == status.SinkOff:
		o.become(status.SinkIdle, nil, now)
	case o.state == status.SinkFailing && !lasting(o.err) && !s.people.unsettled(): // whoever could not be told is not on the phone any more
		o.become(status.SinkIdle, nil, now)
	}
	if o.state == status.SinkFailing {
		why, cure := explained(o.err)
		s.e.o.Health.Set(health.PresenceReports, health.Args{"service": s.name, "why": why, "cure": cure})
	} else {
		s.e.o.Health.Clear(health.PresenceReports, s.name)
	}
}

// release ends all sessions, and takes back what was published, until ctx ends.
func (s *service) release(ctx context.Context, removed bool) {
	s.mu.Lock()
	s.refusals.Store(&map[string]*refusal{})
	room := make(chan struct{}, endsAtOnce)
	dir := s.dir
	var held []*person
	for _, p := range s.people.list {
		p.leaving = true
		if removed {
			s.publish(p, config.PresenceMap{}, time.Now())
		}
		if x := p.session; dir != nil && (!x.until.IsZero() || x.chosen != nil) {
			held = append(held, p)
		}
	}
	s.mu.Unlock()
	for _, p := range held {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		s.work.Go(func() {
			defer func() { <-room }()
			_ = s.e.free(p.user.ID, p.session.chosen, p.session.yields)(ctx, dir) // the rest fades, and what is remembered is restored at the next start
		})
	}
	s.work.Wait()
}
