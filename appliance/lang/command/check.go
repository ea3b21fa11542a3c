package command

import (
	"encoding/json"
	"fmt"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

type checkArgs struct {
	Of          string
	JSON, JSONL bool
}

// runCheck goes through the steps of a check.
func runCheck(c *Call, a *checkArgs) error {
	return c.check(a.JSON, a.JSONL, func(report func(status.CheckStep)) status.Checkup { return c.Box.Check(c.Ctx, a.Of, report) })
}

type federationArgs struct {
	Domain      string
	JSON, JSONL bool
}

func checkFederation(c *Call, a *federationArgs) error {
	return c.check(a.JSON, a.JSONL, func(report func(status.CheckStep)) status.Checkup {
		return c.Box.CheckFederation(c.Ctx, a.Domain, report)
	})
}

// check runs a check, and prints each step as soon as it is done.
func (c *Call) check(asJSON, asLines bool, run func(report func(status.CheckStep)) status.Checkup) error {
	pg := c.page()
	if asLines {
		c.live()
		return c.inJSON(run(func(x status.CheckStep) { c.inJSON(x) })) // without a reader the context ends
	}
	if asJSON {
		return c.inJSON(run(nil))
	}
	c.live()
	out := run(func(x status.CheckStep) { pg.CheckStep(x) })
	if c.Ctx.Err() == nil {
		pg.CheckEnd(out)
	}
	return nil
}

// inJSON prints a value in one line.
func (c *Call) inJSON(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write the outcome: %w", err)
	}
	return c.page().JSON(text)
}

// replayed is how long calls are replayed at most.
const replayed = 10 * time.Second

// whatIfCommand replays calls of the past.
func whatIfCommand() cli.Line {
	return withExample("what-if console: merge since 2d", worded(
		command("what-if <from> [merge] [since <since:moment>]", "The recorded calls of the last day, under another configuration: which of them would go elsewhere or be refused. Nothing is changed",
			whatIf),
		"merge", "The lines are added to the running-config, as copy does it; without, they are all of the configuration", "since", "Calls since this time"))
}

type whatIfArgs struct {
	From  copyFrom
	Merge bool
	Since string
}

func whatIf(c *Call, a *whatIfArgs) error {
	now := c.now().In(c.page().Zone)
	since := now.AddDate(0, 0, -1)
	if a.Since != "" {
		var err error
		if since, err = moment(a.Since, now); err != nil {
			return err
		}
	}
	from := string(a.From)
	text, err := c.read(from)
	if err != nil || c.Result.Collect != nil {
		return err
	}
	base := config.New()
	if a.Merge {
		base = c.Box.Running()
	}
	candidate, taken, problems := c.Language.ParseOnto(base, text)
	switch bad := c.refused(problems); {
	case bad > 0:
		return fmt.Errorf("%s not understood: no call was replayed", plural.Of(bad, "line"))
	case taken == 0:
		return fmt.Errorf("nothing in %s is a line of a configuration: no call was replayed", from)
	}
	r, err := c.Box.WhatIf(c.Ctx, candidate, since, replayed)
	if err != nil {
		return err
	}
	c.page().WhatIf(from, r)
	return nil
}
