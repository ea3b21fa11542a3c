// Package dryrun is what is said of a call that nobody makes: the call that somebody supposes, and what would become of it.
//
// It owns the words of such a dry run. It does not own the ways of calls (route) or how the box would treat one now (forecast). It has no goroutines.
package dryrun

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/forecast"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/plural"
	"viaduct/appliance/route"
)

// Refused says that a call would be refused.
func Refused(code int, why string) string {
	return fmt.Sprintf("The call would be refused with %d: %s", code, why)
}

// Call builds the call of a dry run. The date comes before the time and the day, in whatever order they were given.
func Call(now time.Time, properties []device.PropertyValue) (route.Call, error) {
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

// Notes lists the reasons why the result of a dry run is less certain than it looks.
func Notes(plan *route.Plan, properties []device.PropertyValue) (notes []string) {
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

// Foreseen says how a call with this plan would go.
func Foreseen(t device.Trace, plan *route.Plan, f forecast.Forecast) device.Trace {
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
		t.Result = Refused(f.Code, f.Refused)
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
