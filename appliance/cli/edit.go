package cli

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// ErrGone means that an object on the path to a line does not exist (any more).
var ErrGone = errors.New("no such object")

// Editor applies lines to configurations. It never changes the configuration that it is given: it copies the path from the
// root to the changed field. Long lists grow in place behind the end that older configurations see, and are found by an
// index, so that a paste costs the same for each line however long the list has become. To replace an element in place the list must
// be a draft's.
type Editor struct {
	table *Table

	mu    sync.Mutex
	draft *Draft // of the line that is being applied
	// grown are the lists that this editor made last; it alone may write behind their ends.
	grown [8]*grown
	next  int
}

// grown is a list and where its elements are.
type grown struct {
	data uintptr // with len: which list this is
	len  int
	list reflect.Value // holding it keeps its address from being used again
	pos  map[string]int
	owns bool // this editor may write behind the end
}

// indexed is the length from which a list gets an index.
const indexed = 32

// NewEditor returns an editor for configurations of t's root type.
func (t *Table) NewEditor() *Editor { return &Editor{table: t} }

// Apply returns root (a pointer to the configuration) with the line m, which stands in the mode that path leads to.
// It returns root itself when nothing changes. With a draft, root is what the draft's last line has made, and is not to be used any more.
func (e *Editor) Apply(root any, path []*Match, m *Match, d *Draft) (any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.draft = d
	v, err := e.apply(reflect.ValueOf(root), path, m)
	if err != nil {
		return root, err
	}
	return v.Interface(), nil
}

func (e *Editor) apply(owner reflect.Value, path []*Match, m *Match) (reflect.Value, error) {
	cp := reflect.New(owner.Type().Elem())
	cp.Elem().Set(owner.Elem())
	changed := true
	var err error
	if len(path) == 0 {
		changed, err = e.set(cp.Elem(), m)
	} else {
		changed, err = e.descend(cp.Elem(), path, m)
	}
	if err != nil || !changed {
		return owner, err
	}
	return cp, nil
}

// descend applies m in the object that path[0] names.
func (e *Editor) descend(owner reflect.Value, path []*Match, m *Match) (changed bool, err error) {
	s := path[0].Stmt
	f := owner.FieldByIndex(s.field)
	if s.kind == kindPtr {
		if f.IsNil() {
			return false, ErrGone
		}
		child, err := e.apply(f, path[1:], m)
		changed = child.Pointer() != f.Pointer()
		f.Set(child)
		return changed, err
	}
	i := e.find(s, f, path[0].key())
	if i < 0 {
		return false, ErrGone
	}
	child, err := e.apply(f.Index(i), path[1:], m)
	if err != nil || child.Pointer() == f.Index(i).Pointer() {
		return false, err
	}
	f.Set(e.replace(f, i, child))
	return true, nil
}

// set changes the field that m is about, in a struct that nobody else sees yet.
func (e *Editor) set(owner reflect.Value, m *Match) (changed bool, err error) {
	s := m.Stmt
	switch s.kind {
	case kindNothing:
		return false, nil
	case kindBool:
		f := owner.FieldByIndex(s.field)
		want := m.Neg == s.inverted
		changed = f.Bool() != want
		f.SetBool(want)
		return changed, nil
	case kindSelf:
		before := reflect.New(owner.Type()).Elem()
		before.Set(owner)
		if m.Neg {
			def := withDefaults(owner.Type())
			for _, a := range s.args {
				a.of(owner).Set(a.of(def))
			}
		}
		for _, w := range s.flags {
			owner.FieldByIndex(w.flag).SetBool(false)
		}
		if !m.Neg {
			m.fill(owner)
		}
		return s.differs(before, owner), nil
	case kindPtr:
		f := owner.FieldByIndex(s.field)
		if m.Neg {
			changed = !f.IsNil()
			f.SetZero()
			return changed, nil
		}
		if !f.IsNil() && len(m.binds)+len(m.flags) == 0 {
			return false, nil
		}
		v := withDefaults(s.elem)
		if !f.IsNil() {
			v.Set(f.Elem())
		}
		m.fill(v)
		f.Set(v.Addr())
		return true, nil
	case kindList:
		return e.setElement(owner, m)
	}
	f := owner.FieldByIndex(s.field)
	v := withDefaults(owner.Type()).FieldByIndex(s.field)
	if !m.Neg {
		if s.kind == kindStruct {
			v = withDefaults(s.elem)
		}
		m.fill(v)
	}
	changed = !equal(f, v)
	f.Set(v)
	return changed, nil
}

// setElement adds, replaces or removes one element of a list.
func (e *Editor) setElement(owner reflect.Value, m *Match) (bool, error) {
	s := m.Stmt
	f := owner.FieldByIndex(s.field)
	key := m.key()
	if s.index != nil && !m.has(s.index) && !m.Neg {
		var err error
		if key, err = e.nextIndex(f, m); err != nil {
			return false, err
		}
	}
	i := e.find(s, f, key)
	if m.Neg {
		if i < 0 {
			return false, nil
		}
		f.Set(remove(f, i))
		return true, nil
	}
	defer s.order(owner)
	v := withDefaults(s.elem)
	if i >= 0 && s.Mode != nil {
		old := reflect.Indirect(f.Index(i))
		name := keyName(s, old)
		v.Set(old)
		m.fill(v)
		if name.IsValid() {
			s.keys[0].of(v).Set(name)
		}
	} else {
		m.fill(v)
	}
	if s.Settle != nil {
		if err := s.Settle(owner.Addr().Interface(), v.Addr().Interface()); err != nil {
			return false, err
		}
	}
	if i >= 0 {
		old := reflect.Indirect(f.Index(i))
		if s.text(old, false) == s.text(v, false) {
			return false, nil
		}
	}
	if f.Type().Elem().Kind() == reflect.Pointer {
		v = v.Addr()
	}
	switch {
	case i >= 0:
		f.Set(e.replace(f, i, v))
	case s.index != nil:
		f.Set(e.insert(s, f, v, key))
	default:
		f.Set(e.append(s, f, v, key))
	}
	return true, nil
}

// order brings what a list holds by default to its front, in that order: taken away and added again, it prints as it did.
func (s *Stmt) order(owner reflect.Value) {
	f, def := owner.FieldByIndex(s.field), s.builtin(owner.Type())
	if def.Len() == 0 || f.Len() == 0 {
		return
	}
	ordered := reflect.MakeSlice(f.Type(), 0, f.Len())
	for i := range def.Len() {
		if contains(f, def.Index(i)) {
			ordered = reflect.Append(ordered, def.Index(i))
		}
	}
	for i := range f.Len() {
		if !contains(def, f.Index(i)) {
			ordered = reflect.Append(ordered, f.Index(i))
		}
	}
	f.Set(ordered)
}

// builtin is what a list holds by default.
func (s *Stmt) builtin(owner reflect.Type) reflect.Value {
	return withDefaults(owner).FieldByIndex(s.field)
}

func contains(list, elem reflect.Value) bool {
	for i := range list.Len() {
		if equal(list.Index(i), elem) {
			return true
		}
	}
	return false
}

// keyName is the spelling that an object already has: a line that names it in another case does not rename it.
func keyName(s *Stmt, old reflect.Value) reflect.Value {
	if len(s.keys) == 1 && s.keys[0].gotype.Kind() == reflect.String {
		c := reflect.New(s.keys[0].gotype).Elem()
		c.Set(s.keys[0].of(old))
		return c
	}
	return reflect.Value{}
}

// nextIndex binds the index that the line left out: the one after the last, or a free one where that is out of range. A
// line that repeats an element as it is means that element, unless it opens a mode.
func (e *Editor) nextIndex(f reflect.Value, m *Match) (key string, err error) {
	s := m.Stmt
	v := withDefaults(s.elem)
	m.fill(v)
	lo, hi := s.index.limits(s.index.bits())
	free, next := max(lo, 1), max(lo, 1)
	for i := range f.Len() {
		old := reflect.Indirect(f.Index(i))
		n := s.index.of(old).Int()
		s.index.of(v).SetInt(n)
		if s.Mode == nil && s.text(old, false) == s.text(v, false) {
			m.binds = append(m.binds, bind{s.index, s.index.of(old)})
			return m.key(), nil
		}
		if n == free {
			free++
		}
		next = n + 1
	}
	if next > hi {
		next = free
	}
	if next > hi {
		return "", fmt.Errorf("no index is free up to %d", hi)
	}
	index := reflect.New(s.index.gotype).Elem()
	index.SetInt(next)
	m.binds = append(m.binds, bind{s.index, index})
	return m.key(), nil
}

// key is the key that the line names, in one string.
func (m *Match) key() string {
	s := m.Stmt
	var parts []string
	for _, w := range s.keyFlags {
		for _, f := range m.flags {
			if f == w || f.text == w.text {
				parts = append(parts, "\x01"+w.text)
			}
		}
	}
	for _, k := range s.keys {
		for _, b := range m.binds {
			if b.arg == k || b.arg.name == k.name {
				parts = append(parts, s.table.same(k, k.print(b.value)))
			}
		}
	}
	return strings.Join(parts, "\x00")
}

// keyOf is the key of an element, in the same form.
func (s *Stmt) keyOf(elem reflect.Value) string {
	elem = reflect.Indirect(elem)
	if len(s.keys) == 1 && len(s.keyFlags) == 0 {
		k := s.keys[0]
		return s.table.same(k, k.print(k.of(elem)))
	}
	var parts []string
	for _, w := range s.keyFlags {
		if elem.FieldByIndex(w.flag).Bool() {
			return "\x01" + w.text
		}
	}
	for _, k := range s.keys {
		parts = append(parts, s.table.same(k, k.print(k.of(elem))))
	}
	return strings.Join(parts, "\x00")
}

func (t *Table) same(a *arg, name string) string {
	if a.gotype.Kind() != reflect.String {
		return name
	}
	return t.sameName(name)
}

func (t *Table) sameName(name string) string {
	if t.options.Same == nil {
		return name
	}
	return t.options.Same(name)
}

// find returns the position of the element with this key, or -1.
func (e *Editor) find(s *Stmt, list reflect.Value, key string) int {
	if list.Len() < indexed {
		for i := range list.Len() {
			if s.keyOf(list.Index(i)) == key {
				return i
			}
		}
		return -1
	}
	g := e.known(list)
	if g == nil {
		g = e.remember(list)
		g.pos = make(map[string]int, list.Len())
		for i := range list.Len() {
			g.pos[s.keyOf(list.Index(i))] = i
		}
	}
	if i, ok := g.pos[key]; ok && i < list.Len() {
		return i
	}
	return -1
}

// known returns what is remembered of a list.
func (e *Editor) known(list reflect.Value) *grown {
	data := list.Pointer()
	for _, g := range e.grown {
		if g != nil && g.data == data && g.len == list.Len() {
			return g
		}
	}
	return nil
}

// remember makes room for a list in the ring.
func (e *Editor) remember(list reflect.Value) *grown {
	list = list.Slice(0, list.Len()) // a value of its own: the one given is a field, which soon holds another array
	g := &grown{data: list.Pointer(), len: list.Len(), list: list}
	e.grown[e.next] = g
	e.next = (e.next + 1) % len(e.grown)
	return g
}

// append adds v at the end: in place when this editor made the list and nothing has been added behind it since.
func (e *Editor) append(s *Stmt, list, v reflect.Value, key string) reflect.Value {
	n := list.Len()
	if g := e.known(list); g != nil && g.owns && g.list.Cap() > n {
		longer := g.list.Slice(0, n+1)
		longer.Index(n).Set(v)
		g.list, g.len = longer, n+1
		g.pos[key] = n
		return longer
	}
	room := n + 1
	if n+1 >= indexed {
		room = 2 * n
	}
	longer := reflect.MakeSlice(list.Type(), n+1, room)
	e.draft.add(longer)
	reflect.Copy(longer, list)
	longer.Index(n).Set(v)
	if n+1 >= indexed {
		g := e.remember(longer)
		g.owns = true
		g.pos = make(map[string]int, room)
		for i := range n + 1 {
			g.pos[s.keyOf(longer.Index(i))] = i
		}
	}
	return longer
}

// insert adds v at its place in a list that is ordered by index.
func (e *Editor) insert(s *Stmt, list, v reflect.Value, key string) reflect.Value {
	of := func(x reflect.Value) int64 { return s.index.of(x).Int() }
	n := list.Len()
	at := n
	for at > 0 && of(list.Index(at-1)) > of(v) {
		at--
	}
	if at == n {
		return e.append(s, list, v, key)
	}
	longer := reflect.MakeSlice(list.Type(), n+1, n+1)
	reflect.Copy(longer, list.Slice(0, at))
	longer.Index(at).Set(v)
	reflect.Copy(longer.Slice(at+1, n+1), list.Slice(at, n))
	return longer
}

// replace returns the list with v at i: itself when it is the draft's, else a copy, to which the index moves.
func (e *Editor) replace(list reflect.Value, i int, v reflect.Value) reflect.Value {
	if e.draft.has(list) {
		list.Index(i).Set(v)
		return list
	}
	g := e.known(list)
	cp := reflect.MakeSlice(list.Type(), list.Len(), list.Len())
	e.draft.add(cp)
	reflect.Copy(cp, list)
	cp.Index(i).Set(v)
	if g != nil {
		g.data, g.list, g.owns = cp.Pointer(), cp, false
	}
	return cp
}

// remove returns a copy of the list without element i; a list that has become empty is nil, as one that never was.
func remove(list reflect.Value, i int) reflect.Value {
	n := list.Len()
	if n == 1 {
		return reflect.Zero(list.Type())
	}
	cp := reflect.MakeSlice(list.Type(), n-1, n-1)
	reflect.Copy(cp, list.Slice(0, i))
	reflect.Copy(cp.Slice(i, n-1), list.Slice(i+1, n))
	return cp
}

// Text is the line of m in canonical form, after it was applied to root in the mode of path: what Walk reports for it.
// It is empty when the line left nothing behind.
func (e *Editor) Text(root any, path []*Match, m *Match) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	owner := reflect.ValueOf(root).Elem()
	for _, h := range path {
		f := owner.FieldByIndex(h.Stmt.field)
		if h.Stmt.kind == kindList {
			i := e.find(h.Stmt, f, h.key())
			if i < 0 {
				return ""
			}
			f = f.Index(i)
		}
		if f.IsNil() {
			return ""
		}
		owner = f.Elem()
	}
	s := m.Stmt
	switch s.kind {
	case kindNothing:
		return ""
	case kindSelf:
		return s.text(owner, false)
	}
	f := owner.FieldByIndex(s.field)
	switch s.kind {
	case kindBool:
		return s.boolText(f.Bool())
	case kindPtr:
		if f.IsNil() {
			return ""
		}
		return s.text(f.Elem(), false)
	case kindList:
		i := e.find(s, f, m.key())
		if i < 0 {
			return ""
		}
		f = reflect.Indirect(f.Index(i))
	}
	return s.text(f, false)
}

// Exists reports whether path leads to an object of root, and how far it does.
func (e *Editor) Exists(root any, path []*Match) (depth int) {
	for i := range path {
		if e.Text(root, path[:i], path[i]) == "" {
			return i
		}
	}
	return len(path)
}
