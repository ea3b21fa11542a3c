package route

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
	"weak"

	"viaduct/appliance/config"
)

// Tables of up to fewKeys keys are searched from end to end, larger ones through an index.
const fewKeys = 8

// mappings and routes keep the indexes of large tables. A table of a published configuration never changes, so its index is good for
// as long as the table lives, and goes with it.
var (
	mappings = cache[config.MappingTable, config.Mapping]{key: func(m *config.Mapping) (config.Pattern, bool) { return m.Key, !m.Default }}
	routes   = cache[config.RoutingTable, config.Route]{key: func(r *config.Route) (config.Pattern, bool) { return r.Key, !r.Default }}
)

// cache maps tables of type T with entries of type E to their indexes. It holds no table alive.
type cache[T, E any] struct {
	key     func(*E) (config.Pattern, bool)
	indexes sync.Map // weak.Pointer[T] to *index[E]
}

// find returns the best entry of a table for a value. A number with a + is also looked up without it, for keys that are written so.
// Where both ways are as good, the number as it stands decides what the groups hold.
func (c *cache[T, E]) find(table *T, entries []E, value string, number bool) (int, config.Match, bool) {
	search := func(value string) (int, config.Match, bool) { return linear(entries, c.key, value) }
	if len(entries) > fewKeys {
		search = c.index(table, entries).find
	}
	i, m, ok := search(value)
	if rest, plus := strings.CutPrefix(value, "+"); number && plus {
		if j, n, found := search(rest); found && (!ok || n.Better(m) || j < i && !m.Better(n)) {
			return j, n, true
		}
	}
	return i, m, ok
}

// expressions is how many keys of a table are regular expressions, each of which a lookup may have to try.
func (c *cache[T, E]) expressions(table *T, entries []E) (n int) {
	if len(entries) > fewKeys {
		return len(c.index(table, entries).exprs)
	}
	for i := range entries {
		if k, ok := c.key(&entries[i]); ok {
			if _, plain := k.Fixed(); !plain {
				n++
			}
		}
	}
	return n
}

// index returns the index of a table, made at first use.
func (c *cache[T, E]) index(table *T, entries []E) *index[E] {
	w := weak.Make(table)
	old, known := c.indexes.Load(w)
	if known && old.(*index[E]).of(entries) {
		return old.(*index[E])
	}
	x := newIndex(entries, c.key)
	c.indexes.Store(w, x)
	if !known {
		runtime.AddCleanup(table, func(w weak.Pointer[T]) { c.indexes.Delete(w) }, w)
	}
	return x
}

// linear compares a value with all entries.
func linear[E any](entries []E, key func(*E) (config.Pattern, bool), value string) (best int, match config.Match, ok bool) {
	for i := range entries {
		if k, isKey := key(&entries[i]); isKey {
			if m, hit := k.Match(value); hit && (!ok || m.Better(match)) {
				best, match, ok = i, m, true
			}
		}
	}
	return best, match, ok
}

// index finds the best of many keys. Plain keys are grouped by shape: how long they are and where their wildcards stand. A value is
// looked up once for each shape, richest in literals first, until no shape that is left can be better. Keys that are regular
// expressions are compared one by one, also richest first.
type index[E any] struct {
	entries []E
	key     func(*E) (config.Pattern, bool)
	shapes  []*shape
	exprs   []int32         // entries whose key is a regular expression
	next    map[int32]int32 // further entry with the same plain characters (12 and 12$), 0: none
}

type shape struct {
	length int
	any    []int // where wildcards stand
	demand int
	first  map[string]int32
}

func newIndex[E any](entries []E, key func(*E) (config.Pattern, bool)) *index[E] {
	x := &index[E]{entries: entries, key: key, next: map[int32]int32{}}
	byShape := map[string]*shape{}
	var mask []byte
	for i := len(entries) - 1; i >= 0; i-- { // backwards, so that chains run forwards
		k, ok := key(&entries[i])
		if !ok {
			continue
		}
		fixed, plain := k.Fixed()
		if !plain {
			x.exprs = append(x.exprs, int32(i))
			continue
		}
		mask = mask[:0]
		for j := range len(fixed) {
			mask = append(mask, '-')
			if fixed[j] == config.Any {
				mask[j] = '.'
			}
		}
		s := byShape[string(mask)]
		if s == nil {
			s = &shape{length: len(fixed), demand: k.MaxDemand(), first: map[string]int32{}}
			for j := range mask {
				if mask[j] == '.' {
					s.any = append(s.any, j)
				}
			}
			byShape[string(mask)] = s
			x.shapes = append(x.shapes, s)
		}
		s.demand = max(s.demand, k.MaxDemand())
		if other, taken := s.first[fixed]; taken {
			x.next[int32(i)] = other
		}
		s.first[fixed] = int32(i)
	}
	slices.SortFunc(x.shapes, func(a, b *shape) int { return cmp.Compare(b.demand, a.demand) })
	rank := func(i int32) int { k, _ := key(&entries[i]); return k.MaxDemand() }
	slices.SortFunc(x.exprs, func(a, b int32) int { return cmp.Compare(rank(b), rank(a)) })
	return x
}

// of reports whether x was made of these entries: a table that is still being built may have got others.
func (x *index[E]) of(entries []E) bool {
	return len(entries) == len(x.entries) && &entries[0] == &x.entries[0]
}

func (x *index[E]) find(value string) (best int, match config.Match, ok bool) {
	if !ascii(value) { // one wildcard is one character but several bytes
		return linear(x.entries, x.key, value)
	}
	consider := func(i int) {
		k, _ := x.key(&x.entries[i])
		if m, hit := k.Match(value); hit && (!ok || m.Better(match) || i < best && !match.Better(m)) {
			best, match, ok = i, m, true
		}
	}
	var buf [config.MaxPattern]byte
	for _, s := range x.shapes {
		if ok && s.demand < match.Demand {
			break
		}
		if len(value) < s.length {
			continue
		}
		var i int32
		var hit bool
		if len(s.any) == 0 {
			i, hit = s.first[value[:s.length]]
		} else {
			probe := buf[:copy(buf[:s.length], value)]
			for _, j := range s.any {
				probe[j] = config.Any
			}
			i, hit = s.first[string(probe)]
		}
		for hit {
			consider(int(i))
			i, hit = x.next[i]
		}
	}
	for _, i := range x.exprs {
		k, _ := x.key(&x.entries[i])
		if ok && k.MaxDemand() < match.Demand {
			break
		}
		consider(int(i))
	}
	return best, match, ok
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
