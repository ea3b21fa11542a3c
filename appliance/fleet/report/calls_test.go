package report

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
)

func TestRecordsSinceTheyWereAskedFor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHub()
		f := member()
		f.Records = config.FleetRecord{}
		b := start(t, t.TempDir(), h, f)
		pass(time.Second)
		b.archive.Take(record(0))
		pass(time.Minute)
		h.connect(false)
		masked := member()
		masked.Records.Masked = true
		b.Apply(masked) // while the hub is away
		pass(time.Second)
		b.archive.Take(record(1))
		pass(time.Minute)
		b = start(t, b.kill(t), h, masked)
		pass(time.Minute)
		h.connect(true)
		pass(time.Minute)
		b.archive.Take(record(2))
		pass(time.Minute)
		wantList(t, "calls", h.calls(), ids(1, 3)...)
		if text := string(h.has("box.berlin.calls")[1].body); strings.Contains(text, "9301234567") || !strings.Contains(text, "4930") {
			t.Errorf("not masked: %s", text)
		}
		b.Apply(f)
		b.archive.Take(record(3))
		pass(time.Minute)
		b.Apply(member())
		pass(time.Minute)
		b.archive.Take(record(4))
		pass(time.Minute)
		wantList(t, "calls", h.calls(), record(1).ID, record(2).ID, record(4).ID)
		if text := string(h.has("box.berlin.calls")[2].body); !strings.Contains(text, "9301234567") {
			t.Errorf("masked: %s", text)
		}
	})
}

// The hub is asked ever more seldom while it does not answer, and not at all while there is no connection.
func TestPausesGrow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHub()
		b := start(t, t.TempDir(), h, member())
		pass(time.Minute)
		h.behave(func(string) (bool, error) { return false, fleet.ErrAway })
		b.archive.Take(record(0))
		pass(time.Second)
		if st := b.Status()[1]; st.Failing != "the hub is away" || st.Waiting == 0 {
			t.Errorf("%+v", st)
		}
		pass(time.Hour)
		at := h.times()
		if len(at) < 55 || len(at) > 90 {
			t.Errorf("asked %d times in an hour", len(at))
		}
		for n := range at[1:] {
			pause := min(firstPause<<min(n, 9), lastPause)
			if d := at[n+1].Sub(at[n]); d < pause*3/4 || d > pause*5/4 {
				t.Errorf("pause %d is %v", n, d)
			}
		}
		h.connect(false)
		pass(time.Minute)
		before := len(h.times())
		pass(time.Hour)
		if n := len(h.times()) - before; n > 0 {
			t.Errorf("asked %d times without a connection", n)
		}
		h.behave(nil)
		h.connect(true)
		pass(time.Millisecond)
		wantList(t, "calls", h.calls(), ids(0, 1)...)
		if st := b.Status()[1]; st.Failing != "" || st.Waiting != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestRefusedRecords(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHub()
		b := start(t, t.TempDir(), h, member())
		pass(time.Minute)
		bad := map[string]bool{record(2).ID: true, record(3).ID: true, record(5).ID: true}
		h.behave(func(id string) (bool, error) {
			if bad[id[len(id)-8:]] {
				return false, fleet.ErrRefused
			}
			return true, nil
		})
		for n := range 6 {
			b.archive.Take(record(n))
		}
		pass(time.Minute)
		wantList(t, "calls", h.calls(), record(0).ID, record(1).ID, record(4).ID)
		// Nothing behind the last one shows that it alone is refused.
		if st := b.Status()[1]; st.Refused != 2 || st.Failing != errRefuses.Error() {
			t.Errorf("%+v", st)
		}
		b.archive.Take(record(6))
		pass(2 * time.Minute)
		wantList(t, "calls", h.calls(), record(0).ID, record(1).ID, record(4).ID, record(6).ID)
		if st := b.Status()[1]; st.Refused != 3 || st.Failing != "" || st.Waiting != 0 {
			t.Errorf("%+v", st)
		}
		// When it refuses all, none is left out.
		h.behave(func(string) (bool, error) { return false, fleet.ErrRefused })
		for n := 7; n < 40; n++ {
			b.archive.Take(record(n))
		}
		pass(time.Hour)
		if st := b.Status()[1]; st.Refused != 3 || st.Failing != errRefuses.Error() {
			t.Errorf("%+v", st)
		}
		h.behave(nil)
		pass(2 * time.Minute)
		if got := h.calls(); !slices.Equal(got[4:], ids(7, 40)) {
			t.Errorf("%q", got)
		}
	})
}

// The hub is away while records are deleted: by their age, and by somebody who asked for it.
func TestDeletedRecords(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHub()
		b := start(t, t.TempDir(), h, member())
		pass(time.Minute)
		b.archive.Take(record(0))
		pass(time.Minute)
		h.connect(false)
		for n := 1; n < 10; n++ {
			b.archive.Take(record(n))
			pass(24 * time.Hour)
		}
		pass(2 * time.Hour) // those of the first days expire
		h.connect(true)
		h.behave(func(string) (bool, error) { return false, fleet.ErrAway })
		pass(time.Minute)
		if st := b.Status()[1]; !st.Lost {
			t.Errorf("%+v", st)
		}
		h.behave(nil)
		pass(2 * time.Minute)
		if got := h.calls(); got[len(got)-1] != record(9).ID || len(got) > 8 || b.Status()[1].Lost {
			t.Errorf("%q, %+v", got, b.Status()[1])
		}
		h.connect(false)
		b.archive.Take(record(10))
		pass(time.Minute)
		if _, err := b.archive.Erase(0); err != nil {
			t.Fatal(err)
		}
		b.archive.Take(record(11))
		pass(time.Minute)
		if st := b.Status()[1]; st.Lost {
			t.Errorf("erased is not lost: %+v", st)
		}
		h.connect(true)
		pass(time.Minute)
		if got := h.calls(); got[len(got)-1] != record(11).ID || slices.Contains(got, record(10).ID) {
			t.Errorf("%q", got)
		}
	})
}

// More waits than is kept for the hub: the oldest are passed over.
func TestNoMoreWaitsThanMay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHub()
		dir := t.TempDir()
		cdr := filepath.Join(dir, "cdr")
		if err := os.MkdirAll(cdr, 0o700); err != nil {
			t.Fatal(err)
		}
		const each, files, long, most = 100, 4, 10 << 10, 32 << 20 / 10
		for f := range files { // 4 MB
			var text []byte
			for n := range each {
				r := record(f*each + n)
				r.Calling = strings.Repeat("9", long)
				line, err := json.Marshal(r)
				if err != nil {
					t.Fatal(err)
				}
				text = append(append(text, line...), '\n')
			}
			if err := os.WriteFile(filepath.Join(cdr, fmt.Sprintf("1999-12-%d.jsonl", 28+f)), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(cdr, RecordsFile), []byte(`{"file":"1999-12-28.jsonl","offset":0}`), 0o600); err != nil {
			t.Fatal(err)
		}
		h.connect(false)
		b := start(t, dir, h, member(), func(r *Reporter) { r.most = most })
		pass(time.Minute)
		if st := b.Status()[1]; !st.Lost || st.Waiting > most || st.Waiting < most-2*long {
			t.Errorf("%+v", st)
		}
		h.connect(true)
		pass(time.Minute)
		got := h.calls()
		if want := ids(each*files-len(got), each*files); len(got) < 310 || len(got) > 325 || !slices.Equal(got, want) {
			t.Errorf("%d came", len(got))
		}
		if st := b.Status()[1]; st.Lost || st.Waiting != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A random life: records come, the connection comes and goes, answers are lost, messages are refused, the box is killed. What the hub has is what was
// written, in its order.
func TestRecordsOfARandomLife(t *testing.T) {
	for seed := range uint64(4) {
		inBubble(t, func(t *testing.T) {
			r, moods := rand.New(rand.NewPCG(seed, 20)), rand.New(rand.NewPCG(seed, 21))
			h := newHub()
			h.behave(func(string) (bool, error) {
				switch moods.IntN(8) {
				case 0:
					return false, fleet.ErrAway
				case 1:
					return true, fleet.ErrAway
				}
				return true, nil
			})
			b := start(t, t.TempDir(), h, member())
			pass(time.Second)
			n := 0
			for range 200 {
				switch k := r.IntN(20); {
				case k < 12:
					b.archive.Take(record(n))
					n++
				case k < 15:
					h.connect(r.IntN(2) == 0)
				case k == 15:
					pass(time.Second) // so that what was taken is in the files
					b = start(t, b.kill(t), h, member())
				case k == 16:
					pass(time.Duration(r.IntN(8)) * time.Hour)
				default:
					pass(time.Duration(r.IntN(10_000)) * time.Millisecond)
				}
			}
			h.connect(true)
			pass(time.Hour)
			wantList(t, fmt.Sprint("seed ", seed), h.calls(), ids(0, n)...)
		})
	}
}

// FuzzLines reads any lines of the files: each message has an id and is JSON.
func FuzzLines(f *testing.F) {
	line, _ := json.Marshal(record(1))
	f.Add(line)
	f.Add([]byte(`{"id":"a-1","alarm":"x","what":"raised"}`))
	f.Add([]byte("{\"id\":\x00"))
	j := &journal{}
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, parse := range []func([]byte) (message, bool){(&calls{masked: true}).message, (&calls{}).message, j.message} {
			if m, ok := parse(line); ok && (m.id == "" || !json.Valid(m.body)) {
				t.Errorf("%q %s", m.id, m.body)
			}
		}
	})
}
