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

// Both boxes start cut from each other, and nobody tells them which is the one: both are active. When a network is there, one of them gives up in time.
func TestBoxesThatStartCutFromEachOther(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(seed, "")
		for n := range w.nets {
			w.nets[n].cut, w.nets[n].witness = [2]bool{true, true}, false
		}
		w.run(w.span(10*time.Second, time.Minute))
		if !w.boxes[0].acts() || !w.boxes[1].acts() {
			t.Fatalf("seed %d: one of them is not active", seed)
		}
		n := w.IntN(3)
		w.nets[n].cut = [2]bool{}
		w.check.happens(w.now)
		w.run(w.now + 2*time.Second)
		if w.boxes[0].acts() == w.boxes[1].acts() || len(w.check.broken) > 0 {
			t.Errorf("seed %d: %v and %v, %v\n%s", seed, w.boxes[0].acts(), w.boxes[1].acts(), w.check.first, w.told())
		}
	}
}
