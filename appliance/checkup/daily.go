package checkup

import (
	"context"
	"encoding/json"
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

const (
	day        = 24 * time.Hour
	firstCheck = 10 * time.Minute // after the start: peers have had time to find the box
)

// kept is the form of the file: the states of the steps of the last daily check.
type kept struct {
	At    time.Time                    `json:"at"`
	Steps map[string]status.CheckState `json:"steps"`
}

// mostKept steps are read from a file.
const mostKept = 4096

func (c *Checker) load() {
	if c.o.Load == nil {
		return
	}
	err := c.o.Load(func(text []byte) error {
		var k kept
		if err := json.Unmarshal(text, &k); err != nil {
			return err
		}
		if len(k.Steps) <= mostKept {
			c.before = k
		}
		return nil
	})
	if err != nil {
		c.o.Log.Warn("outcome of the last daily check not read", "err", err)
	}
}

// Run checks everything once a day, until ctx ends.
func (c *Checker) Run(ctx context.Context) error {
	c.mu.Lock()
	due := c.before.At.Add(day)
	c.mu.Unlock()
	now := time.Now()
	if first := now.Add(firstCheck); due.Before(first) || due.After(now.Add(day)) {
		due = first
	}
	for {
		timer := time.NewTimer(time.Until(due))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		due = time.Now().Add(day)
		if c.o.Rests != nil && c.o.Rests() {
			continue
		}
		if out := c.check(ctx, all, nil); ctx.Err() == nil {
			c.compare(out)
			c.took(out)
		}
	}
}

// key names a step across days.
func key(x status.CheckStep) string { return x.ID + " " + x.Subject }

// compare raises an alarm for each step that failed today and did not yesterday. The first check of a box has nothing to compare with.
func (c *Checker) compare(out status.Checkup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := kept{At: out.Ended, Steps: map[string]status.CheckState{}}
	for _, x := range out.Steps {
		before, known := c.before.Steps[key(x)]
		if x.State == status.CheckSkipped {
			// Whether it would fail is not known: it stands as it stood.
			if known {
				now.Steps[key(x)] = before
			}
			continue
		}
		now.Steps[key(x)] = x.State
		if !known || x.State <= before {
			continue
		}
		c.worse[key(x)] = x.Title
		c.o.Health.Set(health.CheckWorse, health.Args{"step": x.Title, "state": x.State.String(), "why": x.Problem, "advice": x.Advice})
		c.o.Log.Warn("check finds what was well the day before", "step", x.Title, "err", x.Problem)
	}
	c.before = now
	if c.o.Save == nil {
		return
	}
	text, err := json.Marshal(now)
	if err == nil {
		err = c.o.Save(text)
	}
	if err != nil {
		c.o.Log.Warn("outcome of the daily check not saved", "err", err)
	}
}

// took keeps the outcome of a check of everything, and ends the alarms about what is well again.
func (c *Checker) took(out status.Checkup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = out
	ill := map[string]bool{}
	for _, x := range out.Steps {
		ill[key(x)] = x.State != status.CheckOK
	}
	for k, title := range c.worse {
		if !ill[k] {
			delete(c.worse, k)
			c.o.Health.Clear(health.CheckWorse, title)
		}
	}
}
