package config

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// expression is a key that needs a regular expression.
type expression struct {
	re             *regexp.Regexp
	prefix         string // every matching value begins with it
	literals, wild uint16 // literals that every match has
	max            int    // literals of the richest match
	groups         []int  // numbers in re of the key's own groups, the whole match first
	counted        []int  // numbers in re of the groups that we added around optional literals
}

// counting is the name of the groups that we add; a key's own groups can hardly be called so.
const counting = "_literal"

// compile makes an expression of a key. How many of its literal characters a value meets is only known when it has matched, because
// literals may be optional: (00)?49 meets two of 49222 and four of 0049222. So literals that not every match holds are wrapped in
// groups of our own, whose lengths are added up.
func compile(text string) (*expression, error) {
	translated, err := translate(text)
	if err != nil {
		return nil, err
	}
	tree, err := syntax.Parse(translated, syntax.Perl)
	if err != nil {
		return nil, syntaxError(text, err)
	}
	if size(tree) > maxSize {
		return nil, &PatternError{text, max(strings.IndexByte(text, '{'), 0), "repeats too much"}
	}
	e := &expression{prefix: prefix(tree)}
	tree = e.count(tree, false)
	if e.re, err = regexp.Compile("^(?:" + tree.String() + ")"); err != nil {
		return nil, syntaxError(text, err)
	}
	for i, name := range e.re.SubexpNames() {
		if strings.HasPrefix(name, counting) {
			e.counted = append(e.counted, i)
		} else {
			e.groups = append(e.groups, i)
		}
	}
	return e, nil
}

// maxSize bounds what one key may cost, in signs with repetitions written out: package regexp alone would take 128 MiB for (.{1000}){99}.
const maxSize = 2000

func size(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += size(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, 1<<20)
}

// count adds up what decides between keys and wraps literals that are optional.
func (e *expression) count(re *syntax.Regexp, optional bool) *syntax.Regexp {
	switch re.Op {
	case syntax.OpLiteral:
		e.max += len(re.Rune)
		if optional {
			name := fmt.Sprint(counting, e.max)
			return &syntax.Regexp{Op: syntax.OpCapture, Name: name, Sub: []*syntax.Regexp{re}}
		}
		e.literals += uint16(len(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpCharClass:
		e.wild++
	case syntax.OpStar, syntax.OpQuest, syntax.OpAlternate:
		optional = true
		e.wild++
	case syntax.OpPlus, syntax.OpRepeat:
		optional = optional || re.Op == syntax.OpRepeat && re.Min == 0
		e.wild++
	}
	for i, sub := range re.Sub {
		re.Sub[i] = e.count(sub, optional)
	}
	return re
}

// prefix returns the literal that the expression begins with.
func prefix(re *syntax.Regexp) string {
	for re.Op == syntax.OpConcat || re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	if re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase == 0 {
		return string(re.Rune)
	}
	return ""
}

func (e *expression) match(p Pattern, value string) (Match, bool) {
	if !strings.HasPrefix(value, e.prefix) {
		return Match{}, false
	}
	spans := e.re.FindStringSubmatchIndex(value)
	if spans == nil {
		return Match{}, false
	}
	m := Match{Literals: int(e.literals), Wild: int(e.wild), Closed: p.closed, value: value}
	for _, n := range e.counted {
		if from := spans[2*n]; from >= 0 {
			m.Literals += len([]rune(value[from:spans[2*n+1]]))
		}
	}
	for i, n := range e.groups { // in place: groups[i] >= i
		spans[2*i], spans[2*i+1] = spans[2*n], spans[2*n+1]
	}
	m.spans = spans[:2*len(e.groups)]
	return m, true
}

// translate turns the signs of the dialect into those of package regexp, and finds brackets that do not pair, since the errors of
// package regexp name no position.
func translate(text string) (string, error) {
	source := dropT(text)
	var b strings.Builder
	var open []int
	last := byte('(') // the sign before, as far as it matters: ( when nothing can be repeated here, . when % repeats, a otherwise
	for i := 0; i < len(source); i++ {
		c := source[i]
		switch c {
		case '\\':
			if i+1 == len(source) {
				return "", &PatternError{text, i, `ends in \: nothing stands after it`}
			}
			b.WriteString(source[i : i+2])
			i++
			last = 'a'
			continue
		case '[':
			end := class(source[i:])
			if end < 0 {
				return "", &PatternError{text, i, "[ is not closed by ]"}
			}
			b.WriteString(source[i : i+end])
			i += end - 1
			last = '.'
			continue
		case '(':
			open = append(open, i)
			if next, ok := groupFlags(source[i:]); ok { // (?: and the like
				b.WriteString(source[i : i+next])
				i += next - 1
				last = '('
				continue
			}
		case ')':
			if len(open) == 0 {
				return "", &PatternError{text, i, ") closes no ("}
			}
			open = open[:len(open)-1]
		case '?', '{':
			if last == '(' && c == '?' {
				return "", &PatternError{text, i, "? has nothing before it that could be optional; write \\? for the character"}
			}
		case '+', '*':
			if last == '(' {
				b.WriteByte('\\')
				c = 'a' // a character: it can be repeated itself
			}
		case '%':
			if last == '.' {
				b.WriteByte('*')
				last = 'a'
				continue
			}
		}
		b.WriteByte(source[i])
		switch c {
		case '(', '|', '^':
			last = '('
		case '.', ')':
			last = '.'
		default:
			last = 'a'
		}
	}
	if len(open) > 0 {
		return "", &PatternError{text, open[len(open)-1], "( is not closed by )"}
	}
	return b.String(), nil
}

// class returns the length of the set that s begins with, -1 when it does not end. A ] at the beginning is a member.
func class(s string) int {
	i := 1
	if i < len(s) && s[i] == '^' {
		i++
	}
	if i < len(s) && s[i] == ']' {
		i++
	}
	for ; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '[' && strings.HasPrefix(s[i:], "[:"):
			if end := strings.Index(s[i:], ":]"); end > 0 {
				i += end + 1
			}
		case s[i] == ']':
			return i + 1
		}
	}
	return -1
}

// groupFlags returns the length of (?: (?i) (?i: (?P<name> at the beginning of s.
func groupFlags(s string) (int, bool) {
	if !strings.HasPrefix(s, "(?") {
		return 0, false
	}
	for i := 2; i < len(s); i++ {
		switch s[i] {
		case ':', '>':
			return i + 1, true
		case ')':
			return i, true
		}
	}
	return len(s), true
}

// syntaxError finds the place of an error that package regexp reports.
func syntaxError(text string, err error) error {
	var s *syntax.Error
	if !errors.As(err, &s) {
		return &PatternError{text, 0, err.Error()}
	}
	pos := strings.Index(text, s.Expr)
	if pos < 0 || s.Expr == text {
		pos = 0
	}
	return &PatternError{text, pos, s.Code.String()}
}
