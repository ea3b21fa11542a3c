package call_test

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/pair"
)

// kept is what the standby keeps.
type kept struct {
	mu    sync.Mutex
	table map[pair.Kind]map[string]pair.Kept
	puts  int // of calls
}

func (k *kept) Put(kind pair.Kind, id string, value []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.table == nil {
		k.table = map[pair.Kind]map[string]pair.Kept{}
	}
	if k.table[kind] == nil {
		k.table[kind] = map[string]pair.Kept{}
	}
	k.table[kind][id] = pair.Kept{ID: id, Value: value, At: time.Now()}
	if kind == pair.Calls {
		k.puts++
	}
}

func (k *kept) Drop(kind pair.Kind, id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.table[kind], id)
}

// clear is what a box has that has just become the active one.
func (k *kept) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.table = nil
}

// all is what is kept of a kind.
func (k *kept) all(kind pair.Kind) []pair.Kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Values(k.table[kind]))
}

// pairOfBoxes is a configuration of two boxes.
func pairOfBoxes() *config.Redundancy {
	own := func(net string) []*config.PairAddress {
		return []*config.PairAddress{{Number: 1, Prefix: netip.MustParsePrefix(net + ".251/24")}, {Number: 2, Prefix: netip.MustParsePrefix(net + ".252/24")}}
	}
	return &config.Redundancy{Enabled: true, Router: 1, Boxes: []*config.PairBox{{Number: 1, Key: "one"}, {Number: 2, Key: "two"}},
		Interfaces: []*config.PairInterface{{Boxes: own("192.168.1")}, {Boxes: own("10.99.0"), Direct: true}}, Advertise: 100}
}

// takeOver has another box go on with the calls of the one that runs, which says nothing any more.
func (w *world) takeOver() {
	w.t.Helper()
	count := len(w.kept.all(pair.Calls))
	table := func(kind pair.Kind) iter.Seq[pair.Kept] {
		list := w.kept.all(kind)
		return slices.Values(list)
	}
	calls, media, rescued, held := table(pair.Calls), table(pair.Media), table(pair.Rescued), table(pair.Held)
	w.note("        the box dies")
	w.box++ // nobody hears it any more
	w.calls.Drop()
	w.stack.DropAll()
	w.halt()
	synctest.Wait()
	w.kept.clear()
	w.boot()
	restored := 0
	cfg := w.config()
	var failed error
	err := w.stack.TakeOver(cfg, cfg.Address, func() { restored, failed = w.calls.Restore(calls, media) })
	_, untaken := w.calls.RestoreHeld(held)
	if err := errors.Join(err, failed, untaken, w.calls.RestoreRescued(rescued)); err != nil || restored != count {
		w.problem("%d of %d calls go on in the other box: %v", restored, count, err)
	}
	synctest.Wait()
}

// handOver ends a planned switch.
func (w *world) handOver(s step) {
	w.t.Helper()
	synctest.Wait()
	select {
	case err := <-w.gathered:
		if err != nil {
			w.fail(s, "%v", err)
		}
	default:
		w.fail(s, "calls in set-up are not through yet")
	}
	w.calls.HandOver()
	w.takeOver()
}

// recorded says whether there is a record of a call.
func (w *world) recorded(id string) bool { return w.recordsOf(id) > 0 }

// awaited reports whether the box waits for a peer's answer.
func (w *world) awaited() bool {
	for _, d := range w.dialogs {
		if len(d.pending) > 0 {
			return true
		}
	}
	for _, p := range w.peers {
		if p.waiting() != "nothing" {
			return true
		}
	}
	return false
}

// of is what hears of lines as long as a box runs. The next one says what is known already.
func (r *registrations) of(box int) func(location, identity string, d dialoginfo.Dialog) {
	said := map[string]bool{}
	return func(location, identity string, d dialoginfo.Dialog) {
		r.mu.Lock()
		known := fmt.Sprint(identity, d.State, d.CallID, d.LocalTag)
		skip := box < r.w.box || !said[known] && r.told[known]
		if box == r.w.box {
			said[known], r.told[known] = true, true
		}
		r.mu.Unlock()
		if !skip {
			r.Line(location, identity, d)
		}
	}
}

// TestTheBoxDiesAnywhere has the box die in the middle of each scenario, also in the middle of a step. Nobody answers any more. Every call that was
// kept goes on and can be ended: it leaves one record, and no leg, port or license.
func TestTheBoxDiesAnywhere(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.sip")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	goneOn := 0
	for n, file := range files {
		if n%3 != 0 {
			continue // they are many, and each is much like its neighbours
		}
		s, err := readScenario(file)
		if err != nil || s.steps[0].words[0] == "pair" || strings.HasPrefix(s.name, "gateway-") { // a change of the configuration that is under way
			continue // TestScenarios says so
		}
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(uint64(n), 19))
				w := newWorld(t)
				w.paired = true
				defer w.stop()
				steps := w.begin(s)
				dies := len(steps)/3 + random.IntN(len(steps)-len(steps)/3) // rarely before there is a call
				for _, st := range steps[:dies] {
					w.goThrough(st)
				}
				st := steps[dies]
				if w.step(st); random.IntN(2) == 0 {
					w.settle(st)
				}
				kept := w.kept.all(pair.Calls)
				goneOn += len(kept)
				w.takeOver()
				if random.IntN(2) == 0 {
					time.Sleep(3 * time.Second)
				}
				w.calls.Clear("")
				time.Sleep(70 * time.Second)
				w.settle(st)
				w.isEmpty(st)
				for _, k := range kept {
					if n := w.recordsOf(k.ID); n != 1 {
						w.fail(st, "call %s has %d records", k.ID, n)
					}
				}
			})
		})
	}
	if goneOn < 10 {
		t.Errorf("only %d calls went on", goneOn)
	}
}

// recordsOf is how many records there are of a call.
func (w *world) recordsOf(id string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.records {
		if r.ID == id {
			n++
		}
	}
	return n
}
