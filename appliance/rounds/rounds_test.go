package rounds

import (
	"testing"

	"viaduct/appliance/config"
)

func TestCallsInACircleAreCounted(t *testing.T) {
	teams, pbx := config.InterfaceID{Name: "teams"}, config.InterfaceID{Name: "pbx"}
	var c Counter
	var calls []*Round
	for n := range MaxAlike {
		r, ok := c.Enter(Way{teams, "+491", "+492"})
		if !ok {
			t.Fatalf("call %d is one too many", n)
		}
		calls = append(calls, r)
	}
	for _, x := range []struct {
		why    string
		way    Way
		circle bool
	}{
		{"the same once more", Way{teams, "+491", "+492"}, true},
		{"another callee: a ring group", Way{teams, "+491", "+493"}, false},
		{"another caller", Way{teams, "+494", "+492"}, false},
		{"from the other side", Way{pbx, "+491", "+492"}, false},
		{"a caller without number", Way{teams, "", "+492"}, false},
	} {
		r, ok := c.Enter(x.way)
		if ok == x.circle {
			t.Errorf("%s: %v", x.why, ok)
		}
		r.Leave()
	}
	calls[0].Leave() // answered
	calls[0].Leave() // and over
	again, ok := c.Enter(Way{teams, "+491", "+492"})
	if !ok {
		t.Error("answered calls are counted")
	}
	for _, r := range calls[1:] {
		r.Leave()
	}
	if c.ways[Way{teams, "+491", "+492"}] != 1 || len(c.ways) != 1 {
		t.Errorf("left over: %v", c.ways)
	}
	if again.Leave(); len(c.ways) != 0 {
		t.Errorf("left over: %v", c.ways)
	}
}
