package lamps_test

import (
	"fmt"
	"slices"
	"testing"

	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/lamps"
	"viaduct/appliance/sipmsg"
)

func TestLampsAreToldOnceOfEachState(t *testing.T) {
	var told []string
	tell := func(location, identity string, d dialoginfo.Dialog) {
		told = append(told, fmt.Sprintf("%s/%s %s %s %s %s", location, identity, d.ID, d.State, d.LocalTag, d.Remote.URI))
	}
	var l lamps.Lamps
	asked := 0
	line := func(identity string) lamps.Line {
		return lamps.Line{Call: "c", Location: "office", Identity: identity, Remote: func() dialoginfo.Party { asked++; return dialoginfo.Party{URI: "+49"} }}
	}
	one, two := new(int), new(int)
	l.Show(one, sipmsg.Replaces{}, line("21"), dialoginfo.Early, tell) // no phone has answered it
	for range 2 {
		l.Show(one, sipmsg.Replaces{ToTag: "a"}, line("21"), dialoginfo.Early, tell)
	}
	l.Show(two, sipmsg.Replaces{ToTag: "b"}, line("22"), dialoginfo.Early, tell)
	l.Show(one, sipmsg.Replaces{ToTag: "c"}, line("21"), dialoginfo.Confirmed, tell) // another fork than the one that rang first
	for range 2 {
		l.Keep(func(leg any) bool { return leg == one }, tell)
	}
	l.Keep(func(any) bool { return false }, tell)
	want := []string{"office/21 c-1 early a +49", "office/22 c-2 early b +49", "office/21 c-1 confirmed c +49", "office/22 c-2 terminated b +49", "office/21 c-1 terminated c +49"}
	if !slices.Equal(told, want) || l.Lit != 2 || asked != 2 {
		t.Errorf("%q, %d, %d", told, l.Lit, asked)
	}
}
