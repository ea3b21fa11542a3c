package records

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/cdr"
	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

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

// Each writing costs more than a record: the first of many is written at once, and the others together.
func TestRecordsThatComeTogetherAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t.TempDir())
		stop := h.start(t)
		written := func() int {
			synctest.Wait()
			found, err := h.Find(status.RecordSearch{})
			if err != nil {
				t.Fatal(err)
			}
			return len(found.Records)
		}
		time.Sleep(time.Second)
		h.Take(record(0))
		if n := written(); n != 1 {
			t.Errorf("%d are written, not the first", n)
		}
		for n := range 2 * atOnce {
			h.Take(record(1 + n))
		}
		if n := written(); n != 1 {
			t.Errorf("%d are written at the same time as the first", n)
		}
		time.Sleep(together)
		if n := written(); n != 1+2*atOnce {
			t.Errorf("%d are written after that", n)
		}
		h.Take(record(5000))
		h.Take(record(5001))
		stop()
		if n := written(); n != 3+2*atOnce {
			t.Errorf("%d are written at the end", n)
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
