package web

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
)

// A step is shown when it ends, not when the check does.
func TestStepsOfACheckComeAsTheyEnd(t *testing.T) {
	r := newRig(t)
	seen := make(chan struct{})
	r.sbcd.check = func(say func(wire.Answer)) {
		say(wire.Answer{Text: `{"id":"link","title":"link of eth00","state":"ok"}` + "\n"})
		<-seen
		say(wire.Answer{Text: `{"of":"pbx","ended":"2026-11-30T01:00:00Z","steps":[]}` + "\n"})
		say(wire.Answer{Done: true, Status: wire.OK})
	}
	cookie, token := r.in("viewer")
	q := with(r.request("POST", "/checks/run", url.Values{"csrf": {token}, "of": {"pbx"}}), cookie)
	q.Header.Set("X-Viaduct", "script")
	w := &parts{ResponseRecorder: httptest.NewRecorder(), each: make(chan string, 8)}
	go func() {
		defer close(w.each)
		r.handler.ServeHTTP(w, q)
	}()
	if first := w.next(t); !strings.HasPrefix(first, "event: step\n") || !strings.Contains(first, "link of eth00") {
		t.Errorf("the first is %q", first)
	}
	close(seen)
	if last := w.next(t); !strings.HasPrefix(last, "event: end\n") {
		t.Errorf("the last is %q", last)
	}
	if more := w.next(t); more != "" {
		t.Errorf("after the last comes %q", more)
	}
}

// parts is an answer that hands on each event when it is sent.
type parts struct {
	*httptest.ResponseRecorder
	each chan string
}

// next is the next event; "" is the end of the answer.
func (w *parts) next(t *testing.T) string {
	t.Helper()
	select {
	case text := <-w.each:
		return text
	case <-time.After(2 * time.Minute):
		t.Fatal("nothing comes")
	}
	return ""
}

func (*parts) SetWriteDeadline(time.Time) error { return nil }

func (w *parts) FlushError() error {
	if text := w.Body.String(); text != "" {
		w.Body.Reset()
		w.each <- text
	}
	return nil
}
