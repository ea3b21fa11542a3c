package config

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Match is how a value met a key.
type Match struct {
	// Demand counts the characters that the value had to have to meet the key in the way in which it did: characters of the key and
	// single wildcards; what may be left out counts where it is characters that the value has. It decides which of several
	// matching keys is best: \+4930123(..) before \+4930123. Then Literals decides, which counts characters of the key alone, then
	// Closed ($ at the end), then Wild (fewer), and at last the order of the lines.
	Demand, Literals, Wild int
	Closed                 bool

	value string
	spans []int // begin and end of the whole match and of each group, -1 when unset
	end   int   // of the whole match, when spans is nil
}

// Match compares the value with the key.
func (p Pattern) Match(value string) (Match, bool) {
	switch {
	case p.program != nil:
		return p.program.match(p, value)
	case p.network != nil:
		return p.matchAddress(value)
	}
	end, ok := begins(value, p.fixed)
	if !ok || p.tail == tailEmpty && end != len(value) || p.tail == tailSome && end == len(value) {
		return Match{}, false
	}
	if p.tail == tailAll || p.tail == tailSome {
		end = len(value)
	}
	return Match{Demand: p.demand(), Literals: int(p.literals), Wild: int(p.wild), Closed: p.closed, value: value, end: end}, true
}

// matchAddress looks for an address in a network: of several networks, the smallest is the best.
func (p Pattern) matchAddress(value string) (Match, bool) {
	a, err := netip.ParseAddr(value)
	if err != nil || !p.network.Contains(a.Unmap()) {
		return Match{}, false
	}
	return Match{Demand: p.network.Bits(), value: value, end: len(value)}, true
}

// begins compares the beginning of value with a plain key's characters and returns where they end.
func begins(value, fixed string) (end int, ok bool) {
	for i := 0; i < len(fixed); i++ {
		if end == len(value) {
			return 0, false
		}
		size := 1
		if fixed[i] == Any {
			_, size = utf8.DecodeRuneInString(value[end:])
		} else if fixed[i] != value[end] {
			return 0, false
		}
		end += size
	}
	return end, true
}

// Better reports whether m is the better match than o, leaving aside the order of the lines.
func (m Match) Better(o Match) bool {
	switch {
	case m.Demand != o.Demand:
		return m.Demand > o.Demand
	case m.Literals != o.Literals:
		return m.Literals > o.Literals
	case m.Closed != o.Closed:
		return m.Closed
	}
	return m.Wild < o.Wild
}

// Group returns what group n (0 to 9) stands for: 0 is the whole match; "" when the group is not set or does not exist.
func (m Match) Group(n int) string {
	if m.spans == nil {
		if n == 0 {
			return m.value[:m.end]
		}
		return ""
	}
	if 2*n+1 >= len(m.spans) || m.spans[2*n] < 0 {
		return ""
	}
	return m.value[m.spans[2*n]:m.spans[2*n+1]]
}

// Expand returns a mapping's value with \0 to \9 replaced by the groups; \ before any other sign stands for that sign. It reports
// false, and stops, when the value would be longer than limit: values that grow from table to table would take all memory.
func (m Match) Expand(to string, limit int) (string, bool) {
	if strings.IndexByte(to, '\\') < 0 {
		return to, len(to) <= limit
	}
	var b strings.Builder
	for i := 0; i < len(to) && b.Len() <= limit; i++ {
		switch {
		case to[i] != '\\' || i+1 == len(to):
			b.WriteByte(to[i])
		case to[i+1] >= '0' && to[i+1] <= '9':
			i++
			b.WriteString(m.Group(int(to[i] - '0')))
		default:
			i++
			b.WriteByte(to[i])
		}
	}
	return b.String(), b.Len() <= limit
}
