package command

import (
	"encoding/json"
	"fmt"

	"viaduct/appliance/status"
)

type checkArgs struct {
	Of   string
	JSON bool
}

// runCheck goes through the steps of a check.
func runCheck(c *Call, a *checkArgs) error {
	return c.check(a.JSON, func(report func(status.CheckStep)) status.Checkup { return c.Box.Check(c.Ctx, a.Of, report) })
}

type federationArgs struct {
	Domain string
	JSON   bool
}

func checkFederation(c *Call, a *federationArgs) error {
	return c.check(a.JSON, func(report func(status.CheckStep)) status.Checkup {
		return c.Box.CheckFederation(c.Ctx, a.Domain, report)
	})
}

// check runs a check, and prints each step as soon as it is done.
func (c *Call) check(asJSON bool, run func(report func(status.CheckStep)) status.Checkup) error {
	if asJSON {
		text, err := json.Marshal(run(nil))
		if err != nil {
			return fmt.Errorf("write the outcome: %w", err)
		}
		return c.page().JSON(text)
	}
	c.live()
	pg := c.page()
	out := run(func(x status.CheckStep) { pg.CheckStep(x) })
	if c.Ctx.Err() == nil {
		pg.CheckEnd(out)
	}
	return nil
}
