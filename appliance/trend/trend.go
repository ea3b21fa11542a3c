// Package trend keeps how the box did over the last day: calls, licenses, registrations and load, in points of five minutes.
//
// It is told of samples that are taken for the alarms anyway, and keeps them in memory of fixed size: a restart begins anew. It owns the
// points. It does not own the counts of calls (traffic), nor how the points are shown. It reads no clock and has no goroutine: places in
// time are durations since the start, so that a step of the clock moves all points and loses none.
package trend

import (
	"sync"
	"time"

	"viaduct/appliance/status"
)

// A day is kept in spans.
const (
	span  = 5 * time.Minute
	spans = int(24 * time.Hour / span)
)

// Trend keeps the points of the last day. The zero value is empty. Its methods are safe for concurrent use.
type Trend struct {
	mu     sync.Mutex
	points [spans]point // by number modulo spans
	began  bool
	first  time.Duration // of the first sample
	last   Sample
	begun  int // calls since the start, at most so many as were seen
}

// Sample is how the box does at one moment.
type Sample struct {
	At            time.Duration // since the start, by a clock that is never set
	Calls         int           // in progress
	Ended         int           // calls since the start
	Failed        int           // of them, those that nobody answered
	Pools         []status.Pool // of licenses
	Registrations []status.Registration
	Peers         []status.Peer
	Processors    []status.Processor
	Memory        uint64 // in use by sbcd
	RAM           status.Space
}

// point is a span. A point without samples is none.
type point struct {
	number  int
	samples int
	status.TrendPoint
	busy, all time.Duration // of all processors
}

// Look takes a sample. Samples come in the order of their time.
func (t *Trend) Look(s Sample) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.last
	if !t.began { // calls are counted from the start on, processors from the first sample on
		t.began, t.first, before = true, s.At, Sample{Processors: s.Processors}
	}
	n := int(s.At / span)
	p := &t.points[n%spans]
	if p.samples == 0 || p.number != n {
		*p = point{number: n}
	}
	p.samples++
	// A call that ends between the two counts is in both, or in none.
	begun := max(t.begun, s.Ended+s.Calls)
	p.Begun += begun - t.begun
	p.Failed += max(0, s.Failed-before.Failed)
	p.Calls = max(p.Calls, s.Calls)
	for _, pool := range s.Pools {
		p.uses(pool)
	}
	p.peers(s)
	p.load(before.Processors, s.Processors)
	p.Memory = max(p.Memory, s.Memory)
	if p.samples == 1 || s.RAM.Free < p.RAMFree {
		p.RAMFree = s.RAM.Free
	}
	t.begun, t.last = begun, s
}

func (p *point) uses(pool status.Pool) {
	switch pool.Name {
	case status.SessionPool:
		p.Sessions = max(p.Sessions, pool.Alloc)
	case status.ChannelPool:
		p.Channels = max(p.Channels, pool.Alloc)
	}
}

// peers takes the worst moment: what was away for ten seconds is to be seen.
func (p *point) peers(s Sample) {
	var registered, unregistered, up, down int
	for _, r := range s.Registrations {
		if r.State == status.Registered {
			registered++
		} else {
			unregistered++
		}
	}
	for _, x := range s.Peers {
		switch x.State {
		case status.PeerUp:
			up++
		case status.PeerDown, status.PeerRefuses:
			down++
		}
	}
	if p.samples == 1 {
		p.Registered, p.PeersUp = registered, up
	}
	p.Registered, p.Unregistered = min(p.Registered, registered), max(p.Unregistered, unregistered)
	p.PeersUp, p.PeersDown = min(p.PeersUp, up), max(p.PeersDown, down)
}

// load adds what the processors did between two samples.
func (p *point) load(before, now []status.Processor) {
	if len(before) != len(now) {
		return // one was switched on or off
	}
	var busy, all time.Duration
	for n := range now {
		b, i := now[n].Busy-before[n].Busy, now[n].Idle-before[n].Idle
		if b < 0 || i < 0 {
			return
		}
		busy, all = busy+b, all+b+i
	}
	if all == 0 {
		return
	}
	p.busy, p.all = p.busy+busy, p.all+all
	p.CPU = percent(p.busy, p.all)
	p.CPUMost = max(p.CPUMost, percent(busy, all))
}

// percent has one decimal.
func percent(part, all time.Duration) float64 {
	return float64(int64(1000*float64(part)/float64(all)+0.5)) / 10
}

// Day returns the points of the last day, the oldest first. at is the present moment since the start, and now the same by the clock: points
// have their times by that, even if the clock was wrong then.
func (t *Trend) Day(at time.Duration, now time.Time) status.Trend {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := status.Trend{Every: span, Points: []status.TrendPoint{}}
	if !t.began {
		return d
	}
	d.Since = clock(t.first, at, now)
	for n := max(0, int(at/span)-spans+1); n <= int(at/span); n++ {
		if p := &t.points[n%spans]; p.samples > 0 && p.number == n {
			v := p.TrendPoint
			v.At = clock(time.Duration(n)*span, at, now)
			d.Points = append(d.Points, v)
		}
	}
	return d
}

// clock is a moment by the clock, in whole seconds so that it does not waver.
func clock(moment, at time.Duration, now time.Time) time.Time {
	return now.Add(moment - at).Round(time.Second)
}
