package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// timed is an answer that remembers until when the request has to come.
type timed struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (w *timed) SetReadDeadline(t time.Time) error  { w.until = t; return nil }
func (w *timed) SetWriteDeadline(t time.Time) error { return nil }

// Over HTTP/1.1 a limit of time for the request that is left behind ends a stream, or an answer that takes longer.
func TestARequestThatHasComeIsNotTimed(t *testing.T) {
	r := newRig(t)
	cookie, token := r.in("technician")
	form := url.Values{"csrf": {token}, "language": {"de"}}
	for _, q := range []*http.Request{r.request("GET", "/who", nil), r.request("POST", "/language", form)} {
		w := &timed{ResponseRecorder: httptest.NewRecorder()}
		if r.handler.ServeHTTP(w, with(q, cookie)); w.Code >= 400 || !w.until.IsZero() {
			t.Errorf("%s: %d, until %s", q.URL.Path, w.Code, w.until)
		}
	}
	slow := with(r.request("POST", "/who/x", nil), cookie)
	slow.Header.Set("Content-Type", "application/octet-stream")
	slow.Header.Set("X-CSRF-Token", token)
	slow.Body, slow.ContentLength = http.NoBody, 5 // it was announced, and nobody has read it to its end
	w := &timed{ResponseRecorder: httptest.NewRecorder()}
	if r.handler.ServeHTTP(w, slow); w.until.IsZero() {
		t.Error("a body may come for ever")
	}
}
