package interop

import (
	"context"
	"testing"
	"time"

	"viaduct/appliance/media/mediatest"
)

// BenchmarkOverload offers one and a half times as many calls a second as the box carries at best (or -rate), while 50 calls are in
// progress, with voice and refreshes. Calls may be refused then, with 503 and Retry-After, and nothing else may go wrong.
func BenchmarkOverload(b *testing.B) {
	const held, refreshes = 50, 10 // calls in progress, refreshes a second
	length := 10 * time.Second
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	l := newLoad(b, ctx, loadOptions{calls: 20000, pinned: true})
	pid := l.box.PID()
	inProgress, plan := l.talk(held, length)
	best, rate := 0.0, *loadRate
	if rate == 0 {
		best = l.best()
		rate = int(1.5 * best)
	}
	g, h := l.generator(), l.hub(0)
	type outcome struct {
		calls, answered, refreshed int
	}
	loaded := make(chan outcome)
	go func() {
		var o outcome
		calls := inProgress.all()
		o.calls, _ = h.load(rate, length, func(passed time.Duration) {
			for ; o.refreshed < int(passed.Seconds()*refreshes); o.refreshed++ {
				inProgress.refresh(calls[o.refreshed%held], 2+o.refreshed/held)
			}
		})
		o.answered = int(h.answered.Load())
		loaded <- o
	}()
	result, _ := g.Run(b, plan, func() time.Duration { return 0 })
	o := <-loaded
	h.finish(o.calls)
	h.abandon()
	peak := mediatest.Resident(b, pid)

	mediatest.Metric(b, 0, "ns/op")
	if best > 0 {
		mediatest.Metric(b, best, "calls/s-best")
	}
	mediatest.Metric(b, float64(o.calls)/length.Seconds(), "calls/s-offered")
	mediatest.Metric(b, float64(o.answered)/length.Seconds(), "calls/s-carried")
	mediatest.Metric(b, 100*float64(len(h.refusals))/float64(o.calls), "refused-%")
	mediatest.Metric(b, float64(peak)/(1<<20), "MiB-at-end")
	h.report(b, "setup", h.setups)
	h.report(b, "503", h.refusals)
	h.report(b, "503-settled", h.settled)
	inProgress.report(b, "refresh", inProgress.refreshes)
	mediatest.Metric(b, float64(result.Sent-result.Received), "lost-packets")
	mediatest.Metric(b, float64(result.P99.Microseconds())/1000, "ms-media-p99")
	if h.failed.Load() > 0 || len(h.complaints) > 0 {
		b.Errorf("%d of %d calls failed otherwise than by 503 with Retry-After: %v", h.failed.Load(), o.calls, h.complaints)
	}
	if result.Sent != result.Received || result.Bad > 0 {
		b.Errorf("calls in progress lost %d of %d packets, %d came damaged", result.Sent-result.Received, result.Sent, result.Bad)
	}
	if len(inProgress.refreshes) != o.refreshed || len(inProgress.complaints) > 0 || inProgress.over() > 0 {
		b.Errorf("of %d refreshes %d were answered: %v", o.refreshed, len(inProgress.refreshes), inProgress.complaints)
	}
	after := l.hub(0)
	n, _ := after.load(20, 2*time.Second, func(time.Duration) {})
	after.finish(n)
	after.wantAll(b, n)
}

// best is the most calls a second that the box answers: it is offered more and more until it answers less than it is offered. Between
// steps most of the ports that a step has used come to rest, and its connections end: neither limit is what is asked for.
func (l *load) best() (most float64) {
	l.b.Helper()
	const step, pause = 3 * time.Second, 5 * time.Second
	for rate := 500.0; ; rate *= 1.2 {
		h := l.hub(0)
		n, took := h.load(int(rate), step, func(time.Duration) {})
		carried := float64(h.answered.Load()) / took.Seconds()
		most = max(most, carried)
		h.finish(n)
		h.abandon()
		h.close()
		time.Sleep(pause)
		if carried < 0.95*rate {
			time.Sleep(pause)
			return most
		}
	}
}
