package config

import (
	"strings"
	"unicode/utf8"
)

// Match is how a value met a key.
type Match struct {
	// Literals counts the characters of the value that were met by characters of the key. It decides which of several matching keys
	// is best, then Wild (fewer), then Closed ($ at the end), and at last the order of the lines.
	Literals, Wild int
	Closed         bool

	value string
	spans []int // begin and end of the whole match and of each group, -1 when unset
	end   int   // of the whole match, when spans is nil
}

// Match compares the value with the key.
func (p Pattern) Match(value string) (Match, bool) {
	if p.program != nil {
		return p.program.match(p, value)
	}
	end, ok := begins(value, p.fixed)
	if !ok || p.tail == tailEmpty && end != len(value) || p.tail == tailSome && end == len(value) {
		return Match{}, false
	}
	if p.tail == tailAll || p.tail == tailSome {
		end = len(value)
	}
	return Match{Literals: int(p.literals), Wild: int(p.wild), Closed: p.closed, value: value, end: end}, true
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
	case m.Literals != o.Literals:
		return m.Literals > o.Literals
	case m.Wild != o.Wild:
		return m.Wild < o.Wild
	}
	return m.Closed && !o.Closed
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

// Expand returns a mapping's value with \0 to \9 replaced by the groups; \ before any other sign stands for that sign.
func (m Match) Expand(to string) string {
	if strings.IndexByte(to, '\\') < 0 {
		return to
	}
	var b strings.Builder
	for i := 0; i < len(to); i++ {
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
	return b.String()
}
