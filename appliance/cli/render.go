package cli

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
)

// masked replaces a secret.
const masked = "***"

// text returns the printed form of a statement with the element elem.
func (s *Stmt) text(elem reflect.Value, mask bool) string {
	p := printer{stmt: s, elem: elem, mask: mask}
	if elem.Kind() == reflect.Struct && s.kind != kindScalar {
		p.def = withDefaults(elem.Type())
	}
	p.node(s.pattern)
	return string(p.out)
}

func (s *Stmt) boolText(v bool) string {
	text := s.pattern.String()
	if v == s.inverted {
		return "no " + text
	}
	return text
}

// printer writes one line.
type printer struct {
	stmt *Stmt
	elem reflect.Value
	def  reflect.Value // an element with defaults only
	mask bool
	out  []byte
}

func (p *printer) put(text string) {
	if len(p.out) > 0 {
		p.out = append(p.out, ' ')
	}
	p.out = append(p.out, text...)
}

func (p *printer) node(n node) {
	switch n := n.(type) {
	case *seq:
		for _, x := range n.nodes {
			p.node(x)
		}
	case *word:
		p.put(n.text)
	case *arg:
		p.arg(n)
	case *optional:
		if p.set(n.node, true) {
			p.node(n.node)
		}
	case *anyOrder:
		for _, x := range n.opts {
			p.node(x)
		}
	case *alternatives:
		for i, x := range n.nodes {
			if i == len(n.nodes)-1 || p.set(x, false) {
				p.node(x)
				return
			}
		}
	}
}

func (p *printer) arg(n *arg) {
	if p.mask && n.typ.Secret {
		p.put(masked)
		return
	}
	text := n.print(n.of(p.elem))
	if p.stmt.isKeyword(text) && n.gotype.Kind() == reflect.String && len(n.typ.Words) == 0 || n.typ.Free && p.stmt.isKeyword(text) {
		p.put(`"` + text + `"`)
		return
	}
	p.put(Quote(text))
}

// set reports whether n must be printed: its bools are true, and its arguments are set and differ from the defaults.
func (p *printer) set(n node, differs bool) bool {
	switch n := n.(type) {
	case *word:
		return n.flag == nil || p.elem.FieldByIndex(n.flag).Bool()
	case *arg:
		v := n.of(p.elem)
		if differs && p.def.IsValid() && !n.key {
			return !equal(v, n.of(p.def))
		}
		return !v.IsZero()
	case *seq:
		some, all := false, true
		for _, x := range n.nodes {
			_, isArg := x.(*arg)
			switch w, isWord := x.(*word); {
			case isWord && w.flag == nil:
			case p.set(x, differs):
				some = true
			case isArg:
				all = false
			default:
				return false
			}
		}
		// The arguments of an optional part are entered together, so one of them may be empty: a user name with the password "".
		return all && some || differs && p.argSet(n)
	case *optional:
		return true
	case *alternatives:
		for _, x := range n.nodes {
			if p.set(x, differs) {
				return true
			}
		}
		return false
	}
	return true
}

// argSet reports whether one of the arguments of a sequence is set and differs from its default.
func (p *printer) argSet(n *seq) bool {
	return slices.ContainsFunc(n.nodes, func(x node) bool {
		a, ok := x.(*arg)
		return ok && p.set(a, true)
	})
}

func equal(a, b reflect.Value) bool {
	if a.Comparable() && b.Comparable() {
		return a.Equal(b)
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// isKeyword reports whether text would be read as a keyword of the statement.
func (s *Stmt) isKeyword(text string) bool { return nodeHasKeyword(s.pattern, text) }

func nodeHasKeyword(n node, text string) bool {
	switch n := n.(type) {
	case *word:
		return n.text == text
	case *seq:
		for _, x := range n.nodes {
			if nodeHasKeyword(x, text) {
				return true
			}
		}
	case *optional:
		return nodeHasKeyword(n.node, text)
	case *anyOrder:
		for _, x := range n.opts {
			if nodeHasKeyword(x.node, text) {
				return true
			}
		}
	case *alternatives:
		for _, x := range n.nodes {
			if nodeHasKeyword(x, text) {
				return true
			}
		}
	}
	return false
}

// Printed is one line of a printed configuration.
type Printed struct {
	Path   []string // header lines of the modes around it
	Within any      // the outermost object around it, nil at the root
	Text   string
	Stmt   *Stmt
	Owner  any    // pointer to the struct whose field the line prints
	Field  string // of the owner; "" if the line prints several fields
	Index  int    // in a list, otherwise 0
	Elem   any    // the object whose mode the line opens, or nil
	elem   reflect.Value
}

// Refs calls f for each argument of the line that refers to an object.
func (p *Printed) Refs(f func(goType reflect.Type, what, name string, value any)) {
	if p.Stmt.kind == kindBool {
		return
	}
	for _, a := range p.Stmt.args {
		if !a.typ.Ref {
			continue
		}
		v := a.of(p.elem)
		if name := a.print(v); name != "" {
			f(a.gotype, a.typ.What, name, v.Interface())
		}
	}
}

// Walk calls f for each line of root in printing order. mask hides secrets.
func (t *Table) Walk(root any, mask bool, f func(*Printed)) {
	w := walker{mask: mask, f: f}
	w.mode(t.root, reflect.ValueOf(root), nil)
}

type walker struct {
	mask   bool
	f      func(*Printed)
	within any // the outermost object around the present line
}

func (w *walker) mode(m *Mode, owner reflect.Value, path []string) {
	var def reflect.Value
	for _, s := range m.stmts {
		w.stmt(s, owner, &def, path)
	}
}

func (w *walker) stmt(s *Stmt, owner reflect.Value, def *reflect.Value, path []string) {
	if s.kind == kindNothing {
		return
	}
	line := Printed{Path: path, Within: w.within, Stmt: s, Owner: owner.Interface()}
	if s.kind == kindSelf {
		if !def.IsValid() {
			*def = withDefaults(owner.Type().Elem())
		}
		if s.differs(owner.Elem(), *def) {
			line.elem = owner.Elem()
			line.Text = s.text(line.elem, w.mask)
			w.f(&line)
		}
		return
	}
	f := owner.Elem().FieldByIndex(s.field)
	line.Field = s.name
	switch s.kind {
	case kindList:
		if !def.IsValid() {
			*def = withDefaults(owner.Type().Elem())
		}
		w.list(s, f, def.FieldByIndex(s.field), line, path)
	case kindPtr:
		if !f.IsNil() {
			w.element(s, f.Elem(), f, line, 0, path)
		}
	default:
		if !def.IsValid() {
			*def = withDefaults(owner.Type().Elem())
		}
		if equal(f, def.FieldByIndex(s.field)) {
			return
		}
		line.elem = f
		if s.kind == kindBool {
			line.Text = s.boolText(f.Bool())
		} else {
			line.Text = s.text(f, w.mask)
		}
		w.f(&line)
	}
}

// list prints the elements of a list that are not built in, and `no` for built-in elements that were removed.
func (w *walker) list(s *Stmt, f, builtin reflect.Value, line Printed, path []string) {
	for i := range f.Len() {
		if builtin.Len() == 0 || !contains(builtin, f.Index(i)) {
			w.element(s, reflect.Indirect(f.Index(i)), f.Index(i), line, i, path)
		}
	}
	for i := range builtin.Len() {
		if !contains(f, builtin.Index(i)) {
			line.elem, line.Index = builtin.Index(i), -1
			line.Text = "no " + s.text(line.elem, w.mask)
			w.f(&line)
		}
	}
}

// differs reports whether a and b differ in a field that s prints.
func (s *Stmt) differs(a, b reflect.Value) bool {
	for _, x := range s.args {
		if !equal(x.of(a), x.of(b)) {
			return true
		}
	}
	for _, w := range s.flags {
		if a.FieldByIndex(w.flag).Bool() != b.FieldByIndex(w.flag).Bool() {
			return true
		}
	}
	return false
}

// element prints one element and, if it opens a mode, its contents.
func (w *walker) element(s *Stmt, v, ptr reflect.Value, line Printed, i int, path []string) {
	line.elem, line.Index = v, i
	if s.Mode != nil {
		line.Elem = ptr.Interface()
	}
	line.Text = s.text(v, w.mask)
	w.f(&line)
	if s.Mode == nil {
		return
	}
	if len(path) == 0 {
		w.within = ptr.Interface()
		defer func() { w.within = nil }()
	}
	w.mode(s.Mode, ptr, append(path[:len(path):len(path)], line.Text))
}

// Print formats root as text, indented by two blanks per level, with a blank line around objects that have contents.
func (t *Table) Print(root any, mask bool) []byte {
	type line struct {
		depth  int
		text   string
		object bool
	}
	var lines []line
	t.Walk(root, mask, func(p *Printed) {
		lines = append(lines, line{len(p.Path), p.Text, p.Stmt.Mode != nil})
	})
	var b bytes.Buffer
	for i, l := range lines {
		hasContent := l.object && i+1 < len(lines) && lines[i+1].depth > l.depth
		if i > 0 && (hasContent || lines[i-1].depth > l.depth) {
			b.WriteByte('\n')
		}
		b.WriteString(strings.Repeat("  ", l.depth))
		b.WriteString(l.text)
		b.WriteByte('\n')
	}
	return b.Bytes()
}
