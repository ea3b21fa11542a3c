package call

import (
	"context"
	"log/slog"
)

// showRoute logs the way that the call took through the tables, one line a step, for `debug route`.
func (c *call) showRoute() {
	if c.plan == nil || !c.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	for _, step := range c.plan.Trace {
		c.log.Debug("route", "name", step.String())
	}
}
