package system

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/forecast"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/plural"
	"viaduct/appliance/route"
	"viaduct/appliance/status"
	"viaduct/appliance/whatif"
)

// Trace makes a dry run of a call: its way through the tables, and its result at this moment.
func (s *System) Trace(start device.TraceStart, properties []device.PropertyValue) (device.Trace, error) {
	cfg := s.Running()
	c, err := supposed(time.Now().In(cfg.Clock.Location()), properties)
	if err != nil {
		return device.Trace{}, err
	}
	var plan *route.Plan
	if start.Dest.IsZero() {
		plan, _, err = s.calls.Route(cfg, start.Interface, c)
	} else {
		plan, err = route.DryRun(config.Ref[config.Config, config.Switch]{Name: start.Context}.In(cfg), start.Dest, c)
	}
	t := device.Trace{Notes: doubts(plan, properties)}
	for _, step := range plan.Trace {
		t.Steps = append(t.Steps, step.String())
	}
	var e *route.Error
	if errors.As(err, &e) {
		t.Result = refused(route.SIPFromCause(e.Cause), e.Text)
		return t, nil
	}
	return foreseen(t, plan, s.calls.Foresee(cfg, start.Interface, c, plan)), nil
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

func refused(code int, why string) string {
	return fmt.Sprintf("The call would be refused with %d: %s", code, why)
}

// supposed builds the call of a dry run. The date comes before the time and the day, in whatever order they were given.
func supposed(now time.Time, properties []device.PropertyValue) (route.Call, error) {
	c := route.Call{Time: now}
	list := slices.Clone(properties)
	slices.SortStableFunc(list, func(a, b device.PropertyValue) int { return cmp.Compare(rank(a.Property), rank(b.Property)) })
	for _, p := range list {
		if err := c.Suppose(p.Property, p.Value); err != nil {
			return c, err
		}
	}
	for _, p := range list {
		if period, err := config.ParsePeriod(p.Property, p.Value); p.Property.IsClock() && err == nil && !period.Holds(c.Time) {
			return c, fmt.Errorf("%s %s is no %s", p.Property, p.Value, strings.ToLower(c.Time.Format("Monday")))
		}
	}
	return c, nil
}

// rank puts the date first.
func rank(p config.Property) int {
	if p == config.Date {
		return 0
	}
	return 1
}

// doubts lists the reasons why the result of a dry run is less certain than it looks.
func doubts(plan *route.Plan, properties []device.PropertyValue) (notes []string) {
	given := func(list ...config.Property) bool {
		return slices.ContainsFunc(properties, func(p device.PropertyValue) bool { return slices.Contains(list, p.Property) })
	}
	if !given(config.CallingE164, config.CallingURI) {
		notes = append(notes, "no caller was given: add calling-e164 NUMBER, or calling-uri URI, to see as whom the call would come")
	}
	for _, step := range plan.Trace {
		if step.Action == route.ActionNone {
			notes = append(notes, step.Table+" has no key for "+step.Before+", which stays as it is")
		}
	}
	return notes
}

// foreseen says how a call with this plan would go.
func foreseen(t device.Trace, plan *route.Plan, f forecast.Forecast) device.Trace {
	var first *forecast.Foreseen
	for n, x := range f.Attempts {
		line := x.Interface.String() + " " + parties(plan.Attempts[n].Call)
		if x.Skipped != "" {
			line += " (not now: " + x.Skipped + ")"
		} else if first == nil {
			first = &f.Attempts[n]
		}
		t.Attempts = append(t.Attempts, line)
	}
	switch {
	case f.Refused != "":
		t.Result = refused(f.Code, f.Refused)
	case first == nil:
		t.Result = "No destination answers now; a call to an emergency number would try them all"
	case first.Account != "":
		t.Result = reached(first) + ", with account " + first.Account
	case first.Unknown != "":
		t.Notes = append(t.Notes, "there is no account for "+first.Unknown+": a mapping must write a calling-uri whose user is an identity, and whose host is a domain of the location-service")
		t.Result = reached(first) + ", without an account: the peer may refuse it"
	default:
		t.Result = reached(first)
	}
	return t
}

func reached(x *forecast.Foreseen) string {
	text := "The call would go to " + x.Interface.String() + ": " + x.To + " from " + x.From
	if x.Phones > 0 {
		text += ", which rings at " + plural.Of(x.Phones, "phone")
	}
	return text
}

// parties prints the numbers that a call carries.
func parties(c route.Call) string {
	text := "with called-e164 " + quoted(c.CalledE164)
	if c.CallingE164 != "" {
		text += ", calling-e164 " + quoted(c.CallingE164)
	}
	if c.CallingURI != "" {
		text += ", calling-uri " + c.CallingURI
	}
	if c.CallingE164 == "" && c.CallingURI == "" {
		text += ", no caller"
	}
	return text
}

// quoted makes an empty text visible.
func quoted(v string) string {
	if v == "" {
		return `""`
	}
	return v
}
