package siplegs

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWhoOwnsALeg(t *testing.T) {
	var w Ownership[string]
	ran := 0
	if _, later := w.Defers(func() { ran++ }); !later {
		t.Error("nobody owns it, and nothing waits for an owner")
	}
	for _, f := range w.Take("call") {
		f()
	}
	if owner, later := w.Defers(func() {}); later || owner != "call" || ran != 1 {
		t.Errorf("%q %v, %d have run", owner, later, ran)
	}
	if _, ok := w.Abandon(); ok {
		t.Error("what has an owner was abandoned")
	}
	w.Take("transfer")
	if w.Leave("call"); w.Current() != "transfer" {
		t.Error("who was its owner before has taken it from the next one")
	}
	w.Leave("transfer")
	if owner, later := w.Defers(func() {}); later || owner != "" {
		t.Errorf("%q %v", owner, later)
	}
}

func TestWhatIsBuriedIsFoundUntilItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable[*int]()
		leg, past := new(int), new(int)
		table.Add("id", "tag", leg)
		if !table.Bury(Key("id", "tag"), past, time.Second) || table.Find("id", "tag") != past || table.Find("id", "other") != nil {
			t.Error("it is not what was buried")
		}
		if table.Bury(Key("id", "two"), new(int), time.Second) {
			t.Error("somebody sweeps already")
		}
		if gone, wait := table.Overdue(time.Now()); len(gone) != 0 || wait != time.Second {
			t.Errorf("%d are overdue, in %v more", len(gone), wait)
		}
		time.Sleep(time.Second)
		gone, wait := table.Overdue(time.Now())
		if len(gone) != 2 || gone[0] != past || wait != 0 {
			t.Errorf("%d are overdue, in %v more", len(gone), wait)
		}
		table.Drop("id", "tag")
		if all, buried := table.Count(); all != 1 || buried != 0 {
			t.Errorf("%d, %d", all, buried)
		}
		table.Close()
		if table.Add("new", "tag", leg) {
			t.Error("a closed table takes legs in")
		}
	})
}
