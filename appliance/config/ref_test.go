package config

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// A name means the object of its own holder, however many others have one of the name; an index over a long list never says otherwise,
// while the list grows, shrinks and changes in place and memory is collected.
func TestNamesMeanWhatAPlainSearchFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, fewNames, fewNames + 1, 200, 1000} {
		var a, b Switch
		for n := range size {
			a.RoutingTables = append(a.RoutingTables, &RoutingTable{Name: fmt.Sprint("T", n)})
			b.RoutingTables = append(b.RoutingTables, &RoutingTable{Name: fmt.Sprint("T", n)})
		}
		for range 300 {
			for _, s := range []*Switch{&a, &b} {
				if len(s.RoutingTables) > 0 {
					switch i := r.IntN(len(s.RoutingTables)); r.IntN(4) {
					case 0:
						s.RoutingTables = slices.Delete(s.RoutingTables, i, i+1)
					case 1:
						s.RoutingTables = append(s.RoutingTables, &RoutingTable{Name: fmt.Sprint("N", r.IntN(size))})
					case 2:
						s.RoutingTables[i] = &RoutingTable{Name: fmt.Sprint("X", r.IntN(size))}
					}
				}
				name := fmt.Sprint(string("TNX"[r.IntN(3)]), r.IntN(size+1))
				got, want := (Ref[Switch, RoutingTable]{name}).In(s), plainly(s.RoutingTables, name)
				if (got == nil) != (want == nil) || got != nil && (got.Name != name || !slices.Contains(s.RoutingTables, got)) {
					t.Fatalf("%d tables: %s is %v, want %v", size, name, got, want)
				}
			}
			if r.IntN(100) == 0 {
				runtime.GC()
			}
		}
	}
}

// plainly searches a list from end to end. Of two objects of a name, which a configuration never has, either is right.
func plainly(list []*RoutingTable, name string) *RoutingTable {
	for _, x := range list {
		if x.Name == name {
			return x
		}
	}
	return nil
}

func TestAnIndexGoesWithItsList(t *testing.T) {
	count := func() (n int) {
		indexes.Range(func(any, any) bool { n++; return true })
		return n
	}
	before := count()
	func() {
		var s Switch
		for n := range 2 * fewNames {
			s.RoutingTables = append(s.RoutingTables, &RoutingTable{Name: fmt.Sprint(n)})
		}
		if (Ref[Switch, RoutingTable]{"5"}).In(&s) != s.RoutingTables[5] || count() != before+1 {
			t.Fatalf("%d indexes, want %d", count(), before+1)
		}
	}()
	for range 100 {
		if runtime.GC(); count() <= before {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d indexes are left, want %d", count(), before)
}

func BenchmarkNamesOfALongList(b *testing.B) {
	var s Switch
	for n := range 1000 {
		s.RoutingTables = append(s.RoutingTables, &RoutingTable{Name: fmt.Sprint("TABLE-", n)})
	}
	for b.Loop() {
		if (Ref[Switch, RoutingTable]{"TABLE-999"}).In(&s) == nil {
			b.Fatal("not found")
		}
	}
}
