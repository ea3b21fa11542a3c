package leasecheck

import (
	"container/heap"
	"fmt"
	"strings"
	"time"
)

// Rules are the times that the log is judged by.
type Rules struct {
	Life    time.Duration // of a lease, at most
	Margin  time.Duration // after its end until the hub may give the share to another
	Grace   time.Duration // for which a box may count on a lease after its end
	Slack   time.Duration // by which a box may be late
	Late    time.Duration // within which all nodes know of changed terms and answer what they have decided
	Contact time.Duration // within which a box that reaches the hub has an answer
	Silence time.Duration // of the hub, that may be no time to it
}

// Standard are those of package lease.
var Standard = Rules{
	Life: 24 * time.Hour, Margin: time.Hour, Grace: 30 * 24 * time.Hour, Slack: 15 * time.Minute, Late: time.Minute, Contact: 20 * time.Minute, Silence: 14 * time.Minute,
}

// Report is what the check has found.
type Report struct {
	Broken  []Broken       // the first of them
	Count   int            // all
	By      map[string]int // and by rule
	Events  int
	Signed  int           // answers that gave something, or nothing
	Short   int           // of them, that gave less than was asked for
	Held    int           // most that the boxes counted on at once
	Grace   int           // most that was counted on by grace
	Over    int           // most that the boxes counted on above the pool, all of it by grace when no rule is broken
	Longest time.Duration // of a grace
	Ended   int           // graces that ended with their time
}

// Broken is a rule that was broken.
type Broken struct {
	At     time.Duration
	Rule   string
	Serial string
	Text   string
}

const maxBroken = 20

func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d events, %d answers (%d gave less than was asked for), %d held at most, %d of them by grace at most, the longest %s, "+
		"%d ended with it; over the pool at most %d; %d violations", r.Events, r.Signed, r.Short, r.Held, r.Grace, r.Longest.Round(time.Hour), r.Ended, r.Over, r.Count)
	for _, v := range r.Broken {
		fmt.Fprintf(&b, "\n  %s %s: %s: %s", v.At, v.Serial, v.Rule, v.Text)
	}
	return b.String()
}

// The rules.
const (
	Overdrawn = "overdrawn" // boxes that have a lease, or will have it with the answer that is under way, have more than the pool
	Reserved  = "reserved"  // a box got what is kept for another
	Kept      = "kept"      // a box did not get what was free for it
	Doubled   = "doubled"   // one request had two answers
	Unlent    = "unlent"    // a box counts on more than it told the hub, or was lent
	Limit     = "limit"     // a box got more than it may have, or asked for
	Revoked   = "revoked"   // a box got a lease that may have none
	Overstay  = "overstay"  // a box counts on a lease whose grace is over, or that has no grace
	Ignored   = "ignored"   // a box that reaches the hub has no answer
)

// box is what the log says of a box.
type box struct {
	serial string
	listing
	question
	leased
	hubs // what the hub may count for it
	sums // what it adds to those of all
}

// listing is what the hub's registry says of a box.
type listing struct {
	running, cut   bool
	listed         bool
	min, max       int
	removed        time.Duration
	wasMin, wasMax int // until changed + Late
	changed        time.Duration
}

// question is what a box asks for, and how long in vain.
type question struct {
	asked        Event
	wants        int           // the most that it asked for since its last answer
	reach        time.Duration // since when it reaches the hub; below 0: it does not
	open         time.Duration // since when it asks in vain while it does; below 0: it does not
	askedWatched time.Duration
	answered     Event         // with Has and Left
	refused      time.Duration // when it took a refusal, since its last answer; below 0: it did not
}

// leased is what a box has.
type leased struct {
	holds, bound int
	cover        int // of bound, by its lease
	signed       Event
	end          time.Duration // of its lease, in truth
	inGrace      time.Duration // since; below 0: not
	used         time.Duration // of its grace
}

type hubs struct {
	upper, wasUpper int
	loosened        time.Duration
}

type sums struct{ potential, held, grace, most, mostKept, least int }

// Checker judges events as they come. New makes it.
type Checker struct {
	report  Report
	rules   Rules
	now     time.Duration
	boxes   map[string]*box
	totals  []Event
	watched time.Duration // time that passed at the hub
	seen    time.Duration // the hub was last heard of
	down    bool

	sums
	timers timers
}

// New returns a Checker.
func New(r Rules) *Checker {
	return &Checker{rules: r, boxes: map[string]*box{}, report: Report{By: map[string]int{}}}
}

// Check judges a log.
func Check(events []Event, r Rules) Report {
	c := New(r)
	for _, e := range events {
		c.Add(e)
	}
	return c.Report()
}

// Report is what was found so far.
func (c *Checker) Report() Report { return c.report }

// Add judges the next event.
func (c *Checker) Add(e Event) {
	for len(c.timers) > 0 && c.timers[0].at <= e.At {
		t := heap.Pop(&c.timers).(timer)
		c.now = max(c.now, t.at)
		c.sum(t.box)
		c.judge(t.box)
	}
	c.now = e.At
	c.report.Events++
	c.event(e)
}

func (c *Checker) broken(rule, serial, format string, args ...any) {
	c.report.By[rule]++
	if c.report.Count++; len(c.report.Broken) < maxBroken {
		c.report.Broken = append(c.report.Broken, Broken{c.now, rule, serial, fmt.Sprintf(format, args...)})
	}
}

func (c *Checker) box(serial string) *box {
	b := c.boxes[serial]
	if b == nil {
		b = &box{serial: serial, listing: listing{changed: -time.Hour}, question: question{reach: -1, open: -1, refused: -1}, leased: leased{inGrace: -1}, hubs: hubs{loosened: -time.Hour}}
		c.boxes[serial] = b
	}
	return b
}

// total is the most or least that the pool had in a time until now.
func (c *Checker) total(back time.Duration, choose func(a, b int) int) int {
	n := 0
	for i := len(c.totals) - 1; i >= 0; i-- {
		if i == len(c.totals)-1 {
			n = c.totals[i].Count
		}
		n = choose(n, c.totals[i].Count)
		if c.totals[i].At < c.now-back {
			break
		}
	}
	return n
}

func larger(a, b int) int  { return max(a, b) }
func smaller(a, b int) int { return min(a, b) }

func (c *Checker) event(e Event) {
	switch e.What {
	case Total:
		c.totals = append(c.totals, e)
		return
	case Reach:
		if e.Serial == "" {
			if c.down = !e.On; c.down {
				c.watched -= c.rules.Silence // it may be lost
			}
			for _, b := range c.boxes {
				c.contact(b)
			}
			return
		}
	}
	b := c.box(e.Serial)
	switch e.What {
	case Limits:
		b.wasMin, b.wasMax, b.changed = b.min, b.max, c.now
		b.listed, b.min, b.max = true, e.Min, e.Max
		c.after(b, c.rules.Late+1)
	case Removed:
		b.wasMin, b.wasMax, b.changed = b.min, b.max, c.now
		b.listed, b.removed, b.min, b.max = false, c.now, 0, 0
		c.after(b, c.rules.Late+1)
	case Reach:
		b.cut = !e.On
		c.contact(b)
	case Started:
		b.running, b.holds = true, 0
		c.contact(b)
	case Stopped:
		c.leaveGrace(b)
		b.running, b.holds = false, 0
		c.contact(b)
	case Holds:
		if e.Count > b.bound {
			c.broken(Unlent, b.serial, "it counts on %d, and has told the hub or was lent %d", e.Count, b.bound)
		}
		if b.holds > 0 && e.Count == 0 && b.inGrace >= 0 && c.used(b) > c.rules.Grace-c.rules.Slack {
			c.report.Ended++
		}
		b.holds = e.Count
	case Asked:
		c.asks(b, e)
	case Signed:
		c.signs(b, e)
	case Answered:
		c.answers(b, e)
	case Refused:
		b.refused, b.open = c.now, -1
		c.after(b, c.rules.Slack+1)
	}
	c.sum(b)
	c.judge(b)
	if allowed := c.total(c.rules.Life+c.rules.Margin, larger); c.potential > allowed {
		c.broken(Overdrawn, b.serial, "%d are lent of %d", c.potential, allowed)
	}
	c.report.Held, c.report.Grace, c.report.Over = max(c.report.Held, c.held), max(c.report.Grace, c.grace), max(c.report.Over, c.held-c.total(c.rules.Life+c.rules.Margin, larger))
}

// hub has time pass at the hub, when it was heard of.
func (c *Checker) hub() {
	if gap := c.now - c.seen; gap < c.rules.Silence {
		c.watched += gap
	}
	c.seen = c.now
}

// contact notes since when a box reaches the hub.
func (c *Checker) contact(b *box) {
	switch reaches := b.running && !b.cut && !c.down; {
	case !reaches:
		b.reach, b.open = -1, -1
	case b.reach < 0:
		b.reach = c.now
		c.after(b, c.rules.Contact+1)
	}
}

func (c *Checker) asks(b *box, e Event) {
	if b.holds > e.Has || e.Has > e.Want {
		c.broken(Unlent, b.serial, "it counts on %d while it says that it has %d and wants %d", b.holds, e.Has, e.Want)
	}
	if e.Sequence == b.asked.Sequence {
		c.broken(Doubled, b.serial, "two requests have the sequence %d", e.Sequence)
	}
	b.asked, b.bound, b.wants, b.askedWatched = e, e.Has, max(b.wants, e.Want), c.watched
	if b.open < 0 && b.reach >= 0 {
		b.open = c.now
		c.after(b, c.rules.Contact)
	}
	c.after(b, c.rules.Life+c.rules.Margin+time.Hour)
}

func (c *Checker) signs(b *box, e Event) {
	c.hub()
	c.report.Signed++
	if e.Left > c.rules.Life {
		c.broken(Limit, b.serial, "its lease lasts %s", e.Left)
	}
	if !b.listed && c.now-b.removed > c.rules.Late && e.Count > 0 {
		c.broken(Revoked, b.serial, "it gets %d, and was removed at %s", e.Count, b.removed)
	}
	if e.Sequence != b.asked.Sequence {
		return // the box takes no notice of it
	}
	if b.signed.Sequence == e.Sequence {
		if b.signed.Count != e.Count {
			c.broken(Doubled, b.serial, "the request %d gets %d and %d", e.Sequence, b.signed.Count, e.Count)
		}
		b.signed = e
		return
	}
	b.signed = e
	most, least := b.max, b.min
	if c.now-b.changed <= c.rules.Late {
		most, least = max(b.max, b.wasMax), min(b.min, b.wasMin)
	}
	if e.Count > b.asked.Want || e.Count > most {
		c.broken(Limit, b.serial, "it gets %d, asked for %d and may have %d", e.Count, b.asked.Want, most)
	}
	if e.Count < b.asked.Want {
		c.report.Short++
	}
	if c.now-b.asked.At > c.rules.Late {
		return // it was decided who knows when
	}
	if others := c.potential - b.potential; e.Count > 0 && e.Count+others > c.total(c.rules.Late, larger) {
		c.broken(Overdrawn, b.serial, "it gets %d, and others have %d of %d", e.Count, others, c.total(c.rules.Late, larger))
	}
	if free := c.total(c.rules.Late, larger) - (c.least - b.least); e.Count > max(free, b.min, b.wasMin) {
		c.broken(Reserved, b.serial, "it gets %d, and what is not lent or kept for others is %d", e.Count, free)
	}
	low, others := c.total(c.rules.Late, smaller), c.most-b.most
	free := max(low-(c.mostKept-b.mostKept), min(least, low-others), 0)
	if b.listed && c.now-b.changed > c.rules.Late {
		most = b.max
	} else {
		most = min(b.max, b.wasMax)
	}
	if fair := min(b.asked.Want, most, free); e.Count < fair {
		c.broken(Kept, b.serial, "it gets %d of %d, and %d are free for it", e.Count, b.asked.Want, fair)
	}
}

func (c *Checker) answers(b *box, e Event) {
	if e.Sequence != b.signed.Sequence || e.Sequence != b.asked.Sequence || e.Count != b.signed.Count {
		c.broken(Unlent, b.serial, "it takes %d by the request %d, and the hub has answered %d to %d", e.Count, e.Sequence, b.signed.Count, b.signed.Sequence)
	}
	b.answered = e
	b.answered.Has, b.answered.Want = b.asked.Has, b.asked.Want
	c.leaveGrace(b)
	b.refused, b.open, b.wants, b.used = -1, -1, 0, 0
	b.bound, b.cover = max(e.Count, b.asked.Has), e.Count
	if c.now <= b.end+c.rules.Slack {
		b.cover = b.bound
	}
	b.end = b.signed.At + b.signed.Left
	c.after(b, max(0, b.end-c.now)+1)
	c.after(b, max(0, b.end+c.rules.Slack-c.now)+1)
}

// used is how much of its grace a box has used while it ran.
func (c *Checker) used(b *box) time.Duration {
	if b.inGrace < 0 {
		return b.used
	}
	return b.used + c.now - b.inGrace
}

func (c *Checker) leaveGrace(b *box) {
	b.used = c.used(b)
	c.report.Longest = max(c.report.Longest, b.used)
	b.inGrace = -1
}

// sum brings what a box adds to the sums up to date.
func (c *Checker) sum(b *box) {
	c.potential, c.held, c.grace = c.potential-b.potential, c.held-b.held, c.grace-b.grace
	c.most, c.mostKept, c.least = c.most-b.most, c.mostKept-b.mostKept, c.least-b.least

	b.potential, b.grace, b.held = 0, 0, b.holds
	if c.now <= b.end+c.rules.Slack {
		b.potential = min(b.holds, b.cover)
	}
	b.grace = b.holds - b.potential
	switch {
	case b.grace > 0 && b.inGrace < 0:
		b.inGrace = c.now
		c.after(b, c.rules.Contact+1)
		c.after(b, c.rules.Grace+c.rules.Grace/50-b.used+1)
	case b.grace == 0 && b.inGrace >= 0:
		c.leaveGrace(b)
	}
	// An answer may be under way.
	if b.running && b.signed.Sequence == b.asked.Sequence && b.answered.Sequence != b.signed.Sequence && c.now <= b.signed.At+c.rules.Late {
		b.potential = max(b.potential, b.signed.Count)
		c.after(b, b.signed.At+c.rules.Late+1-c.now)
	}
	c.potential, c.held, c.grace = c.potential+b.potential, c.held+b.held, c.grace+b.grace

	upper := max(b.wants, b.answered.Count)
	if b.answered.Count < b.answered.Has {
		upper = max(upper, b.answered.Has)
	}
	if c.watched-b.askedWatched > c.rules.Life+c.rules.Margin+2*time.Hour {
		upper = 0
	}
	if upper < b.upper {
		b.wasUpper, b.loosened = b.upper, c.now
		c.after(b, c.rules.Late+1)
	}
	b.upper = upper
	if c.now-b.loosened <= c.rules.Late {
		upper = max(upper, b.wasUpper)
	}
	low, high := b.min, b.min
	if c.now-b.changed <= c.rules.Late {
		low, high = min(low, b.wasMin), max(high, b.wasMin)
	}
	b.most, b.mostKept = upper, max(upper, high)
	sure := 0
	if c.now < b.end {
		if sure = b.answered.Count; b.asked.Sequence != b.answered.Sequence {
			sure = min(sure, b.asked.Has)
		}
	}
	b.least = max(sure, low)
	c.most, c.mostKept, c.least = c.most+b.most, c.mostKept+b.mostKept, c.least+b.least
}

// judge looks at what depends on a box alone.
func (c *Checker) judge(b *box) {
	if b.inGrace >= 0 && b.holds > 0 {
		if b.refused >= 0 && c.now-b.refused > c.rules.Slack {
			c.broken(Overstay, b.serial, "it counts on %d, its lease ended at %s and the hub has refused it", b.holds, b.end)
			b.refused = -1
		}
		if b.reach >= 0 && c.now-max(b.reach, b.inGrace) > c.rules.Contact {
			c.broken(Ignored, b.serial, "it lives on its grace since %s, and reaches the hub since %s", b.inGrace, b.reach)
			b.reach = c.now
		}
		if c.used(b) > c.rules.Grace+c.rules.Grace/50 {
			c.broken(Overstay, b.serial, "it has counted on %d for %s since its lease ended", b.holds, c.used(b))
			b.used -= c.rules.Grace
		}
	}
	if b.open >= 0 && c.now-b.open >= c.rules.Contact {
		c.broken(Ignored, b.serial, "it has asked since %s, and reached the hub", b.open)
		b.open = -1
	}
}

func (c *Checker) after(b *box, d time.Duration) { heap.Push(&c.timers, timer{c.now + d, b}) }

// timer has a box looked at again.
type timer struct {
	at  time.Duration
	box *box
}

type timers []timer

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at < t[j].at }
func (t timers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)        { *t = append(*t, x.(timer)) }
func (t *timers) Pop() any {
	old := *t
	last := old[len(old)-1]
	*t = old[:len(old)-1]
	return last
}
