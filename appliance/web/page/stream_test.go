package page

import (
	"net/http/httptest"
	"testing"
	"time"
)

// deadlines are those that an answer is given.
type deadlines struct {
	*httptest.ResponseRecorder
	list []time.Time
}

func (w *deadlines) SetWriteDeadline(at time.Time) error {
	w.list = append(w.list, at)
	return nil
}

func TestBetweenTwoEventsThereIsNoDeadline(t *testing.T) {
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	q := &Request{w: w}
	q.Stream()
	if !w.Flushed || len(w.list) != 2 || w.list[0].IsZero() || !w.list[1].IsZero() {
		t.Errorf("flushed: %v, deadlines: %v", w.Flushed, w.list)
	}
}
