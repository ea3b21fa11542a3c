package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// memoryLimit makes the collector work harder before floods let the process grow: what is in use stays far below, and a box of 1 GiB has other
// things to do.
const memoryLimit = 176 << 20

// limitMemory sets the first limit.
func limitMemory() {
	debug.SetGCPercent(200) // half the collector's work; an idle box has the same 18 MiB
	debug.SetMemoryLimit(memoryLimit)
}

// boundMemory holds the process below memoryLimit for as long as that costs little, until ctx ends. A box with hundreds of calls a second
// really needs more; a fixed limit near to that keeps the collector running without end (400 calls a second cost twice the CPU time).
func boundMemory(ctx context.Context) error {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}} // after the last collection
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			metrics.Read(live)
			debug.SetMemoryLimit(allowed(live[0].Value.Uint64()))
		}
	}
}

// allowed leaves the collector as much again as what is in use.
func allowed(live uint64) int64 { return max(memoryLimit, 2*int64(live)) }
