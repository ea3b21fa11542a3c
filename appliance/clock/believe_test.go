package clock

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const year = 365 * 24 * time.Hour

// One server that nobody confirms is believed only near to a time that the box is sure of.
func TestOneServerIsBelievedWithinReason(t *testing.T) {
	for name, x := range map[string]struct {
		lies     []time.Duration // of the servers 192.0.2.1 ...
		saved    time.Duration   // before now; 0: nothing was saved
		command  bool
		offset   time.Duration
		believed bool
		says     string
	}{
		"thirty years ahead":                          {lies: []time.Duration{30 * year}, says: "192.0.2.1 alone says 2029-12-24, more than two years after 1999-12-31, the last time that is sure: not believed"},
		"a month ahead of the build":                  {lies: []time.Duration{30 * 24 * time.Hour}, offset: 30 * 24 * time.Hour, believed: true},
		"two that agree on thirty years":              {lies: []time.Duration{30 * year, 30 * year}, offset: 30 * year, believed: true},
		"a liar and an honest one":                    {lies: []time.Duration{30 * year, 0}, believed: true, says: "the time servers disagree: 192.0.2.9 is believed alone"},
		"a liar, and two that agree":                  {lies: []time.Duration{30 * year, 0, 0}, believed: true},
		"two liars that disagree":                     {lies: []time.Duration{30 * year, 20 * year}, says: "192.0.2.1 alone says"},
		"before the time that was saved":              {lies: []time.Duration{-3 * time.Hour}, saved: time.Hour, says: "before 1999-12-31 23:00:00, when the clock was right"},
		"by command, whatever it says":                {lies: []time.Duration{30 * year}, command: true, offset: 30 * year, believed: true},
		"by command, but not before the build":        {lies: []time.Duration{-2 * year}, command: true, says: "before this firmware was built"},
		"a saved time of a liar long ago is no floor": {lies: []time.Duration{0}, saved: -30 * year, believed: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, k, f, _ := setup(0)
				moved, why := 0, ""
				c.o.Moved = func() { moved++ }
				c.o.Distrusted = func(w string) { why = w }
				if x.saved != 0 {
					c.o.Load = func() (time.Time, error) { return time.Now().Add(-x.saved), nil }
				}
				if err := c.Floor(); err != nil {
					t.Fatal(err)
				}
				hosts := []string{"192.0.2.1", "192.0.2.9", "192.0.2.3"}[:len(x.lies)]
				cfg := sntp(hosts[:min(2, len(hosts))]...)
				if len(hosts) == 3 {
					third := *cfg.SNTP.Servers[1]
					third.Host = hosts[2]
					cfg.SNTP.Servers = append(cfg.SNTP.Servers, &third)
				}
				c.Apply(cfg)
				for i, lie := range x.lies {
					f.lies[hosts[i]] = lie
				}
				err := c.round(t.Context(), x.command)
				shift, steps, _ := k.seen()
				if (err == nil) != x.believed || shift != -x.offset || c.Synced() != x.believed || (why == "") != x.believed {
					t.Errorf("believed: %v, off %v, synced %v, alarm %q", err, shift, c.Synced(), why)
				}
				if moved != len(steps) {
					t.Errorf("stepped %d times, told %d times", len(steps), moved)
				}
				if got := c.Status().Error; !strings.Contains(got, x.says) || x.says == "" && got != "" {
					t.Errorf("problem %q", got)
				}
			})
		})
	}
}

// Once the clock is right a lone server cannot lead it away, not even slowly.
func TestALoneServerCannotLeadARightClockAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k, f, _ := setup(0)
		c.Apply(sntp("192.0.2.9"))
		for _, x := range []struct {
			lie   time.Duration
			slews bool
		}{{0, true}, {10 * time.Minute, true}, {30 * year, false}, {-time.Hour, false}, {time.Second, true}} {
			f.lies["192.0.2.9"] = x.lie
			k.slews = nil
			err := c.round(t.Context(), false)
			if _, steps, slews := k.seen(); (err == nil) != x.slews || len(steps) > 0 || (len(slews) > 0) != x.slews {
				t.Errorf("%v ahead: %v, steps %v, slews %v", x.lie, err, steps, slews)
			}
			k.mu.Lock()
			k.shift = 0
			k.mu.Unlock()
		}
	})
}

func TestALiarIsOneLineInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, f, _ := setup(0)
		c.Apply(sntp("192.0.2.9"))
		var told []string
		c.o.Distrusted = func(w string) { told = append(told, w) }
		f.lies["192.0.2.9"] = 30 * year
		for range 20 {
			c.round(t.Context(), false)
			time.Sleep(time.Minute)
		}
		if told = slices.Compact(told); len(told) != 1 {
			t.Errorf("told %q", told)
		}
	})
}
