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

// runCheck goes through the steps of a check, and prints each as soon as it is done.
func runCheck(c *Call, a *checkArgs) error {
	if a.JSON {
		text, err := json.Marshal(c.Box.Check(c.Ctx, a.Of, nil))
		if err != nil {
			return fmt.Errorf("write the outcome: %w", err)
		}
		c.Printf("%s\n", text)
		return nil
	}
	c.live()
	pg := c.page()
	out := c.Box.Check(c.Ctx, a.Of, func(x status.CheckStep) { pg.CheckStep(x) })
	if c.Ctx.Err() == nil {
		pg.CheckEnd(out)
	}
	return nil
}
