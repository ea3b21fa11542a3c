package web

import (
	"context"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// slowly is an answer that notes the deadline which it is under.
type slowly struct {
	*httptest.ResponseRecorder
	mu       sync.Mutex
	flushed  int
	deadline time.Time
	after    int // deadlines since the last flush
}

func (w *slowly) SetWriteDeadline(at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = at
	w.after++
	return nil
}

func (w *slowly) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushed++
	w.after = 0
	return nil
}

// HTTP/2 resets a stream at its deadline, also while nothing is written: whoever watches a box on which nothing happens would read every ten seconds
// that it does not answer.
func TestSilenceDoesNotEndTheStream(t *testing.T) {
	r := newRig(t)
	cookie, _ := r.in("viewer")
	ctx, cancel := context.WithCancel(t.Context())
	w := &slowly{ResponseRecorder: httptest.NewRecorder()}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.handler.ServeHTTP(w, with(r.request("GET", "/live?t=frame.alarms", nil), cookie).WithContext(ctx))
	}()
	eventually(t, "between two events there is no deadline", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.flushed > 0 && w.after == 1 && w.deadline.IsZero()
	})
	cancel()
	<-ended
}
