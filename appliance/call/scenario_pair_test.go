package call_test

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"sync"
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
func (w *world) recorded(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.records {
		if r.ID == id {
			return true
		}
	}
	return false
}

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
