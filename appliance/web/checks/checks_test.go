package checks

import (
	"testing"

	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

// The page counts what came of the steps, and lets those change the box who may.
func TestWhatCameOfACheck(t *testing.T) {
	c := status.Checkup{Of: "teams", Steps: []status.CheckStep{
		{State: status.CheckOK}, {State: status.CheckWarning}, {State: status.CheckFailed, Cure: []string{"configure", "no shutdown"}}, {State: status.CheckFailed}, {State: status.CheckSkipped},
	}}
	for class, may := range map[page.Class]bool{page.Operator: false, page.Administrator: true, page.Superuser: true} {
		r := resultOf(&page.Request{Visitor: page.Visitor{Class: class}}, c)
		if r.Of != "teams" || r.OK != 1 || r.Warnings != 1 || r.Failed != 2 || r.No != 1 || len(r.Steps) != 5 {
			t.Errorf("%s: %+v", class, r)
		}
		for n, s := range r.Steps {
			if s.N != n || s.MayChange != may {
				t.Errorf("%s: step %+v", class, s)
			}
		}
		if got := r.Steps[2]; got.Kind() != "error" || got.Lines() != "configure\nno shutdown" {
			t.Errorf("%s, %q", got.Kind(), got.Lines())
		}
	}
}
