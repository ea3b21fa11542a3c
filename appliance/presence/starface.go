package presence

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
	"viaduct/appliance/starface"
	"viaduct/appliance/status"
)

// pbx is the STARFACE at which a service sets do not disturb.
type pbx struct {
	access config.StarfaceAccess   // zero: none is configured, or nothing ever follows there
	keeper *starface.Keeper        // nil: there are no credentials yet
	leave  context.CancelCauseFunc // ends the keeper
	ended  chan struct{}           // closed when the last keeper has ended
	wishes []starface.Person
	err    error // why there are no credentials
	failed int   // times in a row
	retry  time.Time
}

// pbxOf is the STARFACE that a service needs.
func pbxOf(p *config.PresenceService) config.StarfaceAccess {
	if slices.ContainsFunc(p.Map, func(m config.PresenceMap) bool { return m.StarfaceDND }) {
		return p.Starface
	}
	return config.StarfaceAccess{}
}

// followPBX has a keeper run for the STARFACE that is configured. One that is replaced at the same STARFACE leaves what is ours to its successor, any
// other takes it back.
func (s *service) followPBX(ctx context.Context, now time.Time, n *next) {
	x := &s.pbx
	if want := pbxOf(s.p); want != x.access {
		if x.leave != nil {
			var why error
			if want.URL != x.access.URL {
				why = errRemoved
			}
			x.leave(why)
		}
		if x.err != nil {
			s.e.o.Health.Clear(health.PresenceStarface, s.name)
		}
		*x = pbx{access: want, ended: x.ended}
	}
	if x.keeper != nil || x.access.URL == "" || s.e.o.Starface == nil || s.e.book == nil {
		return
	}
	if now.Before(x.retry) {
		n.at(x.retry)
		return
	}
	way, credentials, err := s.e.o.Starface(x.access)
	if err != nil {
		x.failed++
		x.err, x.retry = err, now.Add(pause(x.failed, firstPause, lastPause))
		n.at(x.retry)
		s.e.o.Health.Set(health.PresenceStarface, health.Args{"service": s.name, "why": printable.Text(err.Error()), "cure": checkLine})
		return
	}
	if x.err != nil {
		x.err = nil
		s.e.o.Health.Clear(health.PresenceStarface, s.name)
	}
	x.keeper = starface.NewKeeper(starface.KeeperOptions{
		Service: s.name, Log: s.e.o.Log, Client: starface.New(way, credentials), Book: s.e.book,
		Report: func(why, cure string) {
			if why == "" {
				s.e.o.Health.Clear(health.PresenceStarface, s.name)
			} else {
				s.e.o.Health.Set(health.PresenceStarface, health.Args{"service": s.name, "why": why, "cure": cure})
			}
		},
	})
	of, leave := context.WithCancelCause(ctx)
	before, ended, keeper := x.ended, make(chan struct{}), x.keeper
	x.leave, x.ended = leave, ended
	s.work.Go(func() {
		defer close(ended)
		if before != nil { // no user ever has two who write for him
			<-before
		}
		s.keep(of, keeper)
		(&http.Client{Transport: way}).CloseIdleConnections()
	})
	s.wish()
}

// keep runs a keeper until its context ends, and takes back what is ours when it is not to be so any more.
func (s *service) keep(ctx context.Context, keeper *starface.Keeper) {
	keeper.Run(ctx)
	s.e.o.Health.Clear(health.PresenceStarface, s.name)
	if context.Cause(ctx) != errRemoved {
		return
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalTime)
	defer cancel()
	if err := keeper.ReleaseAll(short); err != nil {
		s.e.o.Log.Warn("do not disturb stays set at the STARFACE", "service", s.name, "err", err)
	}
	wake(s.e.changed) // judgeLeft looks what is left
}

// judgeLeft raises the alarms of what stays set at a STARFACE that no service cares for any more: the box was without a way to it when the service, or its
// line, was removed.
func (e *Engine) judgeLeft(cfg *config.Config) {
	if e.book == nil {
		return
	}
	var left []health.Args
	for _, l := range e.book.Left(func(service, url string) bool {
		return slices.ContainsFunc(cfg.Presence, func(p *config.PresenceService) bool {
			return p.Enabled && p.Name == service && pbxOf(p).URL == url
		})
	}) {
		left = append(left, health.Args{"service": l.Service, "url": printable.Text(l.URL), "users": plural.Of(l.Users, "user")})
	}
	e.o.Health.Replace(health.PresenceLeft, left)
}

// wish tells the keeper what is to be for each user. Before the directory has been read nobody is known, which is no reason to take anything back.
func (s *service) wish() {
	x := &s.pbx
	if x.keeper == nil || s.reading.done.IsZero() {
		return
	}
	x.wishes = x.wishes[:0]
	for _, p := range s.people.list {
		if p.leaving {
			continue
		}
		p.names.of(p)
		w := starface.Person{Name: p.pbxName(), Mails: p.names.mails, Logins: p.names.logins, Wish: starface.Release}
		switch {
		case p.follows.StarfaceDND:
			w.Wish = starface.Set
		case p.state == config.PresenceUnknown:
			w.Wish = starface.Keep
		}
		x.wishes = append(x.wishes, w)
	}
	x.keeper.Want(x.wishes)
}

// pbxName is how a keeper knows a user.
func (p *person) pbxName() string { return printable.Text(p.user.UPN) }

// names are by what a user may be found at the STARFACE. A keeper holds on to the lists: they are replaced, and never changed.
type names struct{ mails, logins []string }

// of brings them up to date.
func (n *names) of(p *person) {
	if mails := []string{p.user.Mail, p.user.UPN}; !slices.Equal(n.mails, mails) {
		n.mails = mails
	}
	if logins := []string{p.extension, p.identity}; !slices.Equal(n.logins, logins) {
		n.logins = logins
	}
}

// status is whether do not disturb arrives at the STARFACE.
func (x *pbx) status() status.PresenceSink {
	switch {
	case x.err != nil:
		return status.PresenceSink{State: status.SinkFailing, Error: printable.Text(x.err.Error())}
	case x.keeper == nil:
		return status.PresenceSink{State: status.SinkOff}
	}
	why, asked := x.keeper.Works()
	switch {
	case why != "":
		return status.PresenceSink{State: status.SinkFailing, Error: why}
	case asked:
		return status.PresenceSink{State: status.SinkTelling}
	}
	return status.PresenceSink{State: status.SinkIdle}
}

// trouble is why do not disturb of a user is not as it should be; "": it is.
func (x *pbx) trouble(p *person) string {
	if x.keeper == nil {
		return ""
	}
	_, why := x.keeper.How(p.pbxName())
	return why
}

// testPBX logs in at the STARFACE and reads its users, when the service needs it.
func (e *Engine) testPBX(ctx context.Context, p *config.PresenceService, say func(status.CheckStep)) {
	access := pbxOf(p)
	if access.URL == "" || e.o.Starface == nil {
		return
	}
	step := status.CheckStep{ID: StepStarface, Subject: p.Name, Title: "STARFACE of presence-service " + p.Name}
	way, credentials, err := e.o.Starface(access)
	if err == nil {
		client := starface.New(way, credentials)
		began := time.Now()
		var users []starface.User
		if users, err = client.Users(ctx); err == nil {
			step.Took = time.Since(began)
			step.Seen = append(step.Seen, plural.Of(len(users), "user")+" that the account may see")
			if len(users) < 2 { // itself
				step.State, step.Problem, step.Advice = status.CheckWarning, "the account sees no other users", "Give it the right to administer users at the STARFACE."
			}
		}
		_ = client.Close(ctx) // the session ends by itself otherwise
		(&http.Client{Transport: way}).CloseIdleConnections()
	}
	if err != nil {
		step.State, step.Problem, step.Advice = status.CheckFailed, printable.Text(err.Error()), checkLine
		var e *starface.Error
		if errors.As(err, &e) {
			step.Advice = e.Cure
		}
	}
	say(step)
}

const checkLine = "Check the line `starface`."
