package cli

import (
	"fmt"
	"reflect"
	"strings"
)

// Line is one statement (or one command) of a language.
type Line struct {
	Line     string                      // the pattern
	Also     []string                    // alternative forms, which are never printed
	Into     string                      // the field; a leading ! stores the opposite of a bool, "." binds the arguments to the mode's own fields, "-" stores nothing
	Help     string                      // one line, no full stop
	Words    map[string]string           // help for words of the pattern ("graceful") and for its arguments ("<minutes>") that differs from Help
	Whole    bool                        // no abbreviations: a stray letter must not run it
	Note     string                      // the note for a statement without effect
	Example  string                      // for the manual, if the pattern is not obvious
	Prompt   string                      // of the mode that the statement opens, for example "if-sip"
	Lines    []Line                      // the statements of that mode
	Complete func(owner, elem any) error // completes a new element of owner (both are pointers) before it is stored, or rejects it
	Builtin  string                      // of a list with defaults while it is empty: describes them after a `no` that finds nothing
	Args     reflect.Type                // commands only: the struct that the arguments are bound to
	Data     any                         // for the language, which gets it back with a match
}

// Type is the form of a Go type as one word.
type Type struct {
	What   string   // for messages and help: "IPv4 address", "profile voip"
	Words  []string // the only possible words; with Parse, additional ones
	Free   bool     // any text: `?` is a plain character
	Secret bool     // hidden by mask
	Ref    bool     // refers to an object: see Printed.Refs
	// Parse converts a word to a value; root is the configuration.
	Parse func(word string, root any) (any, error)
	Print func(v any) string
	Help  map[string]string // of some of Words
	// Names lists the names of objects for completion: in root, or in within, the outermost object around the line (nil at the root).
	Names func(root, within any) []string
	// Outside is the kind of objects outside the configuration, for completion.
	Outside string
}

// Options are the definitions of a language besides its table.
type Options struct {
	Types  map[reflect.Type]Type
	Kinds  map[string]Type     // for <field:kind>
	Topics map[string]string   // help for a keyword that several statements share
	Words  map[string]string   // help for a word that means the same in all statements, unless it is their first word
	Same   func(string) string // normalises the names of objects for comparison; nil: compare as they are
}

// Table is a compiled language. It is immutable.
type Table struct {
	options Options
	root    *Mode
}

// Mode is a set of statements about one struct type.
type Mode struct {
	Type   reflect.Type
	Prompt string
	stmts  []*Stmt
}

// Stmts returns the statements of the mode in the order of the table.
func (m *Mode) Stmts() []*Stmt { return m.stmts }

// Stmt is a compiled line.
type Stmt struct {
	*Line
	table    *Table
	owner    *Mode
	Mode     *Mode // the mode that it opens, or nil
	kind     kind
	inverted bool
	field    []int  // in the owner's struct
	name     string // of that field
	elem     reflect.Type
	pattern  node
	also     []node
	args     []*arg
	keys     []*arg
	keyFlags []*word
	flags    []*word
	index    *arg // an optional key; default: the next free number
}

// StoresNothing reports whether a statement has no effect on the configuration.
func (s *Stmt) StoresNothing() bool { return s.kind == kindNothing }

// kind says how a statement reaches its field.
type kind int

const (
	kindBool    kind = iota // presence
	kindScalar              // one argument is the field
	kindStruct              // arguments are fields of the field
	kindSelf                // arguments are fields of the mode's struct
	kindPtr                 // presence of a struct, whose mode the statement opens
	kindList                // elements by key
	kindArgs                // a command
	kindNothing             // accepted without effect
)

// New compiles statements for the struct that root points to. It panics if the table has a mistake.
func New(root any, lines []Line, o Options) *Table {
	t := &Table{options: o}
	t.root = t.compileMode(reflect.TypeOf(root).Elem(), "", lines)
	return t
}

// Root is the outermost mode.
func (t *Table) Root() *Mode { return t.root }

// Commands compiles commands. Their arguments are bound to Line.Args.
func (t *Table) Commands(lines []Line) *Mode { return t.compileMode(nil, "", lines) }

func (t *Table) compileMode(typ reflect.Type, prompt string, lines []Line) *Mode {
	m := &Mode{Type: typ, Prompt: prompt}
	for i := range lines {
		m.stmts = append(m.stmts, t.compile(m, &lines[i]))
	}
	return m
}

func (t *Table) compile(m *Mode, l *Line) *Stmt {
	s := &Stmt{Line: l, table: t, owner: m}
	fail := func(format string, a ...any) {
		panic(fmt.Sprintf("table entry %q: %s", l.Line, fmt.Sprintf(format, a...)))
	}
	if l.Help == "" {
		fail("no help")
	}
	pattern, err := parsePattern(l.Line)
	if err != nil {
		fail("%v", err)
	}
	s.pattern = pattern
	for _, text := range l.Also {
		p, err := parsePattern(text)
		if err != nil {
			fail("%v", err)
		}
		s.also = append(s.also, p)
	}
	s.resolveField(m, fail)
	for i, p := range append([]node{s.pattern}, s.also...) {
		b := binder{s: s, fail: fail, first: i == 0}
		b.bind(p, false)
	}
	if s.kind == kindList && len(s.keys)+len(s.keyFlags) == 0 {
		fail("a list needs a key: mark it with #")
	}
	if len(l.Lines) > 0 || l.Prompt != "" {
		if s.elem.Kind() != reflect.Struct {
			fail("only a struct can be a mode")
		}
		s.Mode = t.compileMode(s.elem, l.Prompt, l.Lines)
	}
	return s
}

// resolveField finds the field, its kind and its element type.
func (s *Stmt) resolveField(m *Mode, fail func(string, ...any)) {
	if m.Type == nil {
		s.kind, s.elem = kindArgs, s.Line.Args
		if s.elem == nil {
			s.elem = reflect.TypeFor[struct{}]()
		}
		return
	}
	into, inverted := strings.CutPrefix(s.Into, "!")
	s.inverted = inverted
	if into == "-" {
		s.kind, s.elem = kindNothing, reflect.TypeFor[struct{}]()
		return
	}
	if into == "." {
		s.kind, s.elem = kindSelf, m.Type
		return
	}
	typ := m.Type
	for _, name := range strings.Split(into, ".") {
		f, ok := typ.FieldByName(name)
		if !ok {
			fail("%v has no field %q", typ, name)
		}
		s.field = append(s.field, f.Index...)
		s.name, typ = f.Name, f.Type
	}
	switch {
	case typ.Kind() == reflect.Bool:
		s.kind, s.elem = kindBool, typ
	case s.table.hasForm(typ):
		s.kind, s.elem = kindScalar, typ
	case typ.Kind() == reflect.Pointer:
		s.kind, s.elem = kindPtr, typ.Elem()
	case typ.Kind() == reflect.Slice:
		s.kind, s.elem = kindList, typ.Elem()
		if s.elem.Kind() == reflect.Pointer {
			s.elem = s.elem.Elem()
		}
	case typ.Kind() == reflect.Struct:
		s.kind, s.elem = kindStruct, typ
	default:
		fail("no way to write a %v", typ)
	}
	if s.inverted && s.kind != kindBool {
		fail("! is for bools")
	}
}

// binder binds the nodes of a pattern to fields.
type binder struct {
	s     *Stmt
	fail  func(string, ...any)
	first bool // the printed form, which defines the keys
}

func (b binder) bind(n node, inKeyAlt bool) {
	switch n := n.(type) {
	case *seq:
		for _, x := range n.nodes {
			b.bind(x, inKeyAlt)
		}
	case *anyOrder:
		for _, x := range n.opts {
			b.bindGroup(x.node, inKeyAlt)
		}
	case *optional:
		b.bindGroup(n.node, inKeyAlt)
		if a, ok := n.node.(*arg); ok && a.key && b.first {
			b.s.index = a
		}
	case *alternatives:
		key := inKeyAlt || hasKey(n)
		for _, x := range n.nodes {
			b.bindGroup(x, key)
		}
	case *arg:
		b.bindArg(n, inKeyAlt)
	}
}

// bindGroup binds the contents of [ ] or of one branch of ( ). Keywords alone set a bool.
func (b binder) bindGroup(n node, inKeyAlt bool) {
	words := keywordsOf(n)
	if words == nil {
		b.bind(n, inKeyAlt)
		return
	}
	if b.s.elem.Kind() != reflect.Struct {
		b.fail("keywords in a group need a struct with a bool")
	}
	var name string
	for _, w := range words {
		name += w.text
	}
	index, typ := fieldNamed(b.s.elem, name)
	if typ == nil || typ.Kind() != reflect.Bool {
		b.fail("%v has no bool for %q", b.s.elem, name)
	}
	last := words[len(words)-1]
	last.flag = index
	s := b.s
	s.flags = append(s.flags, last)
	if inKeyAlt && b.first {
		b.s.keyFlags = append(b.s.keyFlags, last)
	}
}

func (b binder) bindArg(a *arg, inKeyAlt bool) {
	s := b.s
	var typ reflect.Type
	if a.name == "_" {
		a.dropped, typ = true, reflect.TypeFor[string]()
		if a.rest = a.spec == "rest"; a.rest {
			a.spec = ""
		}
		a.bindType(s.table, typ, b.fail)
		return
	}
	if s.kind == kindScalar || s.kind == kindList && s.table.hasForm(s.elem) {
		typ = s.elem
	} else {
		if s.elem.Kind() != reflect.Struct {
			b.fail("argument %q has no place in a %v", a.name, s.elem)
		}
		a.field, typ = fieldNamed(s.elem, a.name)
		if typ == nil {
			b.fail("%v has no field for <%s>", s.elem, a.name)
		}
	}
	if !s.table.hasForm(typ) {
		b.fail("no way to write a %v as one word", typ)
	}
	a.bindType(s.table, typ, b.fail)
	a.key = a.key || inKeyAlt
	if b.first {
		s.args = append(s.args, a)
		if a.key {
			s.keys = append(s.keys, a)
		}
	}
}

// plain takes the signs out of an argument's name. Each statement asks for several names when the table is compiled, at every start.
var plain = strings.NewReplacer("-", "", "+", "")

// fieldNamed finds a field by the name of an argument: case, hyphens and plus signs do not matter, dots go down.
func fieldNamed(t reflect.Type, name string) ([]int, reflect.Type) {
	var index []int
	for _, part := range strings.Split(name, ".") {
		part = plain.Replace(part)
		f, ok := t.FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, part) })
		if !ok {
			return nil, nil
		}
		index, t = append(index, f.Index...), f.Type
	}
	return index, t
}
