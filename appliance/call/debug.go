package call

import (
	"context"
	"log/slog"

	"viaduct/appliance/route"
)

// showRoute logs the way that a call took through the tables, one line a step, for `debug route`.
func (c *call) showRoute(plan *route.Plan) {
	if plan == nil || !c.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	for _, step := range plan.Trace {
		c.log.Debug("route", "name", step.String())
	}
}
