package registrar

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pair"
	"viaduct/appliance/status"
)

// table is what the standby keeps.
type table map[string]string

func (t table) Put(kind pair.Kind, id string, value []byte) {
	if kind == pair.Phones {
		t[id] = string(value)
	}
}

func (t table) Drop(_ pair.Kind, id string) { delete(t, id) }

func (t table) kept() (list []pair.Kept) {
	for _, id := range slices.Sorted(maps.Keys(t)) {
		list = append(list, pair.Kept{ID: id, Value: []byte(t[id]), At: time.Now()})
	}
	return list
}

func TestPhonesGoOnAtTheOtherBoxOfAPair(t *testing.T) {
	onPaper(t, nil, func(b *box) {
		p := b.phone("10.108.2.51:5062", "21", "hush")
		p.contact = `<sip:21@192.168.0.9;line=x>;q=0.25;+sip.instance="<urn:uuid:7>";reg-id=3`
		p.register(120, 200)
		first := strings.Join(slices.Collect(maps.Values(b.told)), "")
		b.wait(50 * time.Second)
		p.register(120, 200)
		if len(b.told) != 1 || strings.Join(slices.Collect(maps.Values(b.told)), "") != first {
			t.Errorf("a refresh was told: %v", b.told)
		}
		p.contact = `<sip:21@192.168.0.10;line=y>;+sip.instance="<urn:uuid:7>";reg-id=3`
		p.register(120, 200)
		tcp := b.phone("10.108.2.52:40001", "22", "other").connect()
		tcp.contact = `<sip:22@10.108.2.52:40001;transport=tcp>`
		tcp.register(300, 200)
		gone := b.phone("10.108.2.54:5060", "24", "")
		gone.register(300, 200)
		gone.register(0, 200)
		if len(b.told) != 2 {
			t.Fatalf("the standby keeps %v", b.told)
		}
		clear(b.told)
		if b.reg.Tell(); len(b.told) != 2 {
			t.Fatalf("a new standby keeps %v", b.told)
		}
		kept := append(b.told.kept(), pair.Kept{ID: "x", Value: []byte("{")}, pair.Kept{ID: "y", Value: []byte(`{"location":"LS"}`)})
		b.reg.Drop()
		b.wants("21", "")
		clear(b.told)

		other := New(Options{Store: b.shelf, Pair: b.told})
		other.Restore(b.cfg, kept)
		list := other.Bindings()
		if len(list) != 2 || list[0].State != status.BindingRegistered || list[1].State != status.BindingWaiting || time.Until(list[0].Expires) != 120*time.Second {
			t.Errorf("%+v", list)
		}
		if targets, _, _ := other.Targets(config.InterfaceID{Context: "SWITCH", Name: "phones"}, "21"); len(targets) != 1 || !strings.Contains(targets[0].URI, "line=y") {
			t.Errorf("21 is reached at %+v", targets)
		}
		if len(b.told) != 2 {
			t.Errorf("the next standby keeps %v", b.told)
		}
	})
}
