package licenses

import (
	"testing"

	"viaduct/appliance/status"
)

// A pool is full when nothing is free, and near that from four fifths on. Its peak is found by its name.
func TestHowFullAPoolIs(t *testing.T) {
	v := view{Licenses: status.Licenses{
		Pools: []status.Pool{
			{Name: status.SessionPool, Total: 10, Alloc: 7, Free: 3}, {Name: status.ChannelPool, Total: 10, Alloc: 8, Free: 2}, {Name: "full", Total: 2, Alloc: 2}, {Name: "none"},
			{Name: "over", Total: 1, Alloc: 3},
		},
		Peaks: []status.Peak{{Name: status.ChannelPool, Most: 9, Refused: 4}, {Name: "other", Most: 1}},
	}}
	want := map[string]string{status.SessionPool: "ok free", status.ChannelPool: "warning near", "full": "error full", "none": "error full", "over": "error full"}
	rows := v.Rows()
	if len(rows) != len(want) {
		t.Fatalf("%+v", rows)
	}
	for _, r := range rows {
		if got := r.Kind + " " + r.State; got != want[r.Name] {
			t.Errorf("%s: %s, want %s", r.Name, got, want[r.Name])
		}
		if channel := r.Name == status.ChannelPool; channel != (r.Most == 9 && r.Refused == 4) || !channel && r.Most+r.Refused > 0 {
			t.Errorf("%s: at most %d, %d refused", r.Name, r.Most, r.Refused)
		}
	}
}
