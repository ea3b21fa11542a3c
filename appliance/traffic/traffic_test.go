package traffic

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/status"
)

// random makes the record of a call that ends now.
func random(r *rand.Rand) status.Record {
	now := time.Now()
	x := status.Record{
		From: fmt.Sprint("if", r.IntN(3)), Started: now.Add(-time.Minute), Ended: now, Emergency: r.IntN(20) == 0, Licenses: status.LicensesInUse{Sessions: r.IntN(50)},
	}
	for range r.IntN(3) {
		x.Attempts = append(x.Attempts, status.Attempt{Interface: "trunk", Outcome: status.Refused, Code: 480 + r.IntN(8)})
	}
	if r.IntN(3) == 0 {
		x.Code = 486
		return x
	}
	x.Connected, x.Code, x.To = now.Add(-time.Duration(r.IntN(50))*time.Second), 200, "trunk"
	x.Attempts = append(x.Attempts, status.Attempt{Interface: "trunk", Outcome: status.Answered, Code: 200})
	x.Media = []status.RecordMedia{{Side: status.ByCaller, Media: status.Media{MOS: 4}}, {Side: status.ByCallee, SilentS: r.IntN(2) * 12, Media: status.Media{MOS: 3}}}
	return x
}

// The counts of any time are those of a plain list of the calls in it, also when spans were used before, a day ago.
func TestCountsAreThoseOfThePlainList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		b := New()
		type counted struct {
			at time.Duration
			r  status.Record
		}
		var all []counted
		begin := time.Now()
		for range 3000 {
			time.Sleep(time.Duration(r.IntN(120)) * time.Second)
			x := random(r)
			b.Count(x)
			all = append(all, counted{time.Since(begin), x})
			if r.IntN(100) > 0 {
				continue
			}
			for _, d := range []time.Duration{time.Minute, time.Hour, 7 * time.Hour, 24 * time.Hour, 48 * time.Hour} {
				got := b.Last(d)
				oldest := int(time.Since(begin)/span) - min(int((d+span-1)/span), spans)
				var want status.Traffic
				codes := map[int]int{}
				for _, c := range all {
					if int(c.at/span) <= oldest {
						continue
					}
					want.Calls++
					want.Most = max(want.Most, c.r.Licenses.Sessions+1)
					if c.r.Emergency {
						want.Emergency++
					}
					if c.r.Connected.IsZero() {
						codes[c.r.Code]++
						continue
					}
					want.Answered++
					want.Talk += c.r.Ended.Sub(c.r.Connected)
					if c.r.Media[1].SilentS > 0 {
						want.OneWay++
					}
				}
				if got.Calls != want.Calls || got.Answered != want.Answered || got.Most != want.Most || got.Talk != want.Talk || got.OneWay != want.OneWay || got.Emergency != want.Emergency {
					t.Fatalf("last %v: %+v, want %+v", d, got, want)
				}
				for _, f := range got.Failed {
					if codes[f.Code] != f.N {
						t.Fatalf("last %v: %d of %d, want %d", d, f.N, f.Code, codes[f.Code])
					}
				}
				checkWays(t, got)
			}
		}
		if n := b.Totals(); n.Calls != len(all) {
			t.Errorf("%d in all, want %d", n.Calls, len(all))
		}
	})
}

// checkWays compares the interfaces with the whole.
func checkWays(t *testing.T, got status.Traffic) {
	t.Helper()
	calls := 0
	for _, w := range got.Interfaces {
		failed := 0
		for _, f := range w.Failed {
			failed += f.N
		}
		if failed+w.Answered != w.Calls {
			t.Fatalf("%s: %d calls, %d answered, %d failed", w.Interface, w.Calls, w.Answered, failed)
		}
		if !w.Outgoing {
			calls += w.Calls
			if w.Answered > 0 && w.MOS != 4 {
				t.Fatalf("MOS of callers %v", w.MOS)
			}
		}
	}
	if calls != got.Calls {
		t.Fatalf("%d calls of interfaces, %d in all", calls, got.Calls)
	}
}

func TestCountsHaveABound(t *testing.T) {
	b := New()
	for n := range 5 * manyInterfaces {
		b.Count(status.Record{From: fmt.Sprint("if", n), Code: 404, Media: []status.RecordMedia{{Side: status.ByCaller, Media: status.Media{MOS: 4}}}})
	}
	total := b.Totals()
	if len(total.Interfaces) > manyInterfaces+1 || len(total.MOS) > manyInterfaces+1 || total.Calls != 5*manyInterfaces {
		t.Errorf("%d interfaces, %d with MOS, %d calls", len(total.Interfaces), len(total.MOS), total.Calls)
	}
}

// A value that equals a bound belongs to it, as in Prometheus.
func TestHistograms(t *testing.T) {
	h := histogram([]float64{1, 2, 5})
	for _, v := range []float64{0, 1, 1.5, 2, 5, 5.1} {
		observe(&h, v)
	}
	if !reflect.DeepEqual(h.Counts, []int{2, 2, 1, 1}) || h.Sum != 14.6 {
		t.Errorf("%+v", h)
	}
}

func BenchmarkCount(b *testing.B) {
	book, r := New(), rand.New(rand.NewPCG(1, 2))
	list := make([]status.Record, 1000)
	for n := range list {
		list[n] = random(r)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		book.Count(list[n%len(list)])
	}
}
