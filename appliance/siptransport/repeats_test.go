package siptransport

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// paperLog is a log that is read in between.
type paperLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *paperLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *paperLog) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.buf.String()
	l.buf.Reset()
	return s
}

func TestRepeatedLinesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out paperLog
		r := NewRepeats(slog.New(slog.NewTextHandler(&out, nil)))
		for n := range 1000 {
			r.Log(slog.LevelWarn, "request refused", "192.0.2.1", "x", "peer", fmt.Sprint("192.0.2.1:", n))
		}
		r.Log(slog.LevelWarn, "request refused", "192.0.2.2", "x", "peer", "192.0.2.2:5060")
		if n := strings.Count(out.take(), "\n"); n != repeatFirst+1 {
			t.Errorf("%d lines", n)
		}
		time.Sleep(repeatWindow + time.Second)
		synctest.Wait()
		if got := out.take(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "repeated=995") || !strings.Contains(got, "peer=192.0.2.1:999") {
			t.Error(got)
		}
		time.Sleep(2 * repeatWindow)
		synctest.Wait()
		r.mu.Lock()
		if len(r.seen)+len(r.last) != 0 {
			t.Errorf("%d subjects are still counted", len(r.seen))
		}
		r.mu.Unlock()
		for n := range 100000 {
			r.Log(slog.LevelWarn, "request refused", fmt.Sprint(n), "x", "peer", n)
		}
		if n := strings.Count(out.take(), "\n"); n > maxRepeats+repeatFirst || len(r.seen) > maxRepeats+1 {
			t.Errorf("%d lines, %d subjects of 100,000 sources", n, len(r.seen))
		}
	})
}
