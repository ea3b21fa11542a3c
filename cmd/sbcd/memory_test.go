package main

import (
	"runtime/metrics"
	"testing"
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
