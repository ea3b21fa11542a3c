package config

import (
	"runtime"
	"sync"
	"weak"
)

// fewNames is how many objects are searched from end to end; longer lists have an index.
const fewNames = 32

// named is a list of objects with names.
type named[T any] struct {
	objects []*T
	name    func(*T) string
}

// find returns the first object of a name, or nil.
func (l named[T]) find(name string) *T {
	name = SameName(name)
	if len(l.objects) > fewNames {
		if n, ok := indexOf(l)[name]; ok && n < len(l.objects) && SameName(l.name(l.objects[n])) == name {
			return l.objects[n]
		}
	}
	for _, x := range l.objects {
		if SameName(l.name(x)) == name {
			return x
		}
	}
	return nil
}

// indexes keep where each name stands in long lists: weak pointers to the first element of a list, to maps of names. The lists of a
// published configuration never change, so an index is made once and is good for as long as its list lives. A list in the making
// may change under its index: what an index says is looked at before it is believed, and what it doesn't know is searched for.
var indexes sync.Map

// indexOf returns the index of a list that is not empty.
func indexOf[T any](l named[T]) map[string]int {
	first := &l.objects[0]
	key := weak.Make(first)
	if x, ok := indexes.Load(key); ok {
		return x.(map[string]int)
	}
	x := make(map[string]int, len(l.objects))
	for n := len(l.objects) - 1; n >= 0; n-- {
		x[SameName(l.name(l.objects[n]))] = n
	}
	if _, known := indexes.Swap(key, x); !known {
		runtime.AddCleanup(first, func(k weak.Pointer[*T]) { indexes.Delete(k) }, key)
	}
	return x
}
