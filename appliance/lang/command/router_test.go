package command

import (
	"testing"

	"viaduct/appliance/config"
)

// A command that names no context finds what stands in one, and asks when two have it.
func TestNamesThatStandInTwoContexts(t *testing.T) {
	cfg := config.New()
	cfg.CS = []*config.Switch{
		{Name: "A", RoutingTables: []*config.RoutingTable{{Name: "RT"}}},
		{Name: "B", RoutingTables: []*config.RoutingTable{{Name: "RT"}, {Name: "ONLY-B"}}},
		{Name: "A/B", RoutingTables: []*config.RoutingTable{{Name: "R/T"}}},
	}
	for word, want := range map[string]string{"ONLY-B": "B", "A/RT": "A", "B/RT": "B", "B/ONLY-B": "B", "A/B/R/T": "A/B"} {
		if at, err := start(word).resolve(cfg); err != nil || at.Context != want {
			t.Errorf("%s: %+v, %v", word, at, err)
		}
	}
	for word, want := range map[string]string{"RT": "RT exists in several contexts cs, write A/RT or B/RT", "A/ONLY-B": "no such routing-table, service or interface sip: A/ONLY-B"} {
		if _, err := start(word).resolve(cfg); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", word, err, want)
		}
	}
}
