package interop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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
	var memory []int // octets, every ten seconds
	c := l.carry(rate, hold, length, func(passed time.Duration) {
		if int(passed/(10*time.Second)) > len(memory) {
			memory = append(memory, mediatest.Resident(b, l.box.PID()))
		}
	})
	mediatest.Metric(b, c.resident, "MiB-at-end")
	mediatest.Metric(b, 0, "ns/op")
	mediatest.Metric(b, float64(c.calls)/c.took.Seconds(), "calls/s")
	mediatest.Metric(b, float64(c.calls-int(c.hub.ended.Load())), "failures")
	mediatest.Metric(b, c.cost(), "CPU-ms/call")
	mediatest.Metric(b, 100*c.busy.Seconds()/c.took.Seconds(), "generator-busy-%")
	c.hub.report(b, "setup", c.hub.setups)
	if len(memory) > 4 { // the timers of a transaction run for 32 s
		mediatest.Metric(b, float64(memory[3])/(1<<20), "MiB-at-40s")
	}
}

// carried is what became of a load of calls.
type carried struct {
	hub        *hub
	calls      int
	took       time.Duration
	used, busy time.Duration // processor time of the box, and of hub and PBX
	resident   float64       // MiB
}

// cost is the box's processor time for a call in milliseconds.
func (c carried) cost() float64 { return c.used.Seconds() * 1000 / float64(c.calls) }

// carry has the box carry calls at a rate, all of which have to go well. It runs during all the while.
func (l *load) carry(rate int, hold, length time.Duration, during func(passed time.Duration)) (c carried) {
	b, pid, pbx := l.b, l.box.PID(), l.pbx()
	c.hub = l.hub(hold)
	before, own := mediatest.OnFirst(b, pid), mediatest.CPU(b, os.Getpid())+mediatest.CPU(b, pbx)
	c.calls, c.took = c.hub.load(rate, length, during)
	c.busy = mediatest.CPU(b, os.Getpid()) + mediatest.CPU(b, pbx) - own
	c.hub.finish(c.calls)
	c.used = mediatest.OnFirst(b, pid) - before
	c.resident = float64(mediatest.Resident(b, pid)) / (1 << 20)
	c.hub.abandon()
	time.Sleep(2 * time.Second) // SIPp's calls end
	l.stopPBX()
	far := l.statistics()
	if err := l.box.WaitAlloc(l.ctx, "sip-sessions", 0); err != nil {
		b.Error(err)
	}
	c.hub.wantAll(b, c.calls)
	if far["SuccessfulCall"] != c.calls || far["FailedCall"] != 0 {
		b.Errorf("the PBX saw %d calls go well and %d fail, of %d", far["SuccessfulCall"], far["FailedCall"], c.calls)
	}
	return c
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
	for deadline := time.Now().Add(10 * time.Second); h.over() < calls && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
}

// wantAll fails the benchmark when not all calls went well.
func (h *hub) wantAll(b testing.TB, calls int) {
	b.Helper()
	if int(h.ended.Load()) != calls || len(h.complaints) > 0 {
		b.Errorf("of %d calls %d went well and %d were refused with 503 and Retry-After; %v", calls, h.ended.Load(), len(h.refusals), h.complaints)
	}
}

// over is how many calls are over, one way or the other.
func (h *hub) over() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return int(h.ended.Load()+h.failed.Load()) + len(h.refusals)
}

// report makes times (of what) the benchmark's.
func (h *hub) report(b *testing.B, what string, times []time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.Sort(times)
	for _, p := range []struct {
		name string
		of   float64
	}{{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}} {
		if n := len(times); n > 0 {
			mediatest.Metric(b, float64(times[int(float64(n-1)*p.of)].Microseconds())/1000, "ms-"+what+"-"+p.name)
		}
	}
}

// BenchmarkMemory is what a call holds while it is up, and what it leaves behind for ten seconds after its end, when its transactions
// linger: of the process, garbage included, and of the heap alone.
func BenchmarkMemory(b *testing.B) {
	for _, calls := range mediatest.Sizes(b, 1000) {
		b.Run(strconv.Itoa(calls), func(b *testing.B) { memoryOf(b, calls) })
	}
}

func memoryOf(b *testing.B, calls int) {
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	profile := filepath.Join(b.TempDir(), "heap")
	l := newLoad(b, ctx, loadOptions{calls: calls, pinned: true, arguments: []string{"-memprofile", profile}})
	pid := l.box.PID()
	heap := func() int { return l.heap(profile) }
	heap() // what the first of them makes is not the calls'
	idle, idleResident := heap(), mediatest.Resident(b, pid)
	h, _ := l.talk(calls, 0)
	upResident := mediatest.Resident(b, pid)
	up := heap()
	keepProfile(b, profile, "up")
	tick := time.NewTicker(time.Second / talkRate)
	for _, c := range h.all() {
		<-tick.C
		h.bye(c)
	}
	h.finish(calls)
	h.abandon()
	h.wantAll(b, calls)
	time.Sleep(10 * time.Second)
	endedResident := mediatest.Resident(b, pid)
	ended := heap()
	keepProfile(b, profile, "ended")
	mediatest.Metric(b, 0, "ns/op")
	for _, f := range []struct {
		octets int
		unit   string
	}{
		{upResident - idleResident, "KiB/call-up"}, {up - idle, "KiB-heap/call-up"},
		{endedResident - idleResident, "KiB/call-ended"}, {ended - idle, "KiB-heap/call-ended"},
	} {
		mediatest.Metric(b, float64(f.octets)/1024/float64(calls), f.unit)
	}
}

var heapInUse = regexp.MustCompile(`# HeapAlloc = (\d+)`)

// heap is what sbcd's heap holds after a collection.
func (l *load) heap(profile string) (octets int) {
	l.b.Helper()
	if err := os.Remove(profile); err != nil && !os.IsNotExist(err) {
		l.b.Fatal(err)
	}
	if err := unix.Kill(l.box.PID(), unix.SIGUSR1); err != nil {
		l.b.Fatal(err)
	}
	l.until("heap profile", func() bool {
		text, err := os.ReadFile(profile)
		if err != nil {
			return false
		}
		found := heapInUse.FindSubmatch(text)
		if found == nil {
			l.b.Fatalf("this is no heap profile: %.200s", text)
		}
		octets, err = strconv.Atoi(string(found[1]))
		return err == nil
	})
	return octets
}

// keepProfile keeps a heap profile beside that of the processor, when one is wanted.
func keepProfile(b *testing.B, profile, name string) {
	b.Helper()
	if *loadProfile == "" {
		return
	}
	text, err := os.ReadFile(profile)
	if err == nil {
		err = os.WriteFile(*loadProfile+".heap-"+name, text, 0o644)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBoth relays the media of 500 calls while 20 calls a second are set up and end two seconds later: a box does both at once.
func BenchmarkBoth(b *testing.B) {
	const rate, hold = 20, 2 * time.Second
	calls := 500
	length := mediatest.Duration(15 * time.Second)
	ctx, cancel := context.WithTimeout(b.Context(), length+time.Minute)
	defer cancel()
	l := newLoad(b, ctx, loadOptions{calls: calls + 20*rate, pinned: true})
	pid := l.box.PID()
	_, plan := l.talk(calls, length)
	g, h := l.generator(), l.hub(hold)
	done := make(chan struct{})
	n := 0
	go func() {
		defer close(done)
		n, _ = h.load(rate, length, func(time.Duration) {})
	}()
	result, used := g.Run(b, plan, func() time.Duration { return mediatest.OnFirst(b, pid) })
	<-done
	h.finish(n)
	h.abandon()
	result.Report(b, plan, used)
	mediatest.Metric(b, float64(h.failed.Load()), "failures")
	h.report(b, "setup", h.setups)
	if result.Sent != result.Received {
		b.Errorf("%d of %d packets are lost", result.Sent-result.Received, result.Sent)
	}
	h.wantAll(b, n)
}
