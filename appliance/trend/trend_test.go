package trend

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"viaduct/appliance/status"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func TestATrendIsEmptyAtTheStart(t *testing.T) {
	if d := new(Trend).Day(time.Hour, noon); len(d.Points) != 0 || d.Points == nil || !d.Since.IsZero() || d.Every != 5*time.Minute {
		t.Errorf("%+v", d)
	}
}

func sample(at time.Duration) Sample {
	return Sample{At: at, Processors: []status.Processor{{Busy: at / 4, Idle: at * 3 / 4}}}
}

func TestPointsHaveTheWorstMoment(t *testing.T) {
	var x Trend
	reg := func(states ...status.RegistrationState) (list []status.Registration) {
		for _, s := range states {
			list = append(list, status.Registration{State: s})
		}
		return list
	}
	s := sample(10 * time.Second)
	s.Calls, s.Pools = 2, []status.Pool{{Name: "sip-sessions", Alloc: 2}, {Name: "srtp-channels", Alloc: 1}, {Name: "other", Alloc: 99}}
	s.Registrations, s.Memory, s.RAM = reg(status.Registered, status.Registered), 7, status.Space{Free: 50, Total: 90}
	s.Peers = []status.Peer{{State: status.PeerUp}, {State: status.PeerUnasked}, {State: status.PeerDown}}
	x.Look(s)
	s = sample(20 * time.Second)
	s.Processors[0] = status.Processor{Busy: 2500*time.Millisecond + 10*time.Second, Idle: 7500 * time.Millisecond} // all of the ten seconds
	s.Calls, s.Ended, s.Failed, s.Registrations, s.RAM.Free = 1, 3, 2, reg(status.Registered, status.RegistrationFailed), 40
	s.Peers = []status.Peer{{State: status.PeerRefuses}, {State: status.PeerDown}}
	x.Look(s)
	want := []status.TrendPoint{{
		At: noon.Add(-20 * time.Second), Calls: 2, Begun: 4, Failed: 2, Sessions: 2, Channels: 1, Registered: 1, Unregistered: 1, PeersUp: 0, PeersDown: 2,
		CPU: 100, CPUMost: 100, Memory: 7, RAMFree: 40,
	}}
	if d := x.Day(20*time.Second, noon); !reflect.DeepEqual(d.Points, want) || !d.Since.Equal(noon.Add(-10*time.Second)) {
		t.Errorf("%+v\nwant %+v", d, want)
	}
}

// A call that ends while the counts are taken is counted twice, then once: the calls that have begun never become fewer.
func TestCallsThatAreCountedTwice(t *testing.T) {
	var x Trend
	for n, c := range [][2]int{{1, 0}, {1, 1}, {0, 1}, {1, 1}, {1, 1}} {
		x.Look(Sample{At: time.Duration(n) * time.Second, Calls: c[0], Ended: c[1]})
	}
	if p := x.Day(5*time.Second, noon).Points; len(p) != 1 || p[0].Begun != 2 {
		t.Errorf("%+v", p)
	}
}

// TestTrendAgainstAModel compares with a model that keeps every sample. Samples are left out for hours at times, the clock is set, and the
// days go by.
func TestTrendAgainstAModel(t *testing.T) {
	random := rand.New(rand.NewPCG(15, 1))
	for run := range 200 {
		var x Trend
		var all []Sample
		at := time.Duration(random.IntN(300)) * time.Second
		now := noon
		for range random.IntN(600) {
			step := time.Duration(1+random.IntN(120)) * time.Second
			switch random.IntN(60) {
			case 0: // nothing was asked meanwhile
				step = time.Duration(random.IntN(40)) * time.Hour
			case 1: // the clock was set
				now = now.Add(time.Duration(random.IntN(2000)-1000) * time.Hour)
			}
			at, now = at+step, now.Add(step)
			s := sample(at)
			s.Calls, s.RAM.Free = random.IntN(5), uint64(random.IntN(9))
			if len(all) > 0 {
				before := all[len(all)-1]
				s.Ended = before.Ended + random.IntN(before.Calls+2)
				s.Failed = before.Failed + random.IntN(s.Ended-before.Ended+1)
			}
			x.Look(s)
			all = append(all, s)
		}
		at, now = at+time.Duration(random.IntN(400))*time.Second, now.Add(time.Hour)
		got, want := x.Day(at, now).Points, model(all, at, now)
		if len(got) != len(want) {
			t.Fatalf("run %d: %d points, want %d", run, len(got), len(want))
		}
		for n := range got {
			g, w := got[n], want[n]
			if !g.At.Equal(w.At) || g.Calls != w.Calls || g.Begun != w.Begun || g.Failed != w.Failed || g.RAMFree != w.RAMFree {
				t.Fatalf("run %d, point %d: %+v\nwant %+v", run, n, g, w)
			}
		}
	}
}

func model(all []Sample, at time.Duration, now time.Time) (points []status.TrendPoint) {
	const minutes = 5 * time.Minute
	for begin := at.Truncate(minutes) - 24*time.Hour + minutes; begin <= at; begin += minutes {
		var p *status.TrendPoint
		begun, failed := 0, 0
		for _, s := range all {
			more, lost := max(0, s.Ended+s.Calls-begun), s.Failed-failed
			begun, failed = begun+more, s.Failed
			if s.At < begin || s.At >= begin+minutes {
				continue
			}
			if p == nil {
				p = &status.TrendPoint{At: now.Add(begin - at), RAMFree: s.RAM.Free}
			}
			p.Calls, p.Begun, p.Failed, p.RAMFree = max(p.Calls, s.Calls), p.Begun+more, p.Failed+lost, min(p.RAMFree, s.RAM.Free)
		}
		if p != nil {
			points = append(points, *p)
		}
	}
	return points
}

// A processor that is switched off, or a counter that goes backwards, is no load.
func TestProcessorsThatCannotBeCompared(t *testing.T) {
	var x Trend
	x.Look(Sample{Processors: []status.Processor{{Busy: 9}, {Busy: 9}}})
	x.Look(Sample{At: 1, Processors: []status.Processor{{Busy: 50}}})
	x.Look(Sample{At: 2, Processors: []status.Processor{{Busy: 40}}})
	x.Look(Sample{At: 3, Processors: []status.Processor{{Busy: 40}}})
	if p := x.Day(4, noon).Points[0]; p.CPU != 0 || p.CPUMost != 0 {
		t.Errorf("%+v", p)
	}
	x.Look(Sample{At: 5, Processors: []status.Processor{{Busy: 43, Idle: 1}}})
	if p := x.Day(6, noon).Points[0]; p.CPU != 75 || p.CPUMost != 75 {
		t.Errorf("%+v", p)
	}
}
