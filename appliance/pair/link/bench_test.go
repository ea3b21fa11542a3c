package link

import (
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/pair"
)

// cpu is how long this process has computed.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// linkedBoxes are two whose table is empty.
func linkedBoxes(b *testing.B) (one, two *box) {
	one, two = twoBoxes(b)
	one.start()
	two.start()
	one.Lead()
	one.flush()
	return one, two
}

// BenchmarkCalls has a second of 300 calls, each put and dropped with 3 KiB, of 100 media marks, and of the words of both boxes. The figure is that of
// both boxes together, in per cent of a core.
func BenchmarkCalls(b *testing.B) {
	for _, load := range []struct {
		name         string
		calls, marks int
	}{{"words alone", 0, 0}, {"300 calls", 300, 100}} {
		b.Run(load.name, func(b *testing.B) {
			one, two := linkedBoxes(b)
			value, mark := make([]byte, 3<<10), make([]byte, 200)
			n := 0
			before, began := cpu(b), time.Now()
			for b.Loop() {
				for tick := range 100 { // of 10 ms
					for range load.calls / 100 {
						n++
						one.Sender().Put(pair.Calls, strconv.Itoa(n), value)
						one.Sender().Drop(pair.Calls, strconv.Itoa(n-1000))
					}
					for range load.marks / 100 {
						one.Sender().Put(pair.Media, strconv.Itoa(n-tick), mark)
					}
					if tick%10 == 0 {
						one.Say(pair.Word{Box: 1, Role: pair.Active, Ports: make([]pair.PortFitness, 3)})
						two.Say(pair.Word{Box: 2, Ports: make([]pair.PortFitness, 3)})
					}
					time.Sleep(10 * time.Millisecond)
				}
			}
			used, passed := cpu(b)-before, time.Since(began)
			one.flush()
			b.ReportMetric(100*used.Seconds()/passed.Seconds(), "%-of-a-core")
			b.ReportMetric(float64(n)/passed.Seconds(), "calls/s")
		})
	}
}

// BenchmarkEntries is what an entry of 3 KiB takes at the standby, and how long 10,000 take to get there.
func BenchmarkEntries(b *testing.B) {
	const entries = 10_000
	heap := func() float64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	for b.Loop() {
		one, two := twoBoxes(b)
		one.start()
		one.Lead()
		value := make([]byte, 3<<10)
		empty := heap()
		for n := range entries {
			one.Sender().Put(pair.Calls, strconv.Itoa(n), value)
		}
		active := heap() // the value is one
		two.start()
		two.until("linked", linked)
		began := time.Now()
		one.flush()
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms-to-sync")
		b.ReportMetric((active-empty)/entries, "B/entry-active")
		b.ReportMetric((heap()-active)/entries, "B/entry-standby")
		two.stop()
		one.stop()
	}
}
