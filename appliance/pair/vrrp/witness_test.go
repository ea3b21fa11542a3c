package vrrp

import "testing"

// A witness that owes an answer is asked more often, for a while; and what is lost is not held against the pair's address.
func TestAskingForAnAnswer(t *testing.T) {
	a := asking{}
	a.due(true, false)
	if a.due(false, false) {
		t.Error("one that has never answered is hurried")
	}
	a.answered(a.seq)
	if a.due(false, false) || !a.due(true, false) {
		t.Error("one that answers is hurried, or not asked")
	}
	for range patience {
		if a.silent() || !a.due(false, false) {
			t.Error("silent too soon, or not hurried")
		}
	}
	if !a.silent() {
		t.Error("not silent")
	}
	for range mostHurry {
		a.due(false, false)
	}
	if a.due(false, false) || !a.due(true, false) {
		t.Error("hurried for ever, or not asked any more")
	}
	if a.answered(a.seq - late - 1); !a.silent() {
		t.Error("an old answer counts")
	}
	if a.answered(a.seq - late); a.silent() || a.due(false, false) {
		t.Error("a late answer does not count")
	}
	v := asking{virtual: true, ever: true}
	for range 2 * patienceVirtual {
		if v.due(true, false); v.missed > 0 {
			t.Error("lost packets count")
		}
	}
	for range patienceVirtual {
		v.due(true, true)
	}
	if v.missed != patienceVirtual || v.due(false, true) {
		t.Error(v)
	}
}
