package system

import (
	"slices"
	"testing"

	"viaduct/appliance/explain"
	"viaduct/appliance/status"
)

// A call is found by its ID and by the Call-ID of any of its legs; the last one counts.
func TestLegsOfACall(t *testing.T) {
	records := []status.Record{
		{ID: "0000000a", CallID: "a", From: "if_pbx", Attempts: []status.Attempt{{Interface: "if_1", CallID: "b"}, {Interface: "if_2"}, {Interface: "if_3", CallID: "c"}, {Interface: "if_3", CallID: "c"}}},
		{ID: "0000000b", CallID: "a", From: "if_other"},
	}
	for id, want := range map[string][]string{"0000000A": {"if_pbx a", "if_1 b", "if_3 c"}, "c": {"if_pbx a", "if_1 b", "if_3 c"}, "a": {"if_other a"}, "x": nil, "": nil} {
		var r status.Record
		past := explain.Select(records, status.RecordSearch{Call: id, Last: 1}).Records
		found := id != "" && len(past) > 0
		if found {
			r = past[0]
		}
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
