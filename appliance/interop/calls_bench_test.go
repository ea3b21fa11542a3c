package interop

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"viaduct/appliance/media/mediatest"
)

// BenchmarkCalls sends calls from a Teams hub over TLS through the box to a PBX over UDP: INVITE, 180, 200, ACK, BYE, at once or after
// two seconds of nothing, with media set up on both sides (SRTP and RTP). The PBX is SIPp, the hub the generator of hub_test.go; CPU and
// memory are those of sbcd alone.
func BenchmarkCalls(b *testing.B) {
	rates := []int{300, 500, 900}
	if *loadRate > 0 {
		rates = []int{*loadRate}
	}
	for _, rate := range rates {
		for _, hold := range []time.Duration{0, 2 * time.Second} {
			b.Run(fmt.Sprintf("%d/hold=%v", rate, hold), func(b *testing.B) { callsAtRate(b, rate, hold) })
		}
	}
}

func callsAtRate(b *testing.B, rate int, hold time.Duration) {
	length := time.Duration(*loadSeconds) * time.Second
	ctx, cancel := context.WithTimeout(b.Context(), length+time.Minute)
	defer cancel()
	l := newLoad(b, ctx, loadOptions{calls: 10*rate + rate*int(hold/time.Second), pinned: true})
	pid := l.box.PID()
	pbx := l.pbx()
	h := l.hub(hold)
	var memory []int // octets, every ten seconds
	before, own := mediatest.OnFirst(b, pid), mediatest.CPU(b, os.Getpid())+mediatest.CPU(b, pbx.Cmd.Process.Pid)
	n, took := h.load(rate, length, func(passed time.Duration) {
		if int(passed/(10*time.Second)) > len(memory) {
			memory = append(memory, mediatest.Resident(b, pid))
		}
	})
	busy := mediatest.CPU(b, os.Getpid()) + mediatest.CPU(b, pbx.Cmd.Process.Pid) - own
	h.finish(n)
	used := mediatest.OnFirst(b, pid) - before
	b.ReportMetric(float64(mediatest.Resident(b, pid))/(1<<20), "MiB-at-end")
	h.abandon()
	time.Sleep(2 * time.Second) // SIPp's calls end
	if err := pbx.Stop(10 * time.Second); err != nil {
		b.Logf("sipp: %v", err)
	}
	far := l.statistics()
	if err := l.box.WaitAlloc(ctx, "sip-sessions", 0); err != nil {
		b.Error(err)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(n)/took.Seconds(), "calls/s")
	b.ReportMetric(float64(h.failed.Load()), "failures")
	b.ReportMetric(used.Seconds()*1000/float64(n), "CPU-ms/call")
	b.ReportMetric(100*busy.Seconds()/took.Seconds(), "generator-busy-%")
	h.report(b)
	if len(memory) > 4 { // the timers of a transaction run for 32 s
		b.ReportMetric(float64(memory[3])/(1<<20), "MiB-at-40s")
	}
	if h.failed.Load() > 0 || len(h.complaints) > 0 {
		b.Errorf("%d of %d calls failed: %v", h.failed.Load(), n, h.complaints)
	}
	if far["SuccessfulCall"] != n || far["FailedCall"] != 0 {
		b.Errorf("the PBX saw %d calls go well and %d fail, of %d", far["SuccessfulCall"], far["FailedCall"], n)
	}
}

// load begins calls at a rate and returns how many, in what time. It runs during all the while.
func (h *hub) load(rate int, length time.Duration, during func(passed time.Duration)) (n int, took time.Duration) {
	start := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ; time.Since(start) < length; <-tick.C {
		for due := int(time.Since(start).Seconds() * float64(rate)); n < due; n++ {
			h.call(n)
		}
		during(time.Since(start))
	}
	return n, time.Since(start)
}

// finish waits until calls have ended, for ten seconds at most.
func (h *hub) finish(calls int) {
	for deadline := time.Now().Add(10 * time.Second); h.ended.Load()+h.failed.Load() < int64(calls) && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
}

// report makes the time from INVITE to 200 the benchmark's.
func (h *hub) report(b *testing.B) {
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.Sort(h.setups)
	for _, p := range []struct {
		name string
		of   float64
	}{{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}} {
		if n := len(h.setups); n > 0 {
			b.ReportMetric(float64(h.setups[int(float64(n-1)*p.of)].Microseconds())/1000, "ms-setup-"+p.name)
		}
	}
}
