// Package overload decides which new calls are refused when more come than the box can carry, so that it goes on carrying as many as it can.
//
// The signal is measured: how long new calls wait between their INVITE being read and being handled. Everything that keeps the processor
// busy makes them wait, whatever it is. A short wait is a burst, or the garbage collector; one that lasts is a queue that only grows, in
// which in the end every call waits for so long that its peers repeat themselves or give up, and the box works for calls that nobody
// wants any more. Then new calls are let in at a rate which follows the signal, and the others are refused at once.
//
// The package owns the signal, the states and the rate. It does not own what a new call is, nor which calls are never refused. Time is given
// to it. It starts no goroutines.
package overload

import (
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/status"
)

const (
	interval  = 100 * time.Millisecond // of each judgement
	tolerated = 50 * time.Millisecond  // a longer wait strains
	patience  = 5                      // strained intervals before calls are refused; those in which the wait falls do not count, as after a pause
	aim       = 30 * time.Millisecond  // the wait that the rate is steered to
	stalled   = 4 * aim                // while calls wait for so long already, none is let in
	first     = 0.8                    // of the rate at which calls were handled while it was strained is let in first: a queue has to go
	memory    = 0.05                   // the weight of an interval in the average rate at which calls are handled
	horizon   = 400 * time.Millisecond // in which a wait beyond the aim is to go
	slowest   = 0.5                    // of that average is let in, however long the wait is
	easier    = 1.02                   // the factor of the rate after an interval with a short wait
	least     = 10.0                   // calls a second are let in, however bad it is
	burst     = 20 * time.Millisecond  // calls that may be let in at once are those of so long
	relieved  = 20                     // intervals without a refusal end it
)

// Controller is the judge of one box. The zero value is calm. Its methods may be called from many goroutines.
type Controller struct {
	state atomic.Uint32 // a status.OverloadState, written with mu held

	mu       sync.Mutex
	epoch    time.Time // the first time that it was told; waits are sums of times since then
	began    time.Time // of the interval
	waiting  waits     // of calls that are not handled
	handled  waits     // of those that were, in this interval, and tell something of the present rate
	done     int       // calls that were handled in this interval, all of them
	strained int       // intervals without a calm one between them
	tried    time.Time // the first of them began
	coped    int       // calls that were handled in them
	relieved int       // intervals without a refusal, likewise
	gate     gate
	wait     time.Duration // judged last
	refused  uint64
	episode  Episode
	changed  func(Episode)
}

// waits are calls that wait: how many, and the sum of their waits, or of the times at which they came.
type waits struct {
	n   int
	sum time.Duration
}

// gate lets calls in at a rate while the box sheds.
type gate struct {
	rate, tokens float64
	filled       time.Time
	since        time.Time // there is a rate; calls that came before do not tell whether it is right
	able         float64   // the average rate at which calls are handled
	turned       int       // calls away, in this interval
}

// Episode is one time of shedding.
type Episode struct {
	Since   time.Time
	Over    bool
	Took    time.Duration // when it is over
	Refused uint64        // calls
	Wait    time.Duration // of new calls, when it began or ended
	Rate    float64       // at which calls are let in at its begin or end
}

// OnChange has f told when shedding begins and when it is over. It is called once, before anything else; f must not block nor call
// the controller.
func (c *Controller) OnChange(f func(Episode)) { c.changed = f }

// State is the present one.
func (c *Controller) State() status.OverloadState { return status.OverloadState(c.state.Load()) }

// Admits reports whether a new call is let in.
func (c *Controller) Admits(now time.Time) bool {
	if c.State() != status.Shedding {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judge(now)
	if c.State() != status.Shedding || c.averageAge(now) < stalled && c.gate.admits(now) {
		return true
	}
	c.gate.turned++
	c.refused++
	c.episode.Refused++
	return false
}

// admits takes a token.
func (g *gate) admits(now time.Time) bool {
	g.tokens = min(max(1, g.rate*burst.Seconds()), g.tokens+g.rate*now.Sub(g.filled).Seconds())
	if g.filled = now; g.tokens < 1 {
		return false
	}
	g.tokens--
	return true
}

// Came notes a new call that was let in, or that is never refused. It waits until Handled.
func (c *Controller) Came(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judge(now)
	c.waiting.n++
	c.waiting.sum += now.Sub(c.epoch)
}

// Handled notes that a call that came at a time waits no more.
func (c *Controller) Handled(came, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting.n--
	c.waiting.sum -= came.Sub(c.epoch)
	c.done++
	if c.State() != status.Shedding || !came.Before(c.gate.since) {
		c.handled.n++
		c.handled.sum += now.Sub(came)
	}
	c.judge(now)
}

// averageAge is how long those that wait have waited.
func (c *Controller) averageAge(now time.Time) time.Duration {
	if c.waiting.n == 0 {
		return 0
	}
	return now.Sub(c.epoch) - c.waiting.sum/time.Duration(c.waiting.n)
}

// judge ends an interval that is over. Nobody need call it in time: an interval in which nothing came is a calm one.
func (c *Controller) judge(now time.Time) {
	if c.epoch.IsZero() {
		c.epoch, c.began = now, now
	}
	length := now.Sub(c.began)
	if length < interval {
		return
	}
	before := c.wait
	c.wait = 0
	switch waiting := c.State() != status.Shedding; {
	case waiting && c.handled.n+c.waiting.n > 0:
		c.wait = (c.handled.sum + c.averageAge(now)*time.Duration(c.waiting.n)) / time.Duration(c.handled.n+c.waiting.n)
	case c.handled.n > 0:
		c.wait = c.handled.sum / time.Duration(c.handled.n)
	}
	rate := float64(c.done) / length.Seconds()
	idle := int(length/interval) - 1 // intervals after it in which nothing came
	switch c.State() {
	case status.Calm, status.Strained:
		c.strain(now, before, idle)
	case status.Shedding:
		c.steer(now, rate, idle)
	}
	c.began, c.handled, c.done, c.gate.turned = now, waits{}, 0, 0
}

// strain counts strained intervals, and begins to refuse calls after some.
func (c *Controller) strain(now time.Time, before time.Duration, idle int) {
	if c.coped += c.done; c.State() == status.Calm {
		c.tried, c.coped = c.began, c.done
	}
	switch {
	case c.wait <= tolerated || idle > 0 && c.waiting.n == 0:
		c.strained = 0
		c.enter(status.Calm)
	case c.wait < before: // a pause is over, and what came meanwhile is made up for
		c.enter(status.Strained)
	case c.strained+1 < patience:
		c.strained++
		c.enter(status.Strained)
	default:
		c.strained, c.relieved = 0, 0
		able := float64(c.coped) / now.Sub(c.tried).Seconds() // not that of one interval: after a pause many are handled at once
		c.gate = gate{rate: max(least, first*able), able: able, filled: now, since: now}
		c.episode = Episode{Since: now, Wait: c.wait, Rate: c.gate.rate}
		c.enter(status.Shedding)
		c.tell()
	}
}

// steer moves the rate, and ends the episode once no call has been refused for a while. handled is the rate at which calls were, in the
// interval. While calls wait it is what the box can do, and a little less is let in until the wait is short. Then more are let in, at once as
// many as it can do, so that a pause costs no more than its own time, and slowly more from there.
func (c *Controller) steer(now time.Time, handled float64, idle int) {
	g := &c.gate
	switch {
	case c.wait > aim:
		g.able += memory * (handled - g.able)
		g.rate = max(least, g.able*max(slowest, 1-(c.wait-aim).Seconds()/horizon.Seconds()))
	case g.turned > 0 && c.handled.n > 0:
		g.able += memory * (handled - g.able)
		g.rate = max(g.rate*easier+1, g.able)
	}
	if c.relieved++; g.turned > 0 || c.wait > aim {
		c.relieved = 0
	}
	if c.relieved += idle; c.relieved < relieved {
		return
	}
	c.episode.Over, c.episode.Took, c.episode.Wait, c.episode.Rate = true, now.Sub(c.episode.Since), c.wait, g.rate
	c.enter(status.Calm)
	c.tell()
}

func (c *Controller) enter(s status.OverloadState) { c.state.Store(uint32(s)) }

func (c *Controller) tell() {
	if c.changed != nil {
		c.changed(c.episode)
	}
}

// Figures judges and returns what is known.
func (c *Controller) Figures(now time.Time) status.Overload {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judge(now)
	f := status.Overload{State: c.State(), Wait: c.wait, Refused: c.refused}
	if f.State == status.Shedding {
		f.Rate, f.Since = c.gate.rate, c.episode.Since
	}
	return f
}
