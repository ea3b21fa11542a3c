package status

import "testing"

func TestAPairIsProtectedByItsStandby(t *testing.T) {
	ready := PairOther{Eligible: true}
	for _, x := range []struct {
		r    Redundancy
		want bool
	}{
		{Redundancy{State: PairOff, Other: ready}, false}, {Redundancy{State: PairUnready, Other: ready}, false}, {Redundancy{State: PairDefeated, Other: ready}, false},
		{Redundancy{State: PairJoining}, false}, {Redundancy{State: PairStandby}, true},
		{Redundancy{State: PairActive}, false}, {Redundancy{State: PairActive, Other: ready}, true}, {Redundancy{State: PairSwitching, Other: ready}, true},
	} {
		if got := x.r.Protected(); got != x.want {
			t.Errorf("%v with %+v: %v", x.r.State, x.r.Other, got)
		}
	}
}
