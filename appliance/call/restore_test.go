package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/call"
	"viaduct/appliance/callkeep"
	"viaduct/appliance/media"
	"viaduct/appliance/pair"
)

const typicalCall = "testdata/typical-call.json"

// A call from Teams to the PBX, with the route set and the offer that Teams sends, is small enough to be told for each of 300 calls a second, and is told
// once while nothing changes. Its value is what the benchmarks below go by (-update).
func TestATypicalCallIsSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := established(t)
		time.Sleep(10 * time.Second) // marks of its media
		calls, marks := w.kept.all(pair.Calls), w.kept.all(pair.Media)
		if len(calls) != 1 || len(marks) != 1 || len(calls[0].Value) > 4096 || len(marks[0].Value) > 512 || w.kept.puts != 1 {
			t.Fatalf("kept are %d calls, marks of %d, told %d times", len(calls), len(marks), w.kept.puts)
		}
		v, err := callkeep.Unmarshal(calls[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(v, "", " ")
		if err == nil && *update {
			err = os.WriteFile(typicalCall, append(text, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("a call has %d octets, its marks %d", len(calls[0].Value), len(marks[0].Value))
	})
}

// established is a world with one call of a pair, which is established.
func established(t *testing.T) *world {
	s, err := readScenario("testdata/scenarios/pair-dies.sip")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	t.Cleanup(w.stop)
	for _, st := range w.begin(s) {
		if st.words[0] == "licenses" {
			break
		}
		w.goThrough(st)
	}
	return w
}

// typical reads such a call, the n-th of many: with names and ports of its own.
func typical(t testing.TB, n int) *callkeep.Call {
	text, err := os.ReadFile(typicalCall)
	c := &callkeep.Call{}
	if err == nil {
		err = json.Unmarshal(text, c)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.ID, c.Record.Record.ID = fmt.Sprintf("%08x", n), fmt.Sprintf("%08x", n)
	for side := range c.Sides {
		s := &c.Sides[side]
		s.Leg.Dialog.CallID = fmt.Sprintf("call-%d-%d", n, side)
		port := uint16(16384 + 4*n + 2*side)
		s.Ports.RTP, s.Ports.RTCP = netip.AddrPortFrom(s.Ports.RTP.Addr(), port), netip.AddrPortFrom(s.Ports.RTP.Addr(), port+1)
		c.Media.Sides[side].Port = port
	}
	return c
}

// BenchmarkPut is what it costs to write a call out.
func BenchmarkPut(b *testing.B) {
	c := typical(b, 0)
	octets := 0
	b.ReportAllocs()
	for b.Loop() {
		v, err := callkeep.Marshal(c)
		if err != nil {
			b.Fatal(err)
		}
		octets = len(v)
	}
	b.ReportMetric(float64(octets), "octets")
}

// realMedia is a relay with sockets.
type realMedia struct{ *media.Relay }

func (r realMedia) NewSession() call.MediaSession { return r.Relay.NewSession() }
func (r realMedia) Restore(s media.State, m media.Marks, since time.Duration) (call.MediaSession, error) {
	return r.Relay.Restore(s, m, since)
}

// BenchmarkTakeOver is 100 calls that go on in another box, with their legs and the sockets of their media.
func BenchmarkTakeOver(b *testing.B) {
	const calls = 100
	var kept []pair.Kept
	for n := range calls {
		v, err := callkeep.Marshal(typical(b, n))
		if err != nil {
			b.Fatal(err)
		}
		kept = append(kept, pair.Kept{ID: fmt.Sprintf("%08x", n), Value: v})
	}
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b)
		w.paired = true
		relay := media.New(media.Options{Quarantine: 1})
		ctx, end := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { relay.Run(ctx) })
		w.media = realMedia{relay}
		w.halt()
		w.boot()
		if err := w.configure(); err != nil {
			b.Fatal(err)
		}
		for n := range kept {
			kept[n].At = time.Now()
		}
		b.StartTimer()
		n, err := w.calls.Restore(slices.Values(kept), slices.Values([]pair.Kept(nil)))
		b.StopTimer()
		if n != calls || err != nil {
			b.Fatalf("%d calls, %v", n, errors.Join(err))
		}
		w.calls.Drop()
		w.stop()
		end()
		running.Wait()
		b.StartTimer()
	}
}

// A call that cannot go on is ended, with a record. One of which there is a record has ended already. The others go on.
func TestCallsThatCannotGoOnAreEnded(t *testing.T) {
	for name, x := range map[string]struct {
		change           func(*callkeep.Call)
		recorded         bool
		failed           bool
		hangUp           string
		calls, ofRecords int
	}{
		"nothing is wrong":              {func(*callkeep.Call) {}, false, false, "", 1, 0},
		"an interface is gone":          {func(c *callkeep.Call) { c.Sides[1].Leg.Interface, c.Sides[1].Interface.Name = "gone", "gone" }, false, true, "region", 0, 1},
		"a leg is damaged":              {func(c *callkeep.Call) { c.Sides[0].Leg.Dialog.Target = "" }, false, true, "pbx", 0, 1},
		"its media is not to be had":    {func(c *callkeep.Call) { c.Media.Sides[0].Port = 9 }, false, true, "pbx", 0, 1},
		"the other call is not there":   {func(c *callkeep.Call) { c.Joined = &callkeep.Joined{Other: "gone", Side: media.A} }, false, true, "pbx", 0, 1},
		"a peer had left for another":   {func(c *callkeep.Call) { c.Sides[0].Leg = nil }, false, false, "pbx", 0, 1},
		"it had ended at the other box": {func(*callkeep.Call) {}, true, false, "pbx", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := established(t)
				k := w.kept.all(pair.Calls)[0]
				v, err := callkeep.Unmarshal(k.Value)
				if err != nil {
					t.Fatal(err)
				}
				x.change(v)
				if k.Value, err = callkeep.Marshal(v); err != nil {
					t.Fatal(err)
				}
				w.box++
				w.calls.Drop()
				w.stack.DropAll()
				w.halt()
				w.kept.clear()
				w.boot()
				if x.recorded {
					w.records = append(w.records, v.Record.Record)
				}
				garbage := pair.Kept{ID: "garbage", Value: []byte("garbage"), At: time.Now()}
				var failed error
				err = w.stack.TakeOver(w.config(), w.config().Address, func() {
					_, failed = w.calls.Restore(slices.Values([]pair.Kept{garbage, k}), slices.Values(w.kept.all(pair.Media)))
				})
				if err != nil || failed == nil {
					t.Fatalf("%v; garbage was taken for a call", err)
				}
				if one := len(failed.(interface{ Unwrap() []error }).Unwrap()) == 1; one == x.failed {
					t.Errorf("failed: %v", failed)
				}
				time.Sleep(1500 * time.Millisecond)
				if n := w.calls.Count(); n != x.calls || w.recordsOf(k.ID) != x.ofRecords {
					t.Errorf("%d calls, %d records", n, w.recordsOf(k.ID))
				}
				if x.hangUp != "" && !strings.Contains(w.peers[x.hangUp].waiting(), "BYE") {
					t.Errorf("%s has got %s", x.hangUp, w.peers[x.hangUp].waiting())
				}
				w.mu.Lock()
				w.problems = nil // errors are expected here
				w.mu.Unlock()
				w.calls.Clear("")
				time.Sleep(70 * time.Second)
				w.isEmpty(step{where: name, words: []string{"end"}})
			})
		})
	}
}

// damaged are calls that lack something, or have something that no release of ours writes: each value of a typical one is damaged in its turn. They
// are many, and legs take their time to end; so one in ten is taken, the same ones in each run.
func damaged(t *testing.T) (list []pair.Kept) {
	text, err := json.Marshal(typical(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	var whole any
	seen := 0
	keep := func() {
		if seen++; seen%10 != 0 {
			return
		}
		b, err := json.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		c := &callkeep.Call{}
		if json.Unmarshal(b, c) != nil || len(c.ID) == 0 {
			return // ReadAll says so
		}
		n := len(list)
		c.ID = fmt.Sprintf("%08x", n)
		for side := range c.Sides {
			if l := c.Sides[side].Leg; l != nil && l.Dialog.CallID != "" {
				l.Dialog.CallID = fmt.Sprintf("call-%d-%d", n, side)
			}
		}
		if b, err = callkeep.Marshal(c); err != nil {
			t.Fatal(err)
		}
		list = append(list, pair.Kept{ID: c.ID, Value: b, At: time.Now()})
	}
	var walk func(at any, put func(any))
	walk = func(at any, put func(any)) {
		for _, other := range []any{nil, "x", -1, 1 << 40} {
			put(other)
			keep()
		}
		put(at)
		switch at := at.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(at)) {
				walk(at[key], func(v any) { at[key] = v })
			}
		case []any:
			for n, value := range at {
				walk(value, func(v any) { at[n] = v })
			}
		}
	}
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	walk(whole, func(v any) { whole = v })
	return list
}

// anyMedia is a relay that restores whatever it is told.
type anyMedia struct{ *relay }

func (r anyMedia) Restore(state media.State, _ media.Marks, _ time.Duration) (call.MediaSession, error) {
	s := r.NewSession().(*mediaSession)
	for n := range s.sides {
		at := netip.AddrPortFrom(state.Sides[n].Ports.Addr, state.Sides[n].Port)
		s.sides[n].ports, s.sides[n].restored = media.Ports{RTP: at, RTCP: at}, true
	}
	return s, nil
}

// The other box may have another release, and there is no limit to what it may lack. Whatever comes of such a call, the box lives on, and has nothing
// left of it in the end.
func TestDamagedCallsHarmNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.stop()
		w.paired, w.media = true, anyMedia{w.relay}
		w.halt()
		w.boot()
		if err := w.configure(); err != nil {
			t.Fatal(err)
		}
		list := damaged(t)
		if len(list) < 20 {
			t.Fatalf("only %d can be read", len(list))
		}
		n, err := w.calls.Restore(slices.Values(list), slices.Values([]pair.Kept(nil)))
		t.Logf("%d of %d go on", n, len(list))
		if n == 0 || err == nil {
			t.Errorf("%d go on: %v", n, err)
		}
		time.Sleep(20 * time.Second)
		w.calls.Calls()
		w.calls.Clear("")
		time.Sleep(70 * time.Second)
		w.mu.Lock()
		w.problems = nil // errors are expected here
		w.mu.Unlock()
		w.isEmpty(step{where: "damaged calls", words: []string{"end"}})
	})
}
