package duty

import (
	"context"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/pair"
	"viaduct/appliance/pair/election"
	"viaduct/appliance/plural"
)

// clerk does what may be slow, and what need not be at once: it asks for the facts, raises alarms, and has the reign on flash.
type clerk struct {
	w     *work
	nudge chan struct{}

	mu      sync.Mutex
	known   Facts
	unsaid  string   // why no VRRP could be sent; "": it could
	parted  happened // both boxes were active
	taken   happened // the box took over because something failed
	foreign map[string]stranger
}

// happened is an event that has an alarm for some time.
type happened struct {
	at    time.Time
	why   string
	calls int
}

// stranger is another router with the number of the pair, at a port.
type stranger struct {
	count uint64
	at    time.Time
}

// Times of alarms.
const (
	clerkTime   = time.Second
	splitTime   = time.Hour
	takenTime   = 24 * time.Hour
	foreignTime = 10 * time.Minute
)

func newClerk(w *work) *clerk {
	return &clerk{w: w, nudge: make(chan struct{}, 1), known: w.d.o.Facts(), foreign: map[string]stranger{}}
}

func (c *clerk) wake() { signal(c.nudge) }

func (c *clerk) facts() Facts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known
}

func (f Facts) priority() uint8 {
	if f.Priority == 0 {
		return election.Well
	}
	return f.Priority
}

// sent notes whether VRRP could be sent.
func (c *clerk) sent(err error) {
	why := ""
	if err != nil {
		why = err.Error()
	}
	c.mu.Lock()
	news := why != c.unsaid
	c.unsaid = why
	c.mu.Unlock()
	if news && err != nil {
		c.w.log.Warn("VRRP is not sent", "err", err)
	}
}

// split notes that both boxes were active.
func (c *clerk) split(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parted = happened{at: time.Now(), why: why}
}

// became notes another role.
func (c *clerk) became(r pair.Role, why string, fault bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken = happened{}
	if r == pair.Active && fault {
		c.taken = happened{at: time.Now(), why: why}
	}
}

// counted notes with how many calls the box has taken over.
func (c *clerk) counted(calls int) {
	c.mu.Lock()
	c.taken.calls = calls
	c.mu.Unlock()
	c.w.d.counted(calls)
	c.wake()
}

func (c *clerk) run(ctx context.Context) {
	tick := time.NewTicker(clerkTime)
	defer tick.Stop()
	for {
		facts := c.w.d.o.Facts()
		c.mu.Lock()
		c.known = facts
		c.mu.Unlock()
		c.w.mu.Lock()
		is := kept{c.w.e.Reign(), c.w.e.Role() == pair.Active, c.w.knows}
		c.w.mu.Unlock()
		c.w.d.keep.write(is)
		c.judge(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-c.nudge:
		}
	}
}

// judge raises the alarms of the pair, and ends them.
func (c *clerk) judge(now time.Time) {
	h, s := c.w.d.o.Health, c.w.sees(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	one := func(w *health.Warnable, why string) {
		if why == "" {
			h.Clear(w, "")
		} else {
			h.Set(w, health.Args{"why": why})
		}
	}
	one(health.RedundancyAlone, s.aloneWhy())
	if s.contest != "" {
		c.parted = happened{at: now, why: s.contest}
	}
	if c.parted.why != "" && now.Sub(c.parted.at) < splitTime {
		one(health.RedundancySplit, c.parted.why)
	} else {
		one(health.RedundancySplit, "")
	}
	one(health.RedundancyUnready, s.out)
	if c.taken.why != "" && now.Sub(c.taken.at) < takenTime {
		h.Set(health.RedundancyTaken, health.Args{"calls": plural.Of(c.taken.calls, "call"), "why": c.taken.why})
	} else {
		h.Clear(health.RedundancyTaken, "")
	}
	if differ := s.differs(c.known); len(differ) > 0 {
		var what []string
		for _, d := range differ {
			what = append(what, d.What)
		}
		h.Set(health.RedundancyDiffers, health.Args{"what": strings.Join(what, ", ")})
	} else {
		h.Clear(health.RedundancyDiffers, "")
	}
	var paths, foreign []health.Args
	for i, p := range c.w.l.ports {
		if why := s.pathWhy(i); why != "" {
			paths = append(paths, health.Args{"port": p.Name, "why": why})
		}
		f := c.foreign[p.Name]
		if n := s.ports[i].Foreign; n != f.count {
			f = stranger{n, now}
			c.foreign[p.Name] = f
		}
		if f.count > 0 && now.Sub(f.at) < foreignTime {
			foreign = append(foreign, health.Args{"port": p.Name, "source": s.ports[i].Foreigner.String()})
		}
	}
	h.Replace(health.RedundancyPath, paths)
	h.Replace(health.RedundancyForeign, foreign)
}

// clear ends all alarms of the pair: there is none any more.
func (c *clerk) clear() {
	h := c.w.d.o.Health
	for _, w := range []*health.Warnable{health.RedundancyAlone, health.RedundancySplit, health.RedundancyUnready, health.RedundancyTaken, health.RedundancyDiffers} {
		h.Clear(w, "")
	}
	h.Replace(health.RedundancyPath, nil)
	h.Replace(health.RedundancyForeign, nil)
}
