package config

import (
	"fmt"
	"testing"
)

// A name means the object of its own holder, however many others have one of the name.
func TestANameMeansTheObjectOfItsHolder(t *testing.T) {
	tables := func(names ...string) (s Switch) {
		for _, n := range names {
			s.RoutingTables = append(s.RoutingTables, &RoutingTable{Name: n})
		}
		return s
	}
	a, b := tables("T", "default", "U", "router"), tables("U", "Default", "T", "table")
	for _, x := range []struct {
		name string
		a, b *RoutingTable
	}{
		{"T", a.RoutingTables[0], b.RoutingTables[2]},
		{"U", a.RoutingTables[2], b.RoutingTables[0]},
		{"DEFAULT", a.RoutingTables[1], b.RoutingTables[1]},
		{"default", a.RoutingTables[1], b.RoutingTables[1]},
		{"ROUTER", a.RoutingTables[3], nil},
		{"table", nil, b.RoutingTables[3]},
		{"TABLE", nil, nil},
		{"V", nil, nil},
		{"", nil, nil},
	} {
		r := Ref[Switch, RoutingTable]{x.name}
		if r.In(&a) != x.a || r.In(&b) != x.b || r.In(&Switch{}) != nil || r.In(nil) != nil {
			t.Errorf("%q: %v and %v, want %v and %v", x.name, r.In(&a), r.In(&b), x.a, x.b)
		}
	}
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
