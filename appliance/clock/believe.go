package clock

import (
	"fmt"
	"time"
)

// Limits of trust in one server that no other confirms. It can be wrong by decades, and a box that believes it takes every certificate
// and license for expired.
const (
	// loneAhead is how far it may be ahead of the time that the box is sure of. A box that lay on a shelf with old firmware needs some of it.
	loneAhead = 2 * 365 * 24 * time.Hour
	// loneBehind is how far it may be behind: the saved time is that of a clock that was right within seconds.
	loneBehind = time.Hour
	// loneJump is how far it may be off once the clock is right (the panic threshold of ntpd).
	loneJump = 1000 * time.Second
	// oldestFirmware is how long after the build a saved time is believed: a wrong server may have caused it.
	oldestFirmware = 10 * 365 * 24 * time.Hour
)

// verdict is the result of a round.
type verdict struct {
	offset  time.Duration
	used    []bool
	problem string // although the offset is believed; "" none
	refused string // why nothing is believed; "" when something is
}

// believe decides on the time. hosts are the servers of the samples. It believes servers that agree, and otherwise the first one whose
// time is plausible. An administrator's command (clock sync) does not ask for plausibility.
func (c *Clock) believe(samples []Sample, hosts []string, command bool) verdict {
	offset, used, agreed := choose(samples)
	v := verdict{offset: offset, used: used}
	count := 0
	for _, u := range used {
		if u {
			count++
		}
	}
	if count < 2 && !command {
		v = c.lone(samples, hosts)
		agreed = len(samples) == 1
	}
	now := c.o.Kernel.Now().Add(v.offset)
	switch {
	case v.refused != "":
	case now.Before(c.o.Build):
		v.refused = fmt.Sprintf("the time servers say %s, before this firmware was built: not believed", now.UTC().Format(time.DateOnly))
	case !agreed:
		for i, u := range v.used {
			if u {
				v.problem = "the time servers disagree: " + hosts[i] + " is believed alone"
			}
		}
	}
	return v
}

// lone takes the first answer that is plausible.
func (c *Clock) lone(samples []Sample, hosts []string) verdict {
	v := verdict{used: make([]bool, len(samples))}
	for i, s := range samples {
		why := c.implausible(c.o.Kernel.Now().Add(s.Offset), s.Offset)
		if why == "" {
			v.offset, v.used[i], v.refused = s.Offset, true, ""
			return v
		}
		if v.refused == "" {
			v.offset = s.Offset
			v.refused = fmt.Sprintf("%s alone says %s, %s: not believed until a second server agrees, or by `clock sync`",
				hosts[i], c.o.Kernel.Now().Add(s.Offset).UTC().Format(time.DateOnly), why)
		}
	}
	return v
}

// implausible says why the time of one unconfirmed server cannot be right, "" when it can.
func (c *Clock) implausible(now time.Time, offset time.Duration) string {
	if c.Synced() {
		if offset.Abs() > loneJump {
			return fmt.Sprintf("%v off the time that servers gave before", offset.Round(time.Second))
		}
		return ""
	}
	sure := c.sure()
	switch {
	case now.Before(c.o.Build):
		return "" // true of all servers
	case sure.IsZero():
		return "" // a development build
	case now.After(sure.Add(loneAhead)):
		return fmt.Sprintf("more than two years after %s, the last time that is sure", sure.UTC().Format(time.DateOnly))
	case now.Before(sure.Add(-loneBehind)):
		return fmt.Sprintf("before %s, when the clock was right", sure.UTC().Format(time.DateTime))
	}
	return ""
}

// sure is a time that has passed already: the later of the build and the saved time.
func (c *Clock) sure() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.floor
}

// floorOf is the later of the build and the saved time, unless the latter is long after any firmware is in use.
func (c *Clock) floorOf(saved time.Time) time.Time {
	switch {
	case saved.Before(c.o.Build):
		return c.o.Build
	case !c.o.Build.IsZero() && saved.After(c.o.Build.Add(oldestFirmware)):
		c.o.Log.Warn("saved time is not believed", "time", saved.UTC())
		return c.o.Build
	}
	return saved
}
