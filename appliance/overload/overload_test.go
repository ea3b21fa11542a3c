package overload

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/status"
)

// box is a plain queue: calls come at a rate, and one after the other takes its time of the one processor. Refusing a call takes some, too.
type box struct {
	c        Controller
	episodes []Episode
	queue    []time.Time // when the calls came that are let in and not handled
	carried  int
	refused  int
	waits    []time.Duration
	pause    func(at time.Duration) time.Duration // of the processor, before each call; nil: none
}

const (
	handling = time.Millisecond // a call: 1,000 a second at best
	refusing = 50 * time.Microsecond
)

// run offers calls for a while, at random times.
func (b *box) run(perSecond float64, length time.Duration) {
	start := time.Now()
	next := start
	r := rand.New(rand.NewPCG(1, 2))
	for time.Since(start) < length || len(b.queue) > 0 {
		for !next.After(time.Now()) {
			if next = next.Add(time.Duration(r.ExpFloat64() / perSecond * float64(time.Second))); next.Sub(start) > length {
				next = start.Add(1000 * time.Hour)
			}
			if !b.c.Admits(time.Now()) {
				b.refused++
				time.Sleep(refusing)
				continue
			}
			b.c.Came(time.Now())
			b.queue = append(b.queue, time.Now())
		}
		if len(b.queue) == 0 {
			time.Sleep(max(0, min(time.Until(next), length-time.Since(start))))
			continue
		}
		if b.pause != nil {
			time.Sleep(b.pause(time.Since(start)))
		}
		time.Sleep(handling)
		b.c.Handled(b.queue[0], time.Now())
		b.waits = append(b.waits, time.Since(b.queue[0]))
		b.queue = b.queue[1:]
		b.carried++
	}
}

func newBox() *box {
	b := &box{}
	b.c.OnChange(func(e Episode) { b.episodes = append(b.episodes, e) })
	return b
}

// However many calls come, the box carries nine tenths of what it can, and those that it takes do not wait.
func TestThroughputStaysUnderOverload(t *testing.T) {
	for _, times := range []float64{1.1, 1.2, 1.5, 3} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox()
			const length = 20 * time.Second
			b.run(1000*times, length)
			if least := 0.9 * length.Seconds() * 1000 * (1 - (times-1)*refusing.Seconds()/handling.Seconds()); float64(b.carried) < least {
				t.Errorf("%.1f times what it carries: %d carried, %d refused, want %.0f at least", times, b.carried, b.refused, least)
			}
			settled := slices.Clone(b.waits[3000:])
			slices.Sort(settled)
			if p99 := settled[len(settled)*99/100]; p99 > 4*aim {
				t.Errorf("%.1f times what it carries: calls wait for %v", times, p99)
			}
			if len(b.episodes) != 1 || b.episodes[0].Over {
				t.Errorf("%.1f times what it carries: episodes %+v", times, b.episodes)
			}
		})
	}
}

// A pause, as of the garbage collector, costs its own time and no more: the rate is what it was before.
func TestThroughputStaysThroughPauses(t *testing.T) {
	const every, pause = 1500 * time.Millisecond, 80 * time.Millisecond
	for _, times := range []float64{1.3, 1.5, 2} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox()
			var next time.Duration
			b.pause = func(at time.Duration) time.Duration {
				if at < next {
					return 0
				}
				next = at + every
				return pause
			}
			const length = 20 * time.Second
			b.run(1000*times, length)
			able := length.Seconds() * 1000 * (1 - (times-1)*refusing.Seconds()/handling.Seconds()) * (1 - pause.Seconds()/every.Seconds())
			if float64(b.carried) < 0.97*able {
				t.Errorf("%.1f times what it carries: %d carried, want %.0f at least", times, b.carried, 0.97*able)
			}
		})
	}
}

// Below what the box carries nothing is refused: not with chance's bursts, nor while garbage is collected.
func TestNobodyIsRefusedWithoutNeed(t *testing.T) {
	for name, pause := range map[string]func(time.Duration) time.Duration{
		"bursts": nil,
		"collections": func() func(time.Duration) time.Duration {
			var next time.Duration
			return func(at time.Duration) time.Duration {
				if at < next {
					return 0
				}
				next = at + 3*time.Second
				return 250 * time.Millisecond
			}
		}(),
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox()
			b.pause = pause
			b.run(700, 30*time.Second)
			if b.refused > 0 || len(b.episodes) > 0 {
				t.Errorf("%s: %d refused, %+v", name, b.refused, b.episodes)
			}
		})
	}
}

// When the overload is over, all calls are let in again, and the end is told once, with what it has cost.
func TestSheddingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		b.run(2000, 5*time.Second)
		if f := b.c.Figures(time.Now()); f.State != status.Shedding || f.Rate == 0 || f.Since.IsZero() || f.Refused != uint64(b.refused) {
			t.Fatalf("after the overload: %+v", f)
		}
		before := b.refused
		time.Sleep(burst) // there is room for a burst again
		b.run(300, 10*time.Second)
		if b.refused > before || b.c.State() != status.Calm {
			t.Errorf("%d refused afterwards, state %v", b.refused-before, b.c.State())
		}
		if n := len(b.episodes); n != 2 || !b.episodes[1].Over || b.episodes[1].Refused != uint64(before) || b.episodes[1].Since != b.episodes[0].Since {
			t.Errorf("episodes %+v", b.episodes)
		}
	})
}

// No call need come for the end to be seen: whoever looks, sees it.
func TestSheddingEndsWithoutCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		b.run(2000, 5*time.Second)
		time.Sleep(relieved*interval + 2*time.Second)
		if f := b.c.Figures(time.Now()); f.State != status.Calm || f.Rate != 0 || !f.Since.IsZero() {
			t.Errorf("figures %+v", f)
		}
	})
}

// A box that handles nothing at all, which no handled call can tell, lets nothing in.
func TestABoxThatStandsStillLetsNothingIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Controller
		admitted := 0
		for range 5000 {
			if c.Admits(time.Now()) {
				c.Came(time.Now())
				admitted++
			}
			time.Sleep(time.Millisecond)
		}
		if c.State() != status.Shedding || admitted > 1000 {
			t.Errorf("%v, %d let in", c.State(), admitted)
		}
	})
}

func TestRefusalsAreRememberedForAWhile(t *testing.T) {
	now := time.Now()
	r := NewRecent()
	if r.Has("a", now) {
		t.Error("nothing was added")
	}
	r.Add("a", now)
	for after, want := range map[time.Duration]bool{0: true, remembered - time.Second: true, remembered + time.Second: true} {
		if r.Has("a", now.Add(after)) != want || r.Has("b", now.Add(after)) {
			t.Errorf("after %v: %v", after, !want)
		}
	}
	if r.Has("a", now.Add(3*remembered)) {
		t.Error("it is remembered for ever")
	}
	for i := range 3 * recentMost {
		r.Add(string([]byte{byte(i), byte(i >> 8), byte(i >> 16)}), now.Add(3*remembered))
	}
	if n := len(r.newer) + len(r.old); n > 2*recentMost {
		t.Errorf("%d keys are kept", n)
	}
}
