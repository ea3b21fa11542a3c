package graph

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// polls reads every ten seconds for a while, and returns how many requests reached Graph.
func polls(t *testing.T, o *office, c *Client, d time.Duration, kind Kind) int {
	t.Helper()
	before := o.requests()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Second) {
		wantError(t, read(t, c), kind)
	}
	return o.requests() - before
}

func TestRetryAfterIsObeyed(t *testing.T) {
	for name, header := range map[string]func() http.Header{
		"seconds": func() http.Header { return http.Header{"Retry-After": {"120"}} },
		"a date": func() http.Header {
			return http.Header{"Retry-After": {time.Now().Add(2 * time.Minute).UTC().Format(http.TimeFormat)}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}
		},
		"a date, and a clock that is wrong by years": func() http.Header {
			at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
			return http.Header{"Retry-After": {at.Add(2 * time.Minute).Format(http.TimeFormat)}, "Date": {at.Format(http.TimeFormat)}}
		},
	} {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			t.Run(fmt.Sprint(name, status), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					busy := true
					o := newOffice(nil)
					o.graph = func(w http.ResponseWriter, q *http.Request) {
						if !busy {
							sayPresences("Available", "Available")(w, q)
							return
						}
						for k, v := range header() {
							w.Header()[k] = v
						}
						sayError(w, status, "TooManyRequests", "slow down")
					}
					c := o.client()
					if !c.Held().Before(time.Now()) {
						t.Error("held before anything was asked")
					}
					if err := read(t, c); err == nil {
						t.Fatal("no error")
					}
					if d := time.Until(c.Held()); d < 118*time.Second || d > 122*time.Second {
						t.Errorf("held for %s", d)
					}
					if n := polls(t, o, c, 110*time.Second, Throttled); n != 0 {
						t.Errorf("%d requests meanwhile", n)
					}
					e := wantError(t, c.SetBusy(t.Context(), "a", time.Minute), Throttled)
					if e.Status != http.StatusTooManyRequests || !strings.Contains(e.Text, "for another ") {
						t.Error(e)
					}
					busy = false
					time.Sleep(12 * time.Second)
					must(t, read(t, c))
				})
			})
		}
	}
}

func TestWithoutRetryAfterTheBoxWaitsLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := true
		o := newOffice(nil)
		o.graph = func(w http.ResponseWriter, q *http.Request) {
			if busy {
				sayError(w, http.StatusTooManyRequests, "TooManyRequests", "slow down")
				return
			}
			sayPresences("Available", "Available")(w, q)
		}
		c := o.client()
		if n := polls(t, o, c, 10*time.Minute, Throttled); n < 6 || n > 12 {
			t.Errorf("%d requests in ten minutes", n)
		}
		if n := polls(t, o, c, 20*time.Minute, Throttled); n < 3 || n > 5 {
			t.Errorf("%d requests in twenty minutes more: it waits for five at most", n)
		}
		busy = false
		time.Sleep(heldLast)
		must(t, read(t, c))
		busy = true
		wantError(t, read(t, c), Throttled)
		if d := time.Until(c.Held()); d != heldFirst {
			t.Errorf("held for %s after it had been well", d)
		}
	})
}

func TestNobodyHasTheBoxWaitForEver(t *testing.T) {
	now := time.Now()
	for _, text := range []string{"999999999999999999", "86400", now.AddDate(5, 0, 0).UTC().Format(http.TimeFormat)} {
		var h hold
		if h.refused(http.Header{"Retry-After": {text}}, now); h.until.Sub(now) != heldLongest {
			t.Errorf("%s: held for %s", text, h.until.Sub(now))
		}
	}
	for _, text := range []string{"", "-5", "soon", "1.5", "0x10"} {
		var h hold
		if h.refused(http.Header{"Retry-After": {text}}, now); h.until.Sub(now) != heldFirst {
			t.Errorf("%q: held for %s", text, h.until.Sub(now))
		}
	}
	var h hold
	if h.refused(http.Header{"Retry-After": {now.Add(-time.Hour).UTC().Format(http.TimeFormat)}}, now); h.until.After(now) {
		t.Errorf("held until %s for a date in the past", h.until)
	}
}

// Ten minutes of refused sign-ins, as of refused requests.
func TestTheSignInServiceLimitsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(sayPresences("Available", "Available"))
		o.signIn = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "60")
			saySignIn(w, http.StatusTooManyRequests, "temporarily_unavailable", 90055, "Throttled.")
			return true
		}
		c := o.client()
		polls(t, o, c, 10*time.Minute, Throttled)
		if n := o.signedIn(); n < 9 || n > 11 {
			t.Errorf("%d sign-ins in ten minutes", n)
		}
	})
}

func TestGraphThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(nil)
		o.graph = func(w http.ResponseWriter, q *http.Request) {
			linger(q.Context(), 30*time.Second)
			sayPresences("Available", "Available")(w, q)
		}
		start := time.Now()
		e := wantError(t, read(t, o.client()), Network)
		if d := time.Since(start); d != requestTime || e.Text != "no answer in time" {
			t.Errorf("%v after %s", e, d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := o.client().Presences(ctx, []string{"a"}, nil); err == nil || time.Since(start) != time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}
