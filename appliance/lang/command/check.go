package command

import (
	"encoding/json"
	"fmt"

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
