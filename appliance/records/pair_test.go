package records

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/pair"
)

// table is what a standby keeps.
type table map[string][]byte

func (t table) Put(_ pair.Kind, id string, value []byte) { t[id] = value }
func (t table) Drop(_ pair.Kind, id string)              { delete(t, id) }

func (t table) kept() (list []pair.Kept) {
	for _, id := range slices.Sorted(maps.Keys(t)) {
		list = append(list, pair.Kept{ID: id, Value: t[id]})
	}
	return list
}

// inPair is an archive of a box of a pair.
func inPair(dir string, acts bool) (*harness, table) {
	h, t := newHarness(dir), table{}
	h.told.to = t
	h.Apply(posting(), "box")
	h.Pair(true, !acts)
	return h, t
}

func last(t *testing.T, h *harness) (list []string) {
	t.Helper()
	records, err := h.Last(100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		list = append(list, r.ID)
	}
	return list
}

// The standby has the records of the active box, and sends only those that wait for the server when it takes over.
func TestEachRecordOfAPairIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, table := inPair(t.TempDir(), true)
		stop := one.start(t)
		time.Sleep(time.Second)
		for n := range 3 {
			one.Take(record(n))
		}
		time.Sleep(time.Minute)
		one.server.behave(func(*http.Request, []string) (int, http.Header) { return 0, nil })
		for n := range 2 {
			one.Take(record(10 + n))
		}
		time.Sleep(time.Minute)
		if len(one.server.took()) != 3 || len(table) != 5 {
			t.Fatalf("%v were sent, and %d are kept", one.server.took(), len(table))
		}
		two, next := inPair(t.TempDir(), false)
		own := two.start(t)
		time.Sleep(time.Second)
		for range 3 {
			two.Copy(table.kept())
			time.Sleep(time.Minute)
		}
		if got := last(t, two); fmt.Sprint(got) != fmt.Sprint([]string{"00000000", "00000001", "00000002"}) || len(two.server.took()) > 0 {
			t.Errorf("the standby has %v, and sent %v", got, two.server.took())
		}
		stop()
		two.TakeOver(table.kept())
		two.Pair(true, false)
		time.Sleep(time.Minute)
		two.Take(record(20))
		time.Sleep(time.Minute)
		want := []string{"0000000a", "0000000b", "00000014"}
		if len(two.server.took()) != 3 {
			t.Errorf("the other box sent %v, want %v", two.server.took(), want)
		}
		if got := last(t, two); fmt.Sprint(got[3:]) != fmt.Sprint(want) {
			t.Errorf("it has %v", got)
		}
		if len(next) != 3 {
			t.Errorf("the next standby keeps %d", len(next))
		}
		own()

		// The first box comes back, and takes over once more: it sends nothing again.
		back, _ := inPair(one.dir, false)
		stop = back.start(t)
		defer stop()
		time.Sleep(time.Minute)
		back.Copy(next.kept())
		back.TakeOver(next.kept())
		back.Pair(true, false)
		time.Sleep(time.Minute)
		if len(back.server.took()) > 0 {
			t.Errorf("the first box sent %v again", back.server.took())
		}
		if got := last(t, back); len(got) != 6 {
			t.Errorf("it has %v", got)
		}
	})
}

// A box that finds no other one sends what waited before its restart.
func TestABoxOfAPairThatIsAloneSendsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := inPair(t.TempDir(), true)
		h.server.behave(func(*http.Request, []string) (int, http.Header) { return 0, nil })
		stop := h.start(t)
		time.Sleep(time.Second)
		h.Take(record(1))
		time.Sleep(time.Minute)
		stop()
		h, _ = inPair(h.dir, false)
		stop = h.start(t)
		defer stop()
		time.Sleep(3 * time.Second)
		h.TakeOver(nil)
		h.Pair(true, false)
		time.Sleep(time.Minute)
		if len(h.server.took()) != 1 {
			t.Errorf("it sent %v", h.server.took())
		}
	})
}
