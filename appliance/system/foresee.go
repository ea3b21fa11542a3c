package system

import (
	"context"
	"errors"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dryrun"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/route"
	"viaduct/appliance/status"
	"viaduct/appliance/whatif"
)

// Trace makes a dry run of a call: its way through the tables, and its result at this moment.
func (s *System) Trace(start device.TraceStart, properties []device.PropertyValue) (device.Trace, error) {
	cfg := s.Running()
	c, err := dryrun.Call(time.Now().In(cfg.Clock.Location()), properties)
	if err != nil {
		return device.Trace{}, err
	}
	var plan *route.Plan
	if start.Dest.IsZero() {
		plan, _, err = s.calls.Route(cfg, start.Interface, c)
	} else {
		plan, err = route.DryRun(config.Ref[config.Config, config.Switch]{Name: start.Context}.In(cfg), start.Dest, c)
	}
	t := device.Trace{Notes: dryrun.Notes(plan, properties)}
	for _, step := range plan.Trace {
		t.Steps = append(t.Steps, step.String())
	}
	var e *route.Error
	if errors.As(err, &e) {
		t.Result = dryrun.Refused(route.SIPFromCause(e.Cause), e.Text)
		return t, nil
	}
	return dryrun.Foreseen(t, plan, s.calls.Foresee(cfg, start.Interface, c, plan)), nil
}

// WhatIf replays recorded calls under another configuration.
func (s *System) WhatIf(ctx context.Context, other *config.Config, since time.Time, limit time.Duration) (status.WhatIf, error) {
	records, err := s.CallRecords(whatif.Calls)
	if err != nil {
		return status.WhatIf{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return whatif.Replay(ctx, records, since, s.Running(), other, s.resolver.Cached), nil
}
