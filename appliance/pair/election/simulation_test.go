package election

import (
	"cmp"
	"flag"
	"maps"
	"slices"
	"testing"
	"time"
)

var (
	worlds = flag.Int("worlds", 1, "how many times as many worlds there are")
	usual  = 20 // worlds, each with 1,000 faults
	faults = 1000
)

// Whatever fails, the two are not both active where anybody could tell, a box that can serves, and nothing goes back and forth.
func TestTwoBoxes(t *testing.T) {
	seen := map[string]int{}
	var lived time.Duration
	for seed := range usual * *worlds {
		w := newWorld(uint64(seed), "")
		var story string
		w.check.alarmed = func() { story += w.told() + "\n\n" }
		w.live(faults)
		for what, n := range w.seen {
			seen[what] += n
		}
		lived += w.now
		seen["changes of who is active"] += w.check.changes
		if len(w.check.broken) > 0 {
			t.Errorf("seed %d: %v\n%v\n%s", seed, w.check.broken, w.check.first, story)
		}
	}
	t.Log(lived)
	for _, what := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%7d %s", seen[what], what)
	}
}

// The check finds what it is there for.
func TestTheCheckFindsFlaws(t *testing.T) {
	for _, f := range []struct {
		flaw flaw
		rule string // that is broken
	}{
		{"a box does not listen first", robbed},
		{"a term is too long", overstaying},
		{"the witness is not believed", twoActive},
		{"a pause is not noticed", overstaying},
		{"a box says that it has everything", unready},
		{"health depends on the role", restless},
		{"health depends on the role", flapping},
		{"words do not count", felled},
		{"silence at one port is enough", robbed},
		{"nobody gives up", twoActive},
		{"a standby waits long", slow},
		{"the defeated wait for ever", noneActive},
	} {
		t.Run(cmp.Or(string(f.flaw), "no flaw"), func(t *testing.T) {
			for seed := range uint64(10) {
				w := newWorld(seed, f.flaw)
				w.live(150)
				if w.check.broken[f.rule] > 0 {
					t.Logf("seed %d: %s", seed, w.check.first[f.rule])
					return
				}
			}
			t.Errorf("not found: %s", f.rule)
		})
	}
}
