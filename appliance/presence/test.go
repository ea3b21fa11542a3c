package presence

import (
	"context"
	"fmt"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
	"viaduct/appliance/usermatch"
)

// Steps of a test beside those of package graph.
const (
	StepCredentials = "presence-credentials"
	StepUsers       = "presence-users"
	StepStarface    = "presence-starface"
)

const seenProblems = 20 // users whom a step names

// Test goes through everything that a presence-service of the configuration needs, and says each step. It changes nothing, and does not disturb the
// service. False: there is no such service.
func (e *Engine) Test(ctx context.Context, service string, say func(status.CheckStep)) bool {
	cfg := e.config()
	for _, p := range cfg.Presence {
		if p.Name == service {
			e.test(ctx, cfg, p, say)
			return true
		}
	}
	return false
}

func (e *Engine) test(ctx context.Context, cfg *config.Config, p *config.PresenceService, say func(status.CheckStep)) {
	credentials := status.CheckStep{ID: StepCredentials, Subject: p.Name, Title: "Credentials of presence-service " + p.Name}
	users := status.CheckStep{ID: StepUsers, Subject: p.Name, Title: "Users of presence-service " + p.Name}
	skip := func(because string) {
		users.State, users.Because = status.CheckSkipped, because
		say(users)
	}
	defer e.testPBX(ctx, p, say)
	dir, err := e.connect(p)
	if err != nil {
		credentials.State, credentials.Problem, credentials.Advice = status.CheckFailed, printable.Text(err.Error()), cureUnready
		say(credentials)
		skip(credentials.Title)
		return
	}
	defer dir.Close()
	credentials.Seen = []string{"tenant " + printable.Text(p.Tenant), "application " + printable.Text(p.Application), "consent: " + dir.ConsentLink()}
	say(credentials)
	failed := ""
	if err := dir.Try(ctx, p.ReportCalls, func(step status.CheckStep) {
		if step.State == status.CheckFailed {
			failed = step.Title
		}
		say(step)
	}); err != nil {
		skip(failed)
		return
	}
	began := time.Now()
	d := directory{matcher: usermatch.New(cfg, p)}
	if err := dir.Users(ctx, d.add); err != nil {
		users.State = status.CheckFailed
		users.Problem, users.Advice = explained(err)
		say(users)
		return
	}
	users.Took = time.Since(began)
	d.found = d.matcher.Result()
	say(judged(users, d.found, p.All()))
}

// judged says who of a directory is matched, and who should be and is not.
func judged(step status.CheckStep, found *usermatch.Result, all bool) status.CheckStep {
	step.Seen = append(step.Seen, fmt.Sprintf("%d of %s matched", len(found.Pairs), plural.Of(found.Read, "user")),
		fmt.Sprintf("%d unmatched, %d ambiguous, %d double, %d excluded, %d missing", found.Unmatched, found.Ambiguous, found.Double, found.Excluded, len(found.Missing)))
	bad := found.Ambiguous + found.Double + len(found.Missing)
	if !all {
		bad += found.Unmatched
	}
	var named []string
	for _, m := range found.Missing {
		named = append(named, printable.Text(m.Name)+": "+m.Reason)
	}
	for _, x := range found.Problems {
		named = append(named, printable.Text(x.UPN)+": "+x.Reason)
	}
	step.Seen = append(step.Seen, named[:min(len(named), seenProblems)]...)
	if more := len(named) - seenProblems; more > 0 {
		step.Seen = append(step.Seen, plural.Of(more, "more user"))
	}
	switch {
	case len(found.Pairs) == 0:
		step.State, step.Problem = status.CheckFailed, "nobody of the directory is an identity of the box"
		step.Advice = "Write `user` lines, or choose with `match` what users and identities have in common."
	case bad > 0:
		step.State, step.Problem = status.CheckWarning, plural.Of(bad, "user")+" cannot be matched"
		step.Advice = "Write a `user` line for each, or correct the directory."
	}
	return step
}
