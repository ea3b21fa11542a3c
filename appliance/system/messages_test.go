package system

import (
	"slices"
	"testing"
	"time"

	"viaduct/appliance/status"
)

func TestWhichCallsCountAsFailed(t *testing.T) {
	up := time.Unix(1, 0)
	for what, c := range map[string]struct {
		record status.Record
		want   bool
	}{
		"not found":             {status.Record{Code: 404, By: status.ByCallee}, true},
		"no license":            {status.Record{Code: 503, By: status.ByBox}, true},
		"given up":              {status.Record{Code: 487, By: status.ByCaller}, false},
		"busy":                  {status.Record{Code: 486, By: status.ByCallee}, false},
		"declined":              {status.Record{Code: 603, By: status.ByCallee}, false},
		"talked":                {status.Record{Code: 200, By: status.ByCaller, Connected: up}, false},
		"cut off":               {status.Record{Code: 200, By: status.ByBox, Connected: up}, true},
		"without media":         {status.Record{Code: 200, By: status.ByMedia, Connected: up}, true},
		"with one voice":        {status.Record{Code: 200, By: status.ByCaller, Connected: up, Media: []status.RecordMedia{{Side: status.ByCallee, SilentS: 20}}}, true},
		"ended by command":      {status.Record{Code: 200, By: status.ByAdministrator, Connected: up}, false},
		"unanswered, timed out": {status.Record{Code: 408, By: status.ByBox}, true},
	} {
		if got := failed(&c.record); got != c.want {
			t.Errorf("a call that was %s failed: %t, want %t", what, got, c.want)
		}
	}
}

// A call is found by its ID and by the Call-ID of any of its legs; the last one counts.
func TestLegsOfACall(t *testing.T) {
	records := []status.Record{
		{ID: "0000000a", CallID: "a", From: "if_pbx", Attempts: []status.Attempt{{Interface: "if_1", CallID: "b"}, {Interface: "if_2"}, {Interface: "if_3", CallID: "c"}, {Interface: "if_3", CallID: "c"}}},
		{ID: "0000000b", CallID: "a", From: "if_other"},
	}
	for id, want := range map[string][]string{"0000000A": {"if_pbx a", "if_1 b", "if_3 c"}, "c": {"if_pbx a", "if_1 b", "if_3 c"}, "a": {"if_other a"}, "x": nil, "": nil} {
		r, found := recorded(records, id)
		if got := legsOf(traceOf(&r)); !slices.Equal(got, want) || found != (want != nil) {
			t.Errorf("%q has legs %q, want %q", id, got, want)
		}
	}
	live := []status.Call{{ID: "0000000c", Legs: []status.Leg{{Interface: "if_pbx", CallID: "d"}, {Interface: "if_1", CallID: "e"}}}}
	for id, want := range map[string]string{"0000000C": "0000000C", "e": "0000000c", "x": "x"} {
		if got := inProgress(live, id); got != want {
			t.Errorf("%q in progress is %q, want %q", id, got, want)
		}
	}
}

func legsOf(t status.CallTrace) (list []string) {
	for _, l := range t.Legs {
		list = append(list, l.Interface+" "+l.CallID)
	}
	return list
}
