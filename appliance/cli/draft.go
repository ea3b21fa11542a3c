package cli

import "reflect"

// Draft holds the lists of a configuration that is not published yet. The editor changes them in place, so replacing every element of a
// long list does not copy the list each time. A draft ends when its configuration is published. The zero value is a new draft.
type Draft struct{ lists map[uintptr]reflect.Value } // by address; the references keep the address from being reused

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
