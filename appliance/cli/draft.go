package cli

import "reflect"

// Draft is the lists that were made for a configuration that nobody else has seen yet. They are changed in place, so that to replace
// each element of a long list does not cost a copy of it each time. It is over when the configuration is shown to anybody. The zero
// value is a new draft.
type Draft struct{ lists map[uintptr]reflect.Value } // by address; holding them keeps it from being used again

func (d *Draft) add(list reflect.Value) {
	if d == nil || list.Len() < indexed {
		return // a short list costs little to copy
	}
	if d.lists == nil {
		d.lists = map[uintptr]reflect.Value{}
	}
	d.lists[list.Pointer()] = list
}

func (d *Draft) has(list reflect.Value) bool {
	return d != nil && list.Len() > 0 && d.lists[list.Pointer()].IsValid()
}
