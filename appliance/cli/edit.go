package cli

import (
	"errors"
	"reflect"
	"sync"
)

// ErrGone means that an object on the path to a line does not exist, or no longer exists.
var ErrGone = errors.New("no such object")

// Editor applies lines to configurations. It never changes the configuration that it is given, but copies the path from the root to the
// changed field. Long lists grow in place beyond the end that older configurations see, and have an index, so each line of a paste costs
// the same, however long a list is. Only the lists of a draft allow replacing an element in place.
type Editor struct {
	table *Table

	mu    sync.Mutex
	draft *Draft // of the line that is being applied
	// grown are the latest lists of this editor, which alone may write beyond their ends.
	grown [8]*grown
	next  int
}

// NewEditor returns an editor for configurations of t's root type.
func (t *Table) NewEditor() *Editor { return &Editor{table: t} }

// Apply returns root (a pointer to the configuration) with the line m applied in the mode that path leads to. It returns root itself if
// nothing changes. With a draft, root is the result of the draft's last line, and must not be used afterwards.
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

// set changes the field of m in a struct that is not published yet.
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
	if s.Complete != nil {
		if err := s.Complete(owner.Addr().Interface(), v.Addr().Interface()); err != nil {
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

// order moves the built-in elements of a list to its front, in their order: an element that was removed and added again prints as before.
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

// builtin returns the elements of a list by default.
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

// Text returns the line of m in the form that Walk prints, after it was applied to root in the mode of path. It is empty if the line has no
// printed form.
func (e *Editor) Text(root any, path []*Match, m *Match) string { return e.text(root, path, m, false) }

// Masked returns the same, with secrets hidden.
func (e *Editor) Masked(root any, path []*Match, m *Match) string { return e.text(root, path, m, true) }

func (e *Editor) text(root any, path []*Match, m *Match, mask bool) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	object := e.object(root, path)
	if object.IsNil() {
		return ""
	}
	owner, s := object.Elem(), m.Stmt
	switch s.kind {
	case kindNothing:
		return ""
	case kindSelf:
		return s.text(owner, mask)
	}
	f := owner.FieldByIndex(s.field)
	switch s.kind {
	case kindBool:
		return s.boolText(f.Bool())
	case kindPtr:
		if f.IsNil() {
			return ""
		}
		return s.text(f.Elem(), mask)
	case kindList:
		i := e.find(s, f, m.key())
		if i < 0 {
			return ""
		}
		f = reflect.Indirect(f.Index(i))
	}
	return s.text(f, mask)
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

// Object returns the object of root that path leads to, a pointer to its struct, or nil.
func (e *Editor) Object(root any, path []*Match) any {
	e.mu.Lock()
	defer e.mu.Unlock()
	if object := e.object(root, path); !object.IsNil() {
		return object.Interface()
	}
	return nil
}

// object returns the pointer that path leads to, or nil if an object on the path no longer exists.
func (e *Editor) object(root any, path []*Match) reflect.Value {
	object := reflect.ValueOf(root)
	for _, h := range path {
		f := object.Elem().FieldByIndex(h.Stmt.field)
		if h.Stmt.kind == kindList {
			i := e.find(h.Stmt, f, h.key())
			if i < 0 {
				return reflect.Zero(f.Type().Elem())
			}
			f = f.Index(i)
		}
		if f.IsNil() {
			return f
		}
		object = f
	}
	return object
}
