package election

import (
	"fmt"
	"time"
)

// A checker knows nothing of elections: it is told what there is in the world at each moment, and judges it by the rules of a pair.
type checker struct {
	join, idle time.Duration
	at         time.Duration
	last       moment
	fault      time.Duration // the last one
	faults     int
	changes    int // of who acts
	both       [2]time.Duration
	nobody     time.Duration // since when nobody has served
	fit        [2]time.Duration
	ready      [2]time.Duration
	broken     map[string]int
	first      map[string]string
	alarmed    func() // the first time that a rule is broken
	doubt      time.Duration
	acted      [2]time.Duration // when a box had addresses, or acted, last
	resumed    [2]time.Duration // when it went on while the other one acted
	noise      time.Duration
	deaf, held time.Duration // when the two could not hear each other last, and when a kernel had addresses last
	forbear    time.Duration // until then somebody deceives the boxes who cannot be told from the other box
}

// moment is the world at a time.
type moment struct {
	acts    [2]bool // its programs send for the pair
	holds   [2]bool // its kernel has the addresses
	runs    [2]bool
	standby [2]bool    // it has all that the other one has, and says that it could take over
	carrier [2][2]bool // of box, at network
	talk    bool       // each hears the other on some path
	witness bool       // there is one that both reach, at a network where both have a carrier, and that knows the pair's address
	load    bool       // a box hangs again and again
	noise   bool       // nearly everything is lost somewhere
	deceit  bool       // somebody speaks in the name of a box whose true word is not heard
}

// Rules.
const (
	twoActive   = "two active for more than 2 s"
	noneActive  = "nobody active although a box is fit"
	slow        = "nobody active for more than 1 s although a standby is fit"
	restless    = "a change although nothing has happened"
	flapping    = "more changes than faults allow"
	robbed      = "taken from a living box that did not yield"
	unready     = "taken from a living box without all that it had"
	impossible  = "a step that there is none of"
	overstaying = "acting for the pair after a pause in which the other box took over"
	felled      = "given up although the other box is not active"
)

func newChecker(join time.Duration) *checker {
	return &checker{join: join, idle: 18 * time.Second, broken: map[string]int{}, first: map[string]string{}}
}

func (c *checker) breaks(rule string, format string, args ...any) {
	c.broken[rule]++
	if c.first[rule] == "" {
		if c.alarmed != nil {
			c.alarmed()
		}
		c.first[rule] = fmt.Sprintf("%v: ", c.at) + fmt.Sprintf(format, args...)
	}
}

// deceived notes that somebody speaks in the name of a box whose true word is not heard.
func (c *checker) deceived(now time.Duration) { c.forbear = now + c.join + 2*time.Second }

// happens notes a fault, or the end of one.
func (c *checker) happens(now time.Duration) {
	c.at, c.fault = now, now
	c.faults++
}

// sees judges a moment. They come every few milliseconds.
func (c *checker) sees(now time.Duration, m moment) {
	c.at = now
	if m.noise {
		c.noise = now
	}
	if m.deceit {
		c.deceived(now)
	}
	shared := false
	for n := range 2 {
		shared = shared || m.carrier[0][n] && m.carrier[1][n]
	}
	two := shared && (m.acts[0] || m.holds[0]) && (m.acts[1] || m.holds[1])
	for i, by := range []bool{m.talk, m.witness} {
		if !two || !by || m.load || now < c.forbear {
			c.both[i] = now
		} else if now-c.both[i] > 2*time.Second {
			c.breaks(twoActive, "%+v", m)
			c.both[i] = now
		}
	}
	served := false
	fit := false
	fast := false
	for b := range 2 {
		connected := m.carrier[b][0] || m.carrier[b][1]
		served = served || m.acts[b] && connected
		if !m.runs[b] || !connected {
			c.fit[b] = now
		}
		if !m.runs[b] || !connected || !m.standby[b] {
			c.ready[b] = now
		}
		fit = fit || now-c.fit[b] > c.join+time.Second
		fast = fast || now-c.ready[b] > time.Second
	}
	if served || now < c.forbear {
		c.nobody = now
	}
	if !m.talk && m.runs[0] && m.runs[1] {
		c.deaf = now
	}
	for b := range 2 {
		if m.holds[b] {
			c.held = now
		}
	}
	since := max(c.nobody, c.fault)
	long := max(since, c.held+2500*time.Millisecond)            // a box that joins goes by addresses, too, which are there for a while
	if c.deaf > 0 && m.witness && now-c.deaf < 15*time.Second { // a box was told that somebody has them who cannot be heard
		c.doubt = now + time.Minute
	}
	if now < c.doubt {
		c.nobody = now
	}
	if fit && now-long > c.join+time.Second {
		c.breaks(noneActive, "since %v, %+v", long, m)
		c.nobody = now
	}
	if fast && now-since > time.Second {
		c.breaks(slow, "since %v, %+v", since, m)
		c.nobody = now
	}
	for b := range 2 {
		if m.acts[b] && !c.last.acts[b] {
			c.changes++
			if now-max(c.fault, c.noise) > c.idle && now >= c.forbear && now >= c.doubt {
				c.breaks(restless, "box %d, %v after a fault", b+1, now-c.fault)
			}
			if c.changes > 2*c.faults+2 {
				c.breaks(flapping, "%d changes, %d faults", c.changes, c.faults)
			}
		}
	}
	for b := range 2 {
		if m.acts[b] || m.holds[b] {
			c.acted[b] = now
		}
		if now-c.resumed[b] < 250*time.Millisecond && m.acts[b] && m.acts[1-b] && c.resumed[b] > 0 && now-c.deaf > 5*time.Second {
			c.breaks(overstaying, "box %d", b+1)
		}
	}
	c.last = m
}

// resumes notes that a box goes on after a pause. What it sends before it decides anything is of the time before.
func (c *checker) resumes(now time.Duration, box int, acts, others bool) {
	c.at = now
	if others {
		c.resumed[box] = now
		if acts && now-c.deaf > 5*time.Second {
			c.breaks(overstaying, "box %d, at once", box+1)
		}
	}
}

// falls judges that a box gives up because the other one is active.
func (c *checker) falls(now time.Duration, box int, others bool) {
	c.at = now
	if !others && now >= c.forbear && now-c.acted[1-box] > time.Second {
		c.breaks(felled, "box %d", box+1)
	}
}

// takes judges that a box becomes active.
func (c *checker) takes(now time.Duration, box int, livesHeard, yields, ready bool) {
	c.at = now
	if now < c.forbear {
		return
	}
	if livesHeard && !yields {
		c.breaks(robbed, "by box %d", box+1)
	}
	if livesHeard && yields && !ready {
		c.breaks(unready, "by box %d", box+1)
	}
}
