package lease

import (
	"cmp"
	"flag"
	"maps"
	"slices"
	"testing"

	"viaduct/appliance/fleet/lease/leasecheck"
)

var (
	worlds = flag.Int("worlds", 1, "how many worlds of 1,000 boxes there are, each with 10,000 faults")
	usual  = plan{boxes: 1000, total: 75, days: 36, faults: 10000}
)

// Whatever fails, the boxes together never have more than the pool, save what they have by grace, and a box that reaches the hub has what is free.
func TestAThousandBoxes(t *testing.T) {
	for seed := range *worlds {
		p := usual
		p.seed = uint64(seed + 1)
		w := run(p)
		report := w.check.Report()
		t.Logf("%d boxes, %d days, %d faults, seed %d: %s", p.boxes, p.days, p.faults, p.seed, report)
		for _, what := range slices.Sorted(maps.Keys(w.seen)) {
			t.Logf("%7d %s", w.seen[what], what)
		}
		if report.Count > 0 {
			t.Error("rules were broken")
		}
	}
}

// The check finds what it is there for. Not every world has the accident that a flaw needs: up to five are tried, from the seed on that is known to
// have it.
func TestTheCheckFindsFlaws(t *testing.T) {
	const money = leasecheck.Overdrawn + " " + leasecheck.Reserved // in either way more is lent than there is
	for _, f := range []struct {
		flaw flaw
		rule string // one of them is broken
		days int
		seed uint64
	}{
		{"", "", 6, 1},
		{"no compare-and-set", money, 6, 1},
		{"answered without a write", leasecheck.Overdrawn, 6, 1},
		{"an unknown outcome is taken for done", leasecheck.Overdrawn, 6, 2},
		{"sequences are ignored", leasecheck.Overdrawn, 6, 5},
		{"shares are given away too early", leasecheck.Overdrawn, 6, 1},
		{"time passes that nobody watched", leasecheck.Overdrawn, 6, 1},
		{"all nodes have one time", money, 6, 4},
		{"a minimum is kept twice", leasecheck.Kept, 6, 1},
		{"half of what is free is given", leasecheck.Kept, 6, 1},
		{"a minimum is not kept", leasecheck.Reserved, 6, 1},
		{"a maximum is not kept", leasecheck.Limit, 6, 1},
		{"a revoked box is renewed", leasecheck.Revoked, 6, 1},
		{"a box gives back before it lowers", leasecheck.Unlent, 6, 1},
		{"a box measures by a third", leasecheck.Overstay, 36, 1},
		{"a grace has no end", leasecheck.Overstay, 36, 1},
		{"a refused box has grace", leasecheck.Overstay, 6, 3},
		{"a sequence is not mended", leasecheck.Ignored, 6, 3},
		{"a box is not heard", leasecheck.Ignored, 6, 1},
	} {
		t.Run(cmp.Or(string(f.flaw), "no flaw"), func(t *testing.T) {
			for more := range 5 {
				w := run(plan{seed: f.seed + uint64(more), boxes: 100, total: 40, days: f.days, faults: 100 * f.days, flaw: f.flaw, until: f.rule})
				report := w.check.Report()
				t.Logf("seed %d, after %s: %v", f.seed+uint64(more), w.now, report.By)
				switch {
				case f.rule != "" && w.broken():
					return
				case f.rule == "" && report.Count > 0:
					t.Fatal(report)
				case f.rule == "":
					return
				}
			}
			t.Errorf("%s was to be broken", f.rule)
		})
	}
}
