package checkup

import (
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

func TestTheHubIsLookedAt(t *testing.T) {
	lease := func(state status.PoolLeaseState) []status.PoolLease {
		return []status.PoolLease{{Kind: "sip-sessions", State: state, Count: 12, Grace: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}}
	}
	for what, x := range map[string]struct {
		fleet status.Fleet
		state status.CheckState
		says  string
	}{
		"connected": {status.Fleet{State: status.FleetConnected, Hub: "hub.example.com:443", Leases: lease(status.PoolLeaseHeld)}, status.CheckOK, "connected to hub.example.com:443; 12 sip-sessions leased"},
		"refused":   {status.Fleet{State: status.FleetRefused, Why: "it does not know the key", Cure: "Hand the key over."}, status.CheckFailed, "the hub refuses the box: it does not know the key Hand the key over. `show fleet`"},
		"away":      {status.Fleet{State: status.FleetWaiting, Why: "no answer", Leases: lease(status.PoolLeaseGrace)}, status.CheckWarning, "without the hub they hold until 2027-01-01"},
		"new":       {status.Fleet{State: status.FleetConnecting}, status.CheckWarning, "it has not answered yet"},
		"over":      {status.Fleet{State: status.FleetConnected, Hub: "h", Leases: lease(status.PoolLeaseLapsed)}, status.CheckFailed, "the lease of sip-sessions is over"},
	} {
		f := sound()
		f.cfg.Fleet = &config.Fleet{Enabled: true, Name: "berlin", Hubs: []*config.HubNode{{Host: "hub.example.com"}}, Pin: "5a"}
		f.fleet = x.fleet
		got := outcomeOf(t, f, "hub")
		if said := strings.Join(got.Seen, "; ") + got.Problem + " " + got.Advice; got.State != x.state || got.Subject != "berlin" || !strings.Contains(said, x.says) {
			t.Errorf("%s: %v, %s", what, got.State, said)
		}
		for _, none := range []*config.Fleet{nil, {Name: "berlin"}} {
			f.cfg.Fleet = none
			if list := fleets(&survey{cfg: f.cfg}, ""); len(list) > 0 {
				t.Errorf("%s: %v", what, list)
			}
		}
	}
}
