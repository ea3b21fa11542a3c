package checkup

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"viaduct/appliance/status"
)

// pairs is the other box of the pair, while there is one.
func pairs(s *survey, _ string) []subject {
	if s.cfg.Pair() == nil {
		return nil
	}
	other := "the other box"
	if r := s.c.o.Box.Redundancy(); r.Box != 0 {
		other = fmt.Sprintf("box %d", 3-r.Box)
	}
	return []subject{{name: other}}
}

// standsBy reports whether the box is the standby of a pair, or about to be: it has no gateway then, whatever is configured.
func (s *survey) standsBy() bool {
	if s.cfg.Pair() == nil {
		return false
	}
	state := s.c.o.Box.Redundancy().State
	return state != status.PairActive && state != status.PairSwitching
}

// checkPair looks at how the box stands in its pair. Calls go on without a standby.
func checkPair(_ context.Context, s *survey, _ subject) finding {
	r := s.c.o.Box.Redundancy()
	var f finding
	switch {
	case r.State == status.PairOff || r.State == status.PairUnready:
		return f.fails("the box stays out of its pair: %s", cmp.Or(r.Why, "it has not begun yet")).by("`show config problems` names what is missing, `show redundancy` shows the rest.")
	case r.State == status.PairStandby:
		f = f.saw("this box is the standby, and can take over")
	case r.State == status.PairJoining || r.State == status.PairDefeated:
		f = f.warns("this box is %s, and cannot take over: %s", r.State, r.Why)
	case r.Protected():
		f = f.saw("this box is active, and the other one can take over")
	case r.Other.Role == "":
		f = f.warns("nothing is heard of the other box, so nobody could take over")
	default:
		f = f.warns("the other box could not take over yet")
	}
	for _, p := range r.Ports {
		if p.Why != "" {
			f = f.warns("interface %s: %s", p.Name, p.Why)
		}
	}
	if !r.Other.Linked {
		f = f.warns("nothing is copied over the direct path: %s", cmp.Or(r.Other.Why, "the other box does not answer"))
	}
	var differ []string
	for _, d := range r.Differences {
		differ = append(differ, d.What)
	}
	if len(differ) > 0 {
		f = f.warns("the boxes differ in %s", strings.Join(differ, ", "))
	}
	return f.by("`show redundancy` has all of it, and what to do about differences. Compare the ports with the picture in docs/redundancy.md.")
}
