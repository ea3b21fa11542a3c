package route

import (
	"cmp"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/config"
)

// spelling is one way in which a key can be met, with everything that may be left out either there or not.
type spelling struct {
	text                   string
	demand, literals, wild int
}

// piece is a part of a key with all its spellings, the one that is preferred first.
type piece struct {
	text      string
	spellings []spelling
}

func randomPiece(r *rand.Rand) piece {
	digits := func() string { return []string{"0", "1", "2", "12", "21"}[r.IntN(5)] }
	d, e := digits(), digits()
	switch r.IntN(8) {
	case 0:
		return piece{".", []spelling{{".", 1, 0, 1}}}
	case 1:
		return piece{"[12]", []spelling{{"[12]", 1, 0, 1}}}
	case 2: // an optional literal counts when the value has it
		return piece{"(" + d + ")?", []spelling{{d, len(d), len(d), 1}, {"", 0, 0, 1}}}
	case 3: // an optional wildcard demands nothing
		return piece{"(.)?", []spelling{{".", 0, 0, 2}, {"", 0, 0, 2}}}
	case 4:
		return piece{"(" + d + "|" + e + "..)", []spelling{{d, len(d), len(d), 3}, {e + "..", len(e) + 2, len(e), 3}}}
	default:
		return piece{d, []spelling{{d, len(d), len(d), 0}}}
	}
}

// rank is the rule for one key, written down without any regard to cost: nil when the value does not match.
func rank(pieces []piece, closed bool, value string) []int {
	all := []spelling{{}}
	for _, p := range pieces {
		var longer []spelling
		for _, a := range all {
			for _, b := range p.spellings {
				longer = append(longer, spelling{a.text + b.text, a.demand + b.demand, a.literals + b.literals, a.wild + b.wild})
			}
		}
		all = longer
	}
	end := map[bool]string{true: "$"}[closed]
	for _, s := range all {
		if regexp.MustCompile("^" + s.text + end).MatchString(value) {
			return []int{s.demand, s.literals, len(end), -s.wild}
		}
	}
	return nil
}

// The best entry of a table is the one that the rule names: most of the value demanded, then most literal characters, then closed, then
// fewest wildcards, then the first.
func TestTheBestEntryIsTheRules(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 800 {
		m := &config.MappingTable{Name: "m", In: config.CalledURI, Out: config.CalledURI}
		var keys [][]piece
		var closed []bool
		for range 2 + r.IntN(14) {
			var pieces []piece
			var text strings.Builder
			for range 1 + r.IntN(4) {
				p := randomPiece(r)
				pieces = append(pieces, p)
				text.WriteString(p.text)
			}
			c := r.IntN(4) == 0
			if c {
				text.WriteByte('$')
			}
			keys, closed = append(keys, pieces), append(closed, c)
			m.Maps = append(m.Maps, config.Mapping{Key: key(t, text.String())})
		}
		var value strings.Builder
		for range 1 + r.IntN(6) {
			value.WriteByte("012"[r.IntN(3)])
		}
		want, best := -1, []int(nil)
		for i := range keys {
			if k := rank(keys[i], closed[i], value.String()); k != nil && (best == nil || slices.CompareFunc(k, best, cmp.Compare[int]) > 0) {
				want, best = i, k
			}
		}
		got, _, ok := mappings.find(m, m.Maps, value.String(), false)
		if !ok {
			got = -1
		}
		if got != want {
			var list []string
			for _, e := range m.Maps {
				list = append(list, e.Key.String())
			}
			t.Fatalf("%q in %q: entry %d, want %d", value.String(), list, got, want)
		}
	}
}
