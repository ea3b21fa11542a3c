package command

import (
	"fmt"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/plural"
)

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
