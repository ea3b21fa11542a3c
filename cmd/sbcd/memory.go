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

// boundMemory holds the process below memoryLimit for as long as that costs little. What is really in use is more on a box with hundreds of
// calls a second; a fixed limit near to it keeps the collector running without end (400 calls a second cost twice the CPU time).
func boundMemory(ctx context.Context) {
	debug.SetGCPercent(200) // half the collector's work; an idle box has the same 18 MiB
	debug.SetMemoryLimit(memoryLimit)
	go func() {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}} // after the last collection
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				metrics.Read(live)
				debug.SetMemoryLimit(allowed(live[0].Value.Uint64()))
			}
		}
	}()
}

// allowed leaves the collector as much again as what is in use.
func allowed(live uint64) int64 { return max(memoryLimit, 2*int64(live)) }
