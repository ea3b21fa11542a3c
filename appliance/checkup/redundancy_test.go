package checkup

import (
	"net/netip"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// complete is a pair as the configuration has it.
func complete() *config.Redundancy {
	at := func(name string, direct bool) *config.PairInterface {
		own := netip.MustParsePrefix("10.0.0.1/24")
		return &config.PairInterface{Interface: config.Ref[config.IPContext, config.IPInterface]{Name: name}, Direct: direct, Boxes: []*config.PairAddress{{Number: 1, Prefix: own}, {Number: 2, Prefix: own}}}
	}
	return &config.Redundancy{Enabled: true, Router: 51, Boxes: []*config.PairBox{{Number: 1, Key: "1"}, {Number: 2, Key: "2"}}, Interfaces: []*config.PairInterface{at("lan", false), at("direct", true)}}
}

func TestThePairIsLookedAt(t *testing.T) {
	ready := status.PairOther{Role: "standby", Eligible: true, Linked: true}
	behind := status.PairOther{Role: "standby", Linked: true}
	for what, x := range map[string]struct {
		pair  status.Redundancy
		state status.CheckState
		says  string
	}{
		"active":    {status.Redundancy{State: status.PairActive, Box: 1, Other: ready}, status.CheckOK, "this box is active, and the other one can take over"},
		"standby":   {status.Redundancy{State: status.PairStandby, Box: 1, Other: status.PairOther{Role: "active", Linked: true}}, status.CheckOK, "this box is the standby, and can take over"},
		"alone":     {status.Redundancy{State: status.PairActive, Box: 1, Other: status.PairOther{Why: "connection refused"}}, status.CheckWarning, "nothing is heard of the other box, so nobody could take over"},
		"unlinked":  {status.Redundancy{State: status.PairActive, Box: 1, Other: status.PairOther{Role: "standby", Eligible: true, Why: "it has another key"}}, status.CheckWarning, "nothing is copied over the direct path: it has another key"},
		"behind":    {status.Redundancy{State: status.PairActive, Box: 1, Other: behind}, status.CheckWarning, "the other box could not take over yet"},
		"joining":   {status.Redundancy{State: status.PairJoining, Box: 1, Why: "it has just started", Other: ready}, status.CheckWarning, "this box is joining, and cannot take over: it has just started"},
		"out":       {status.Redundancy{State: status.PairUnready, Box: 1, Why: "its key is in neither line"}, status.CheckFailed, "the box stays out of its pair: its key is in neither line"},
		"a port":    {status.Redundancy{State: status.PairActive, Box: 1, Other: ready, Ports: []status.PairPort{{Name: "lan", Why: "it has no carrier"}}}, status.CheckWarning, "interface lan: it has no carrier"},
		"different": {status.Redundancy{State: status.PairActive, Box: 1, Other: ready, Differences: []status.PairDifference{{What: "firmware"}, {What: "licenses"}}}, status.CheckWarning, "the boxes differ in firmware, licenses"},
	} {
		f := sound()
		f.cfg.Redundancy, f.pair = complete(), x.pair
		got := outcomeOf(t, f, "pair")
		said := strings.Join(got.Seen, "; ") + got.Problem + " " + got.Advice
		if got.State != x.state || got.Subject != "box 2" || !strings.Contains(said, x.says) || x.state != status.CheckOK && !strings.Contains(got.Advice, "`show redundancy`") {
			t.Errorf("%s: %v, %s", what, got.State, said)
		}
		f.cfg.Redundancy.Enabled = false
		if list := pairs(&survey{cfg: f.cfg}, ""); len(list) > 0 {
			t.Errorf("%s: %v", what, list)
		}
	}
}

// A standby has no gateway, and that is no fault.
func TestTheStandbyHasNoGateways(t *testing.T) {
	f := sound()
	for _, g := range f.cfg.Gateways {
		g.Enabled = false
	}
	for state, want := range map[status.PairState]status.CheckState{status.PairActive: status.CheckFailed, status.PairSwitching: status.CheckFailed, status.PairStandby: status.CheckOK, status.PairJoining: status.CheckOK} {
		f.cfg.Redundancy, f.pair = complete(), status.Redundancy{State: state, Box: 2}
		if got := outcomeOf(t, f, "configuration"); got.State != want {
			t.Errorf("%v: %v, %s", state, got.State, got.Problem)
		}
	}
}
