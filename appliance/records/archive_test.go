package records

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/cdr"
	"viaduct/appliance/config"
	"viaduct/appliance/flash"
)

// Power fails: the end of the file is gone, or torn, or garbage, and the position may lie behind it. What is written from then on is sent.
func TestAPowerCutInTheSpool(t *testing.T) {
	for name, spoil := range map[string]func(file, cursor string) error{
		"the end is gone": func(file, _ string) error { return os.Truncate(file, 100) },
		"all is gone":     func(file, _ string) error { return os.Truncate(file, 0) },
		"the line is torn": func(file, _ string) error {
			fi, err := os.Stat(file)
			if err != nil {
				return err
			}
			return os.Truncate(file, fi.Size()-20)
		},
		"zeros at the end": func(file, _ string) error {
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			f.Write(make([]byte, 4096))
			return f.Close()
		},
		"the position is empty": func(_, cursor string) error { return os.WriteFile(cursor, nil, 0o600) },
		"the position cannot be read": func(_, cursor string) error {
			if err := os.Remove(cursor); err != nil {
				return err
			}
			return os.Mkdir(cursor, 0o700)
		},
		"the position is garbage": func(_, cursor string) error {
			return os.WriteFile(cursor, []byte(`{"file":"../../x","offset":-7}`), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				h := newHarness(dir)
				h.Apply(posting(), "box")
				stop := h.start(t)
				time.Sleep(time.Second)
				for n := range 5 {
					h.Take(record(n))
				}
				time.Sleep(time.Minute)
				stop()
				if err := spoil(filepath.Join(dir, time.Now().UTC().Format(time.DateOnly)+suffix), filepath.Join(dir, cursorFile)); err != nil {
					t.Fatal(err)
				}
				next := newHarness(dir)
				next.Apply(posting(), "box")
				stop = next.start(t)
				for n := 5; n < 10; n++ {
					next.Take(record(n))
				}
				time.Sleep(time.Minute)
				stop()
				got := next.server.took()
				if len(got) < 5 || !slices.Equal(got[len(got)-5:], ids(5, 10)) {
					t.Errorf("taken %v", got)
				}
				if strings.HasPrefix(name, "the position") && !slices.Equal(got, ids(0, 10)) {
					t.Errorf("not all again: %v", got)
				}
			})
		})
	}
}

func TestRecordsAreKeptForDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t.TempDir())
		var sane atomic.Bool
		h.o.Sane = func() error {
			if !sane.Load() {
				return fmt.Errorf("not yet")
			}
			return nil
		}
		var c config.CallRecords
		c.SetDefaults()
		h.Apply(c, "box")
		defer h.start(t)()
		time.Sleep(time.Minute)
		kept := func() int {
			list, err := h.Last(1000)
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		for n := range 20 {
			h.Take(record(n))
			time.Sleep(24 * time.Hour)
		}
		if n := kept(); n != 20 {
			t.Errorf("%d records are left while the clock cannot be believed", n)
		}
		sane.Store(true)
		time.Sleep(time.Hour)
		if n := kept(); n != 6 { // of the last of them a day has passed
			t.Errorf("%d records are left", n)
		}
		if n, err := h.Erase(3); err != nil || kept() != 2 {
			t.Errorf("%d files erased, %d records are left, %v", n, kept(), err)
		}
		c.Days = 2
		h.Apply(c, "box")
		time.Sleep(time.Second)
		if n := kept(); n != 1 {
			t.Errorf("%d records are left of two days", n)
		}
		h.Take(record(99))
		time.Sleep(time.Second)
		if n, err := h.Erase(0); n != 2 || err != nil || kept() != 0 {
			t.Errorf("%d files erased, %d records are left, %v", n, kept(), err)
		}
		h.Take(record(100))
		time.Sleep(time.Second)
		if kept() != 1 {
			t.Error("nothing is written any more")
		}
	})
}

// What is erased is not sent, and is no fault. What expires unsent is one.
func TestWhatWaitsIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t.TempDir())
		h.server.behave(func(*http.Request, []string) (int, http.Header) { return 0, nil })
		h.Apply(posting(), "box")
		defer h.start(t)()
		time.Sleep(time.Second)
		h.Take(record(1))
		time.Sleep(time.Hour)
		if _, err := h.Erase(0); err != nil {
			t.Fatal(err)
		}
		h.Take(record(2))
		time.Sleep(10 * 24 * time.Hour)
		h.Take(record(3))
		time.Sleep(time.Hour)
		if got := h.health.Current(); len(got) != 1 || !strings.HasSuffix(got[0].Text, "refused. The oldest have been deleted unsent") {
			t.Errorf("alarms %v", got)
		}
		h.server.behave(nil)
		time.Sleep(time.Hour)
		if got := h.server.took(); !slices.Equal(got, ids(3, 4)) || len(h.health.Current()) != 0 {
			t.Errorf("taken %v, alarms %v", got, h.health.Current())
		}
	})
}

// FuzzLast reads any file of records, and makes batches of it: each is JSON, with as many ids as records.
func FuzzLast(f *testing.F) {
	line, _ := json.Marshal(record(1))
	f.Add(append(line, '\n'))
	f.Add([]byte("{\"id\":\"x\",\"attempts\":[{}],\"media\":[{\"lost\":-1}]}\n{\"id\":\n\x00\x00\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h := newHarness(t.TempDir())
		if err := os.WriteFile(filepath.Join(h.dir, "2026-11-29"+suffix), text, 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := h.Last(100)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			if strings.ContainsAny(cdr.Row(r), "\n\r\x00\x1b") {
				t.Errorf("more than a line: %q", cdr.Row(r))
			}
		}
		log, err := h.open()
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		at, _, _, err := log.From(flash.Position{}, 100, batchSize)
		if err != nil {
			t.Fatal(err)
		}
		s := &settings{box: "box"}
		s.Post.Masked = len(text)%2 == 0
		b := newBatch(s, at)
		body, err := b.body("box")
		if err != nil || !json.Valid(body) || len(b.ids) != len(b.records) || len(b.ids) != len(b.entries) {
			t.Errorf("%v: %s", err, body)
		}
	})
}
