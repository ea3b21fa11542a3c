package cli

import (
	"fmt"
	"reflect"
	"strings"
)

// keyName returns the existing spelling of an object: a line that names it in another case does not rename it.
func keyName(s *Stmt, old reflect.Value) reflect.Value {
	if len(s.keys) == 1 && s.keys[0].gotype.Kind() == reflect.String {
		c := reflect.New(s.keys[0].gotype).Elem()
		c.Set(s.keys[0].of(old))
		return c
	}
	return reflect.Value{}
}

// nextIndex binds an index that the line left out: the one after the last, or a free one if that is out of range. A line that repeats an
// element means that element, unless it opens a mode.
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

// key returns the key in the line as one string.
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

// keyOf returns the key of an element in the same form.
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
