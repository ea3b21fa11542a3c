package history

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/flash"
	"viaduct/appliance/health"
)

// keeping is a tracker with a history in dir.
func keeping(t *testing.T, dir string) (tracker *health.Tracker, b *Book, stop func()) {
	tracker = &health.Tracker{}
	b = Open(tracker.Events(), slog.New(slog.DiscardHandler), func() (*flash.Log, error) {
		return flash.OpenLog(flash.LogOptions{Dir: dir, Suffix: ".jsonl", Perm: 0o600, MaxTotal: 1 << 20})
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	return tracker, b, func() { synctest.Wait(); cancel(); <-done }
}

func text(b *Book) string {
	synctest.Wait()
	var out strings.Builder
	for _, e := range b.Last(kept) {
		fmt.Fprintf(&out, "%s %s %s %v x%d up %v interrupted %v\n", e.ID, e.Subject, e.Raised.UTC().Format(time.TimeOnly), e.Lasted, e.Times, e.Cleared.IsZero(), e.Interrupted)
	}
	return out.String()
}

func TestHowLongAndHowOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "alarms")
		tracker, b, stop := keeping(t, dir)
		peer := health.Args{"engine": "clock", "why": "x"}
		for range 100 { // it flaps
			tracker.Set(health.ServiceDown, peer)
			time.Sleep(10 * time.Second)
			tracker.Clear(health.ServiceDown, "clock")
			time.Sleep(10 * time.Second)
		}
		time.Sleep(joined)
		tracker.Set(health.ServiceDown, peer)
		time.Sleep(time.Minute)
		tracker.Clear(health.ServiceDown, "clock")
		tracker.Set(health.Deaf, health.Args{"why": "y"})
		time.Sleep(time.Second)
		want := "service-down clock 00:00:00 16m40s x100 up false interrupted false\nservice-down clock 01:33:20 1m0s x1 up false interrupted false\n"
		if got := text(b); got != want+"deaf  01:34:20 0s x1 up true interrupted false\n" {
			t.Errorf("%s", got)
		}
		stop()
		tracker, b, stop = keeping(t, dir)
		defer stop()
		tracker.Set(health.Deaf, health.Args{"why": "y"})
		if got := text(b); got != want+"deaf  01:34:20 0s x1 up true interrupted true\ndeaf  01:34:21 0s x1 up true interrupted false\n" {
			t.Errorf("after a restart:\n%s", got)
		}
	})
}

// However often alarms come and go, the list and what is written have a bound.
func TestTheHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		tracker, b, stop := keeping(t, dir)
		for n := range 2 * kept {
			tracker.Replace(health.ServiceDown, []health.Args{{"engine": fmt.Sprint(n), "why": strings.Repeat("\x1b[2J\n", 300)}})
			synctest.Wait()
		}
		list := b.Last(2 * kept)
		if len(list) != kept || list[kept-1].Subject != fmt.Sprint(2*kept-1) || strings.ContainsAny(list[0].Text, "\x1b\n") || len(list[0].Text) > 2000 {
			t.Errorf("%d episodes, the last %+v", len(list), list[len(list)-1])
		}
		stop()
		_, b, stop = keeping(t, dir)
		defer stop()
		if n := len(b.Last(2 * kept)); n != kept {
			t.Errorf("%d after a restart", n)
		}
	})
}
