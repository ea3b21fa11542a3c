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

// gone asks whether the account of a session does not exist any more.
func (s *Server) gone(x *session) (gone bool, err error) {
	err = s.Client.Exec(x.ctx, wire.ExecRequest{Mode: []string{}, User: x.user, TTY: x.tty}, func(a wire.Answer) error {
		gone = gone || a.Exit
		return nil
	})
	return gone, err
}

// lookFor ends a session whose account is gone. What a page shows is asked in the name of anybody of the class, so that alone would go on.
func (s *Server) lookFor(x *session) {
	if gone, _ := s.gone(x); gone {
		x.end()
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
