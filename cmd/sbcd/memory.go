package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"syscall"
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

// profileMemory collects garbage and writes what is left at each SIGUSR1, in the form that ends with the runtime's own figures.
func profileMemory(file string) func(context.Context) error {
	return func(ctx context.Context) error {
		wanted := make(chan os.Signal, 1)
		signal.Notify(wanted, syscall.SIGUSR1)
		defer signal.Stop(wanted)
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-wanted:
				runtime.GC()
				if err := writeHeap(file); err != nil {
					return err
				}
			}
		}
	}
}

// writeHeap writes a heap profile that appears as a whole.
func writeHeap(file string) error {
	f, err := os.Create(file + ".part")
	if err != nil {
		return fmt.Errorf("heap profile: %w", err)
	}
	if err := errors.Join(pprof.Lookup("heap").WriteTo(f, 1), f.Close(), os.Rename(f.Name(), file)); err != nil {
		return fmt.Errorf("heap profile: %w", err)
	}
	return nil
}
