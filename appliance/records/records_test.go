package records

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/cdr"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// TestMain is also the process that fills a small medium.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RECORDS_ON_A_SMALL_MEDIUM"); dir != "" {
		fillMedium(dir)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// record is the nth call of a test.
func record(n int) status.Record {
	at := time.Date(2026, 11, 29, 10, 0, n, 0, time.UTC)
	return status.Record{
		Version: 2, ID: fmt.Sprintf("%08x", n), Started: at, Connected: at.Add(time.Second), Ended: at.Add(time.Minute), From: "if_teams", To: "if_pbx",
		Calling: "+49301234567", Called: "+49897654321", By: status.ByCaller, Code: 200,
	}
}

// harness is an archive whose web server is a function.
type harness struct {
	*Archive
	dir    string
	log    bytes.Buffer
	health *health.Tracker
	server server
}

// server keeps what it has taken.
type server struct {
	mu     sync.Mutex
	answer func(q *http.Request, ids []string) (code int, header http.Header) // nil: 200; code 0: no answer
	calls  []time.Time
	taken  []string // ids of records, in order
	last   *http.Request
	body   []byte
}

func (s *server) RoundTrip(q *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	ids := idsOf(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.last, s.body = append(s.calls, time.Now()), q, body
	code, header := 200, http.Header{}
	if s.answer != nil {
		code, header = s.answer(q, ids)
	}
	if code == 0 {
		return nil, fmt.Errorf("dial tcp: connection refused")
	}
	if code/100 == 2 {
		s.taken = append(s.taken, ids...)
	}
	return &http.Response{StatusCode: code, Status: fmt.Sprintf("%d %s", code, http.StatusText(code)), Header: header, Body: io.NopCloser(strings.NewReader("")), Request: q}, nil
}

// behave changes what the server answers; nil: 200.
func (s *server) behave(answer func(q *http.Request, ids []string) (int, http.Header)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// took are the ids of the records that the server has taken.
func (s *server) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

// asked are the times of the requests.
func (s *server) asked() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// request is the last one, with its body.
func (s *server) request() (*http.Request, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, string(s.body)
}

func idsOf(body []byte) (ids []string) {
	var b struct {
		Records []struct {
			ID     string        `json:"id"`
			Record status.Record `json:"record"`
		} `json:"records"`
	}
	if json.Unmarshal(body, &b) != nil {
		return nil
	}
	for _, r := range b.Records {
		ids = append(ids, r.Record.ID)
	}
	return ids
}

func newHarness(dir string) *harness {
	h := &harness{dir: dir}
	logger := slog.New(slog.NewTextHandler(&h.log, nil))
	h.health = &health.Tracker{Log: logger}
	h.Archive = New(Options{
		Dir: dir, Log: logger, Health: h.health, Sane: func() error { return nil },
		Client: func() *http.Client { return &http.Client{Transport: &h.server} },
	})
	return h
}

// start runs the archive. The function that it returns stops it.
func (h *harness) start(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func posting() config.CallRecords {
	var c config.CallRecords
	c.SetDefaults()
	c.Post = config.RecordPost{URL: "https://records.example.com/sbc?key=hidden", Token: "secret"}
	return c
}

func ids(from, to int) (list []string) {
	for n := from; n < to; n++ {
		list = append(list, record(n).ID)
	}
	return list
}

func TestPausesGrowUntilTheServerIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t.TempDir())
		h.server.behave(func(*http.Request, []string) (int, http.Header) { return 0, nil })
		h.Apply(posting(), "box")
		stop := h.start(t)
		time.Sleep(time.Second)
		h.Take(record(1))
		synctest.Wait()
		begin := time.Now()
		time.Sleep(time.Hour)
		var at []int
		for _, c := range h.server.asked() {
			at = append(at, int(c.Sub(begin).Seconds()))
		}
		want := []int{5, 6, 8, 12, 20, 36, 68, 132, 260, 516, 816}
		if len(at) < len(want) || !slices.Equal(at[:len(want)], want) || at[len(at)-1]-at[len(at)-2] != 300 {
			t.Errorf("sent after %v seconds", at)
		}
		if got := h.health.Current(); len(got) != 1 || got[0].Text != "call records wait for https://records.example.com/sbc: dial tcp: connection refused" {
			t.Errorf("alarms %v", got)
		}
		h.server.behave(nil)
		time.Sleep(5 * time.Minute)
		if !slices.Equal(h.server.took(), ids(1, 2)) || len(h.health.Current()) != 0 {
			t.Errorf("taken %v, alarms %v", h.server.took(), h.health.Current())
		}
		stop()
		if n := strings.Count(h.log.String(), "\n"); n != 2 || strings.Contains(h.log.String(), "hidden") || strings.Contains(h.log.String(), "secret") {
			t.Errorf("%d lines in the log:\n%s", n, h.log.String())
		}
	})
}

func TestABatchOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t.TempDir())
		h.Apply(posting(), "sbc01")
		defer h.start(t)()
		time.Sleep(time.Second)
		h.Take(record(1))
		time.Sleep(2 * time.Second)
		h.Take(record(2))
		time.Sleep(time.Minute)
		q, text := h.server.request()
		var body struct {
			Batch, Box string
			Records    []struct {
				ID     string
				Record map[string]any
			}
		}
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			t.Fatal(err)
		}
		if len(h.server.asked()) != 1 || len(body.Records) != 2 || body.Box != "sbc01" || body.Records[1].ID != "20261129T100002.000-00000002" || body.Records[1].Record["called"] != "+49897654321" {
			t.Errorf("%d requests, the last %s", len(h.server.asked()), text)
		}
		if q.Method != http.MethodPost || q.Header.Get("Authorization") != "Bearer secret" || q.Header.Get("Content-Type") != "application/json" || q.Header.Get("Idempotency-Key") != body.Batch || len(body.Batch) != 32 {
			t.Errorf("%s %v", q.Method, q.Header)
		}
		c := posting()
		c.Post.Masked = true
		h.Apply(c, "sbc01")
		h.Take(record(3))
		time.Sleep(time.Minute)
		if _, got := h.server.request(); !strings.Contains(got, `"calling":"+49301234xxx"`) || strings.Contains(got, "4567") {
			t.Errorf("masked: %s", got)
		}
	})
}

func TestAServerThatSaysWhenToComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t.TempDir())
		h.server.behave(func(*http.Request, []string) (int, http.Header) { return 503, http.Header{"Retry-After": {"90"}} })
		h.Apply(posting(), "box")
		defer h.start(t)()
		time.Sleep(time.Second)
		h.Take(record(1))
		time.Sleep(10 * time.Second)
		h.server.behave(func(*http.Request, []string) (int, http.Header) {
			return 503, http.Header{"Retry-After": {"99999999999999999"}}
		})
		time.Sleep(100*time.Minute + 80*time.Second)
		if c := h.server.asked(); len(c) != 3 || c[1].Sub(c[0]) != 90*time.Second || c[2].Sub(c[1]) != time.Hour {
			t.Errorf("sent at %v", c)
		}
	})
}

// What answers neither 2xx nor points at a record loses nothing: redirects, a wrong token, a wrong path.
func TestAnswersThatAreNoReceipt(t *testing.T) {
	for _, code := range []int{204, 302, 307, 401, 404, 429, 500, 502} {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(t.TempDir())
			h.server.behave(func(*http.Request, []string) (int, http.Header) {
				return code, http.Header{"Location": {"https://elsewhere.example.com/"}}
			})
			h.Apply(posting(), "box")
			defer h.start(t)()
			time.Sleep(time.Second)
			for n := range 3 {
				h.Take(record(n))
			}
			time.Sleep(time.Hour)
			if code/100 == 2 {
				return
			}
			if q, _ := h.server.request(); q.URL.Host != "records.example.com" {
				t.Errorf("%d: sent to %s", code, q.URL)
			}
			h.server.behave(nil)
			time.Sleep(10 * time.Minute)
			if !slices.Equal(h.server.took(), ids(0, 3)) {
				t.Errorf("%d: taken %v", code, h.server.took())
			}
		})
	}
}

// A record that the server never takes is left out, when it takes the others. All others arrive.
func TestARecordThatTheServerRefuses(t *testing.T) {
	for _, code := range []int{400, 500} {
		for _, bad := range [][]string{ids(7, 8), ids(7, 9), ids(0, 1), ids(39, 40), ids(20, 24)} {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t.TempDir())
				h.server.behave(func(_ *http.Request, ids []string) (int, http.Header) {
					if slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(bad, id) }) {
						return code, nil
					}
					return 200, nil
				})
				h.Apply(posting(), "box")
				defer h.start(t)()
				time.Sleep(time.Second)
				for n := range 40 {
					h.Take(record(n))
				}
				time.Sleep(time.Hour)
				h.Take(record(40)) // with which the last one can be compared
				time.Sleep(time.Hour)
				want := slices.DeleteFunc(ids(0, 41), func(id string) bool { return slices.Contains(bad, id) })
				got := h.server.took()
				slices.Sort(got)
				if got = slices.Compact(got); !slices.Equal(got, want) {
					t.Errorf("%d for %v: taken %v", code, bad, got)
				}
				if st := h.Status().Post; st.Refused != uint64(len(bad)) || st.Waiting != 0 || len(h.health.Current()) != 0 {
					t.Errorf("%d for %v: %+v, alarms %v", code, bad, st, h.health.Current())
				}
				if n := strings.Count(h.log.String(), "call record refused"); n != 1 {
					t.Errorf("%d for %v:\n%s", code, bad, h.log.String())
				}
				if list, err := h.Last(100); err != nil || len(list) != 41 {
					t.Errorf("%d records are kept, %v", len(list), err)
				}
			})
		}
	}
}

// A server that refuses everything is not the fault of the records.
func TestAServerThatRefusesAllLosesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t.TempDir())
		h.server.behave(func(*http.Request, []string) (int, http.Header) { return 400, nil })
		h.Apply(posting(), "box")
		defer h.start(t)()
		time.Sleep(time.Second)
		for n := range 100 {
			h.Take(record(n))
		}
		time.Sleep(24 * time.Hour)
		if n := len(h.server.asked()); n > 24*13*9 {
			t.Errorf("%d requests in a day", n)
		}
		h.server.behave(nil)
		time.Sleep(time.Hour)
		if !slices.Equal(h.server.took(), ids(0, 100)) {
			t.Errorf("taken %v", h.server.took())
		}
	})
}

// The box restarts while the server is away: what is configured comes later than the start, and nothing is lost. What was taken is not
// sent again.
func TestARestartWhileTheServerIsAway(t *testing.T) {
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
		h.server.behave(func(*http.Request, []string) (int, http.Header) { return 0, nil })
		for n := 5; n < 10; n++ {
			h.Take(record(n))
		}
		time.Sleep(time.Minute)
		stop()

		next := newHarness(dir)
		stop = next.start(t)
		next.Take(record(10))
		time.Sleep(time.Minute)
		next.Apply(posting(), "box")
		time.Sleep(time.Minute)
		stop()
		if got := append(h.server.took(), next.server.took()...); !slices.Equal(got, ids(0, 11)) {
			t.Errorf("taken %v", got)
		}
	})
}

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

// The server gets the records of the time since it was configured.
func TestASecondServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t.TempDir())
		none := posting()
		none.Post = config.RecordPost{}
		h.Apply(none, "box")
		defer h.start(t)()
		h.Take(record(1))
		time.Sleep(time.Minute)
		h.Apply(posting(), "box")
		time.Sleep(time.Minute)
		h.Take(record(2))
		time.Sleep(time.Minute)
		h.Apply(none, "box")
		time.Sleep(time.Minute)
		h.Take(record(3))
		time.Sleep(time.Minute)
		h.Apply(posting(), "box")
		time.Sleep(time.Second)
		h.Take(record(4))
		time.Sleep(time.Minute)
		if !slices.Equal(h.server.took(), []string{record(2).ID, record(4).ID}) {
			t.Errorf("taken %v", h.server.took())
		}
	})
}

func TestALineForTheSyslogServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t.TempDir())
		var got []string
		h.o.Syslog = func(facility string, attrs []slog.Attr) { got = append(got, fmt.Sprint(facility, attrs)) }
		c := posting()
		c.Post, c.Syslog = config.RecordPost{}, config.RecordSyslog{Facility: "local3", Masked: true}
		stop := h.start(t)
		h.Take(record(1))
		time.Sleep(time.Second)
		h.Apply(c, "box")
		h.Take(record(2))
		time.Sleep(time.Second)
		stop()
		if want := fmt.Sprint("local3", cdr.Attrs(cdr.Mask(record(2)))); len(got) != 1 || got[0] != want || !strings.Contains(want, "calling=+49301234xxx ") {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// FuzzReadCursor reads any file of a position: it is one, or the beginning.
func FuzzReadCursor(f *testing.F) {
	f.Add([]byte(`{"file":"2026-11-29.jsonl","offset":7}`))
	f.Add([]byte("\x00\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		at := readCursor(text)
		again, err := json.Marshal(at)
		if err != nil || readCursor(again) != at {
			t.Errorf("%v is written as %s", at, again)
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
		at, _, _, err := log.From(log.Settle(readCursor(text)), 100, batchSize)
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
