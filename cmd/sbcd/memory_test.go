package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The limit never comes so near to what is in use that the collector runs without end.
func TestMemoryLimitLeavesRoom(t *testing.T) {
	for live, want := range map[uint64]int64{0: 176 << 20, 18 << 20: 176 << 20, 88 << 20: 176 << 20, 150 << 20: 300 << 20, 400 << 20: 800 << 20} {
		if got := allowed(live); got != want {
			t.Errorf("%d MiB in use: %d MiB, want %d", live>>20, got>>20, want>>20)
		}
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	if metrics.Read(live); live[0].Value.Kind() != metrics.KindUint64 {
		t.Error("the runtime does not say what is in use")
	}
}

func TestHeapProfileAtEachSignal(t *testing.T) {
	beforehand := make(chan os.Signal, 1) // without a listener the signal would end the test
	signal.Notify(beforehand, unix.SIGUSR1)
	defer signal.Stop(beforehand)
	file := filepath.Join(t.TempDir(), "heap")
	if err := writeHeap(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(text), "heap profile: ") || !strings.Contains(string(text), "\n# HeapAlloc = ") {
		t.Fatalf("%v, %.100s", err, text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- profileMemory(filepath.Join(file, "below a file"))(ctx) }()
	for asked := time.NewTicker(10 * time.Millisecond); ; { // the first may come before it listens
		select {
		case err := <-ended:
			if err == nil {
				t.Error("a profile that cannot be written is no error")
			}
			cancel()
			return
		case <-asked.C:
			if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
				t.Fatal(err)
			}
		}
	}
}
