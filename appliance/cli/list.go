package cli

import "reflect"

// grown is a list with its index.
type grown struct {
	data uintptr // identifies the list, together with len
	len  int
	list reflect.Value // the reference keeps the address from being reused
	pos  map[string]int
	owns bool // this editor may write beyond the end
}

// indexed is the length from which a list gets an index.
const indexed = 32

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

// known returns the entry of a list in the ring.
func (e *Editor) known(list reflect.Value) *grown {
	data := list.Pointer()
	for _, g := range e.grown {
		if g != nil && g.data == data && g.len == list.Len() {
			return g
		}
	}
	return nil
}

// remember adds a list to the ring.
func (e *Editor) remember(list reflect.Value) *grown {
	list = list.Slice(0, list.Len()) // a value of its own: the one given is a field, which soon holds another array
	g := &grown{data: list.Pointer(), len: list.Len(), list: list}
	e.grown[e.next] = g
	e.next = (e.next + 1) % len(e.grown)
	return g
}

// append adds v at the end, in place if this editor made the list and has not appended to it since.
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

// replace returns the list with v at i: the list itself if it belongs to the draft, otherwise a copy, to which the index moves.
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

// remove returns a copy of the list without element i. An empty list becomes nil.
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
