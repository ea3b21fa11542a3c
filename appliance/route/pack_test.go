package route

import (
	"strings"
	"testing"
)

// The way through the tables comes back as it was, cut where it is longer than is kept.
func TestARouteIsPackedAndUnpacked(t *testing.T) {
	step := Step{Table: "routing-table rt", Entry: "route +49", Action: ActionGo, Before: `called-e164 "+49"`, After: "dest-service hg"}
	trace := []Step{step, {Table: "call", Action: ActionReject, After: strings.Repeat("n", 1000)}}
	list := Unpack(Pack(trace))
	if len(list) != 2 || list[0] != step || list[1].After != strings.Repeat("n", maxMapped) {
		t.Errorf("%+v", list)
	}
	for range 1000 {
		trace = append(trace, step)
	}
	if b := Pack(trace); len(b) > maxPacked || len(Unpack(b)) < 20 {
		t.Errorf("%d octets, %d steps", len(b), len(Unpack(b)))
	}
	if list := Unpack(Pack(nil)); list != nil {
		t.Errorf("%+v", list)
	}
}
