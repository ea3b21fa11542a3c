package dryrun

import (
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/forecast"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/route"
)

// monday is some day of that name.
var monday = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func TestTheCallThatSomebodySupposes(t *testing.T) {
	for name, x := range map[string]struct {
		given []device.PropertyValue
		at    time.Time
		err   string // in it; "": there is none
	}{
		"now":                        {nil, monday, ""},
		"the date comes first":       {[]device.PropertyValue{{Property: config.TimeOfDay, Value: "08:30:00"}, {Property: config.Date, Value: "24.12.2026"}}, time.Date(2026, 12, 24, 8, 30, 0, 0, time.UTC), ""},
		"a day that the date is":     {[]device.PropertyValue{{Property: config.DayOfWeek, Value: "thu"}, {Property: config.Date, Value: "24.12.2026"}}, time.Date(2026, 12, 24, 12, 0, 0, 0, time.UTC), ""},
		"a day that the date is not": {[]device.PropertyValue{{Property: config.Date, Value: "24.12.2026"}, {Property: config.DayOfWeek, Value: "fri"}}, time.Time{}, "24.12.2026 is no friday"},
		"no number":                  {[]device.PropertyValue{{Property: config.CalledE164, Value: strings.Repeat("1", 500)}}, time.Time{}, "called-e164"},
	} {
		c, err := Call(monday, x.given)
		switch {
		case x.err != "" && (err == nil || !strings.Contains(err.Error(), x.err)):
			t.Errorf("%s: %v", name, err)
		case x.err == "" && (err != nil || !c.Time.Equal(x.at)):
			t.Errorf("%s: %v, %v", name, c.Time, err)
		}
	}
	given := []device.PropertyValue{{Property: config.TimeOfDay, Value: "08:30:00"}, {Property: config.Date, Value: "24.12.2026"}}
	if _, err := Call(monday, given); err != nil || given[0].Property != config.TimeOfDay {
		t.Errorf("the order of others was changed: %v, %v", given, err)
	}
}

func TestWhatMakesAResultLessCertain(t *testing.T) {
	plan := &route.Plan{Trace: []route.Step{{Table: "mapping-table A", Before: "49", Action: route.ActionNone}, {Table: "routing-table B", Before: "50"}}}
	none := Notes(plan, nil)
	if len(none) != 2 || !strings.HasPrefix(none[0], "no caller was given") || !strings.HasPrefix(none[1], "mapping-table A has no key for 49") {
		t.Errorf("%q", none)
	}
	if given := Notes(plan, []device.PropertyValue{{Property: config.CallingURI, Value: "sip:1@x"}}); len(given) != 1 {
		t.Errorf("with a caller: %q", given)
	}
}

func TestWhatBecomesOfACall(t *testing.T) {
	at := func(name string) config.InterfaceID { return config.InterfaceID{Context: "SWITCH", Name: name} }
	plan := &route.Plan{Attempts: []route.Attempt{{Call: route.Call{CalledE164: "1", CallingE164: "2"}}, {Call: route.Call{}}}}
	one, other := forecast.Foreseen{Interface: at("A"), To: "sip:1@a", From: "sip:2@a"}, forecast.Foreseen{Interface: at("B"), To: "sip:1@b", From: "sip:2@b"}
	skipped := one
	skipped.Skipped = "it is away"
	account, unknown, phones := one, one, one
	account.Account, unknown.Unknown, phones.Phones = "user", "2", 3
	for name, x := range map[string]struct {
		f      forecast.Forecast
		result string
		first  string // of the destinations
		notes  int
	}{
		"the first": {forecast.Forecast{Attempts: []forecast.Foreseen{one, other}}, "The call would go to " + at("A").String() + ": sip:1@a from sip:2@a",
			at("A").String() + " with called-e164 1, calling-e164 2", 0},
		"the first is away": {forecast.Forecast{Attempts: []forecast.Foreseen{skipped, other}}, "The call would go to " + at("B").String() + ": sip:1@b from sip:2@b",
			at("A").String() + " with called-e164 1, calling-e164 2 (not now: it is away)", 0},
		"all are away": {forecast.Forecast{Attempts: []forecast.Foreseen{skipped}}, "No destination answers now; a call to an emergency number would try them all", "", 0},
		"it is refused": {forecast.Forecast{Attempts: []forecast.Foreseen{one}, Refused: "no license", Code: 503},
			"The call would be refused with 503: no license", "", 0},
		"an account": {forecast.Forecast{Attempts: []forecast.Foreseen{account}}, "The call would go to " + at("A").String() + ": sip:1@a from sip:2@a, with account user", "", 0},
		"no account": {forecast.Forecast{Attempts: []forecast.Foreseen{unknown}}, "The call would go to " + at("A").String() + ": sip:1@a from sip:2@a, without an account: the peer may refuse it", "", 1},
		"phones":     {forecast.Forecast{Attempts: []forecast.Foreseen{phones}}, "The call would go to " + at("A").String() + ": sip:1@a from sip:2@a, which rings at 3 phones", "", 0},
	} {
		got := Foreseen(device.Trace{}, plan, x.f)
		if got.Result != x.result || len(got.Notes) != x.notes || len(got.Attempts) != len(x.f.Attempts) || x.first != "" && got.Attempts[0] != x.first {
			t.Errorf("%s: %q", name, got)
		}
	}
	got := Foreseen(device.Trace{}, plan, forecast.Forecast{Attempts: []forecast.Foreseen{one, other}})
	if want := at("B").String() + ` with called-e164 "", no caller`; !slices.Contains(got.Attempts, want) {
		t.Errorf("%q, want %q", got.Attempts, want)
	}
}
