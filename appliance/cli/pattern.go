package cli

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// node is a part of a pattern.
type node interface{ String() string }

type seq struct{ nodes []node }

// word is a keyword; flag is the bool field that it sets, or nil.
type word struct {
	text string
	flag []int
}

// arg is an argument.
type arg struct {
	name     string
	key      bool
	spec     string
	field    []int // in the element; nil: the element itself
	gotype   reflect.Type
	typ      Type
	min, max int64 // a range, when ranged
	ranged   bool
	dropped  bool // the value is not stored
	rest     bool // matches all words to the end of the line
}

type optional struct{ node node }

// anyOrder is a run of optional groups.
type anyOrder struct{ opts []*optional }

type alternatives struct{ nodes []node }

func (n *seq) String() string {
	var parts []string
	for _, x := range n.nodes {
		parts = append(parts, x.String())
	}
	return strings.Join(parts, " ")
}
func (n *word) String() string { return n.text }
func (n *arg) String() string {
	switch {
	case n.rest || n.spec == "rest":
		return "..."
	case n.name == "_":
		return "<" + n.spec + ">"
	}
	return "<" + n.name[strings.LastIndexByte(n.name, '.')+1:] + ">"
}
func (n *optional) String() string { return "[" + n.node.String() + "]" }
func (n *anyOrder) String() string {
	var parts []string
	for _, x := range n.opts {
		parts = append(parts, x.String())
	}
	return strings.Join(parts, " ")
}
func (n *alternatives) String() string {
	var parts []string
	for _, x := range n.nodes {
		parts = append(parts, x.String())
	}
	return "(" + strings.Join(parts, "|") + ")"
}

// parsePattern reads a pattern's text.
func parsePattern(text string) (node, error) {
	p := patternParser{rest: text}
	n, err := p.sequence()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("unexpected %q", p.rest)
	}
	return n, err
}

type patternParser struct{ rest string }

func (p *patternParser) sequence() (node, error) {
	s := &seq{}
	for {
		p.rest = strings.TrimLeft(p.rest, " ")
		if p.rest == "" || strings.ContainsRune("])|", rune(p.rest[0])) {
			if len(s.nodes) == 1 {
				return s.nodes[0], nil
			}
			return s, nil
		}
		n, err := p.one()
		if err != nil {
			return nil, err
		}
		s.append(n)
	}
}

// append merges adjacent optional groups, which may stand in any order.
func (s *seq) append(n node) {
	o, ok := n.(*optional)
	if ok && len(s.nodes) > 0 && startsWithKeyword(o.node) {
		switch last := s.nodes[len(s.nodes)-1].(type) {
		case *anyOrder:
			last.opts = append(last.opts, o)
			return
		case *optional:
			if startsWithKeyword(last.node) {
				s.nodes[len(s.nodes)-1] = &anyOrder{opts: []*optional{last, o}}
				return
			}
		}
	}
	s.nodes = append(s.nodes, n)
}

func startsWithKeyword(n node) bool {
	switch n := n.(type) {
	case *word:
		return true
	case *seq:
		return len(n.nodes) > 0 && startsWithKeyword(n.nodes[0])
	}
	return false
}

func (p *patternParser) one() (node, error) {
	switch p.rest[0] {
	case '[':
		p.rest = p.rest[1:]
		n, err := p.sequence()
		if err != nil {
			return nil, err
		}
		return &optional{n}, p.close(']')
	case '(':
		a := &alternatives{}
		for {
			p.rest = p.rest[1:]
			n, err := p.sequence()
			if err != nil {
				return nil, err
			}
			a.nodes = append(a.nodes, n)
			if p.rest == "" || p.rest[0] != '|' {
				return a, p.close(')')
			}
		}
	case '<':
		end := strings.IndexByte(p.rest, '>')
		if end < 0 {
			return nil, fmt.Errorf("missing >")
		}
		name, spec, _ := strings.Cut(p.rest[1:end], ":")
		p.rest = p.rest[end+1:]
		name, key := strings.CutPrefix(name, "#")
		return &arg{name: name, key: key, spec: spec}, nil
	}
	end := strings.IndexAny(p.rest, " [](|)<>")
	if end < 0 {
		end = len(p.rest)
	}
	w := &word{text: p.rest[:end]}
	p.rest = p.rest[end:]
	if w.text == "" {
		return nil, fmt.Errorf("unexpected %q", p.rest)
	}
	return w, nil
}

func (p *patternParser) close(c byte) error {
	if p.rest == "" || p.rest[0] != c {
		return fmt.Errorf("missing %c", c)
	}
	p.rest = p.rest[1:]
	return nil
}

// keywordsOf returns the keywords of a node without arguments, or nil.
func keywordsOf(n node) []*word {
	switch n := n.(type) {
	case *word:
		return []*word{n}
	case *seq:
		var all []*word
		for _, x := range n.nodes {
			w, ok := x.(*word)
			if !ok {
				return nil
			}
			all = append(all, w)
		}
		return all
	}
	return nil
}

func hasKey(n node) bool {
	switch n := n.(type) {
	case *arg:
		return n.key
	case *seq:
		for _, x := range n.nodes {
			if hasKey(x) {
				return true
			}
		}
	case *alternatives:
		for _, x := range n.nodes {
			if hasKey(x) {
				return true
			}
		}
	case *optional:
		return hasKey(n.node)
	}
	return false
}

// bindType finds the form of an argument: that of its Go type, narrowed by the pattern.
func (a *arg) bindType(t *Table, typ reflect.Type, fail func(string, ...any)) {
	a.gotype = typ
	a.typ = t.form(typ)
	if a.spec == "" {
		return
	}
	if kind, ok := t.options.Kinds[a.spec]; ok {
		if kind.Parse == nil {
			kind.Parse = a.typ.Parse
		}
		if kind.Print == nil {
			kind.Print = a.typ.Print
		}
		a.typ = kind
		return
	}
	if lo, hi, ok := strings.Cut(a.spec, ".."); ok {
		var err1, err2 error
		a.min, err1 = strconv.ParseInt(lo, 10, 64)
		a.max, err2 = strconv.ParseInt(hi, 10, 64)
		if err1 != nil || err2 != nil || a.min > a.max {
			fail("bad range %q", a.spec)
		}
		a.ranged = true
		return
	}
	if !strings.Contains(a.spec, "|") && !strings.HasPrefix(a.spec, "=") {
		fail("unknown kind of word %q", a.spec)
	}
	a.typ.Words = strings.Split(strings.TrimPrefix(a.spec, "="), "|")
	a.typ.Parse = nil
}
