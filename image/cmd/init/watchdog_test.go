package main

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// A start that takes longer than the watchdog's timeout is not reset, one that hangs is.
func TestTheWatchdogIsFedDuringTheStart(t *testing.T) {
	name := filepath.Join(t.TempDir(), "watchdog")
	fed := func(start time.Duration) int64 {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			dog := openWatchdog(name)
			defer dog.device.Close()
			stop := dog.feedFor(time.Minute)
			time.Sleep(start)
			stop()
			time.Sleep(time.Hour)
		})
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	for start, want := range map[time.Duration]int64{0: 1, 40500 * time.Millisecond: 41, time.Hour: 60} {
		if n := fed(start); n < want-1 || n > want+1 {
			t.Errorf("a start of %v: fed %d times, want %d", start, n, want)
		}
	}
}
