package siptransport

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
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

// A line when it begins, one an hour, one when it ends.
func TestRepeatedLinesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out paperLog
		r := NewRepeats(slog.New(slog.NewTextHandler(&out, nil)))
		refused := func(n int) {
			r.Log(slog.LevelWarn, "request refused", "192.0.2.1", "x", "peer", fmt.Sprint("192.0.2.1:", n), "err", "x")
		}
		for n := range 1000 {
			refused(n)
		}
		r.Log(slog.LevelWarn, "request refused", "192.0.2.2", "x", "peer", "192.0.2.2:5060")
		if n := strings.Count(out.take(), "\n"); n != 2 {
			t.Errorf("%d lines", n)
		}
		for range 2*60 + 30 {
			time.Sleep(time.Minute)
			refused(7)
		}
		got := out.take()
		if strings.Count(got, "\n") != 2 || strings.Count(got, "level=WARN") != 2 || !strings.Contains(got, "peer=192.0.2.1:7 err=x repeated=10") || !regexp.MustCompile(`repeated=(59|60|61)\n`).MatchString(got) {
			t.Error(got)
		}
		time.Sleep(repeatQuiet + repeatLook)
		synctest.Wait()
		if got := out.take(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=INFO") || !strings.Contains(got, "over=true") {
			t.Error(got)
		}
		r.mu.Lock()
		if len(r.seen) != 0 {
			t.Errorf("%d subjects are still counted", len(r.seen))
		}
		r.mu.Unlock()
		for n := range 100000 {
			r.Log(slog.LevelWarn, "request refused", fmt.Sprint(n), "x", "peer", n)
		}
		if n := strings.Count(out.take(), "\n"); n > maxRepeats+1 || len(r.seen) > maxRepeats+1 {
			t.Errorf("%d lines, %d subjects of 100,000 sources", n, len(r.seen))
		}
	})
}

// Another error is worth a line, as long as it is not another one each time.
func TestAnotherErrorIsNoRepetition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out paperLog
		r := NewRepeats(slog.New(slog.NewTextHandler(&out, nil)))
		fails := func(why string) {
			r.Log(slog.LevelWarn, "TLS handshake failed", "192.0.2.1", "", "peer", "192.0.2.1", "err", why)
		}
		for _, why := range []string{"expired", "expired", "unknown issuer", "unknown issuer"} {
			fails(why)
		}
		if n := strings.Count(out.take(), "\n"); n != 2 {
			t.Errorf("%d lines", n)
		}
		for n := range 1000 {
			fails(fmt.Sprint(n))
		}
		if n := strings.Count(out.take(), "\n"); n != repeatOther-2 {
			t.Errorf("%d lines", n)
		}
	})
}
