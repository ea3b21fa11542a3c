package web

import (
	"context"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/health"
	"viaduct/appliance/web/live"
	"viaduct/appliance/web/page"
)

// A session outlives a restart of sbcd, when that does not take longer than lostTime.
const (
	lostTime   = 3 * time.Minute
	againEvery = 2 * time.Second
	lookEvery  = 2 * time.Second // whether an account is still what it was, while it does something
	lookTime   = 2 * time.Second // for the answer
)

// attend follows sbcd's events as the session, so that it stands in the list of `who`, until the session ends. It returns when the account is gone,
// or sbcd has been away for too long.
func (s *Server) attend(x *session) {
	since := time.Now()
	for x.ctx.Err() == nil {
		s.Client.Events(x.ctx, x.user, x.tty, x.began, func(wire.Event) { since = time.Now() })
		gone, err := s.gone(x)
		switch {
		case gone:
			return
		case err == nil:
			since = time.Now()
		case time.Since(since) > lostTime:
			return
		}
		select {
		case <-x.ctx.Done():
		case <-time.After(againEvery):
		}
	}
}

// gone asks whether the account of a session does not exist any more, or has another class or password than at the login. Whoever has the
// session may not be who has the new one, and fragments are shared by class.
func (s *Server) gone(x *session) (bool, error) {
	stamp := x.stamped(time.Now())
	if stamp == "" {
		return false, nil // the login is about to note it
	}
	ctx, cancel := context.WithTimeout(x.ctx, lookTime)
	defer cancel()
	in, err := s.Client.Login(ctx, wire.LoginRequest{User: x.user, TTY: x.tty, Stamp: stamp})
	return err == nil && !in.OK, err
}

// lookFor ends a session whose account is gone, or another. What a page shows is asked in the name of anybody of the class, so that alone would go on.
func (s *Server) lookFor(x *session) {
	if gone, _ := s.gone(x); gone {
		x.end()
	}
}

// lookAgain is lookFor for a session that was not looked at for a moment.
func (s *Server) lookAgain(x *session) {
	if x.due(time.Now()) {
		s.lookFor(x)
	}
}

// renew lets a session stay whose user has changed the password in it. The class must be the same: it is part of the session.
func (s *Server) renew(x *session) {
	now := time.Now()
	in, err := s.Client.Login(x.ctx, wire.LoginRequest{User: x.user, TTY: x.tty, Stamp: x.stamped(now)})
	if err == nil && page.Class(in.Class) == x.class {
		x.stampWith(in.Stamp)
	}
}

// fragment renders a topic for package live.
func (s *Server) fragment(ctx context.Context, k live.Key, account string) ([]byte, error) {
	return s.site.Fragment(ctx, page.Visitor{User: account, Class: page.Class(k.Class), Lang: k.Lang}, k.Topic, k.Query)
}

// alarms counts what is wrong now.
func alarms(q *page.Request) (string, any, error) {
	var all []health.Alarm
	if err := q.Status("alarms", nil, &all); err != nil {
		return "", nil, err
	}
	of := struct {
		Count int
		Worst string
	}{Worst: "ok"}
	for _, a := range all {
		if a.Seen != "" {
			continue
		}
		of.Count++
		switch {
		case a.Severity >= health.Error:
			of.Worst = "error"
		case of.Worst == "ok":
			of.Worst = "warning"
		}
	}
	return "alarms.html", of, nil
}
