package config

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// expression is a key that needs a regular expression.
type expression struct {
	re     *regexp.Regexp
	prefix string // every matching value begins with it
	always tally  // what every match demands
	wild   uint16
	max    int     // demand of the richest match
	groups []int   // numbers in re of the key's own groups, the whole match first
	extra  []extra // what is demanded only by values that meet a part which others need not meet
}

// tally counts the characters of a value that a key, or a part of one, demands.
type tally struct{ literals, demand int }

func (t tally) plus(o tally) tally { return tally{t.literals + o.literals, t.demand + o.demand} }

// extra is a part of a key, in a group that we have added around it.
type extra struct {
	group int // number in re
	tally
}

// counting is the name of the groups that we add; a key's own groups can hardly be called so.
const counting = "_part"

// compile makes an expression of a key. What it demands of a value is only known when it has matched, because parts may be optional
// or alternatives: (00)?49 demands two characters of 49222 and four of 0049222. So optional literals and alternatives are wrapped in groups
// of our own, and what stands in those that took part is added up. An optional wildcard demands nothing.
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
	e.always = e.count(tree, false)
	e.max = e.always.demand
	for _, x := range e.extra {
		e.max += x.demand
	}
	if e.re, err = regexp.Compile("^(?:" + tree.String() + ")"); err != nil {
		return nil, syntaxError(text, err)
	}
	for i, name := range e.re.SubexpNames() {
		if n, ours := strings.CutPrefix(name, counting); ours {
			part, _ := strconv.Atoi(n)
			e.extra[part].group = i
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

// count returns what every match of re demands, and wraps what only some matches do. Optional is what stands in a part that may be
// left out.
func (e *expression) count(re *syntax.Regexp, optional bool) (t tally) {
	switch re.Op {
	case syntax.OpLiteral:
		t = tally{len(re.Rune), len(re.Rune)}
		if optional {
			e.wrap(re, t)
			return tally{}
		}
		return t
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpCharClass:
		e.wild++
		if optional {
			return tally{}
		}
		return tally{demand: 1}
	case syntax.OpAlternate:
		e.wild++
		for _, sub := range re.Sub {
			if t := e.count(sub, optional); t.demand > 0 {
				e.wrap(sub, t)
			}
		}
		return tally{}
	case syntax.OpStar, syntax.OpQuest:
		optional = true
		e.wild++
	case syntax.OpPlus, syntax.OpRepeat:
		optional = optional || re.Op == syntax.OpRepeat && re.Min == 0
		e.wild++
	}
	for _, sub := range re.Sub {
		t = t.plus(e.count(sub, optional))
	}
	if re.Op == syntax.OpRepeat {
		t = tally{t.literals * re.Min, t.demand * re.Min}
	}
	return t
}

// wrap puts a part of the tree into a group of our own.
func (e *expression) wrap(re *syntax.Regexp, t tally) {
	part := *re // the lists of a syntax.Regexp may stand in itself
	part.Rune, part.Sub = slices.Clone(re.Rune), slices.Clone(re.Sub)
	*re = syntax.Regexp{Op: syntax.OpCapture, Name: fmt.Sprint(counting, len(e.extra)), Sub: []*syntax.Regexp{&part}}
	e.extra = append(e.extra, extra{tally: t})
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
	met := e.always
	for _, x := range e.extra {
		if spans[2*x.group] >= 0 {
			met = met.plus(x.tally)
		}
	}
	m := Match{Demand: met.demand, Literals: met.literals, Wild: int(e.wild), Closed: p.closed, value: value}
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
			if last == '(' || i > 0 && source[i-1] == ':' {
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
