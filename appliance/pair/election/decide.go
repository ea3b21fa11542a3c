package election

import (
	"errors"
	"fmt"
	"time"

	"viaduct/appliance/pair"
)

// urges is since when the other box has been the better one to be active, by what.
type urges struct{ carrier, witness, health, preferred time.Time }

// lasts reports whether something has been so for long enough.
func lasts(since *time.Time, now time.Time, so bool, long time.Duration) bool {
	switch {
	case !so:
		*since = time.Time{}
		return false
	case since.IsZero():
		*since = now
	}
	return now.Sub(*since) >= long
}

// Step decides, and returns the steps from state to state. The box asks at least once in an interval, and whenever something was heard that matters.
func (e *Election) Step(now time.Time) []Change {
	e.changes = nil
	if late := now.Sub(e.said); late > e.patience() {
		e.stoodStill(now, late)
	}
	switch {
	case e.leads(now):
		e.lead, e.doubts = now, 0
	case e.speaks(now):
		e.doubts = 0
	case e.Role() != pair.Active && e.taken() && !e.heard():
		e.lead = now
	case e.Role() == pair.Active && now.Sub(e.since) > certainTime:
		e.doubts = 0
	}
	e.watch(now)
	for before := State(len(states)); before != e.state; {
		before = e.state
		e.decide(now)
	}
	return e.changes
}

// watch notes whether another one is active beside this one, and whether that is over.
func (e *Election) watch(now time.Time) {
	c := &e.contest
	switch leads, lives := e.leads(now), e.lives(now); {
	case e.Role() != pair.Active:
		*c = contest{}
	case leads && c.since.IsZero():
		c.since = now
	case !lives:
		c.deaf = c.deaf || e.Silence().After(e.since) // it was heard in this reign
	case !leads && (c.deaf || !c.since.IsZero()):
		*c = contest{again: true, both: !c.since.IsZero()}
	}
}

// stoodStill has the box listen anew. One that was active acts no more, but keeps its calls: a box that is slow beside nobody would lose them for nothing.
// Only when the other one has had the time to take over, to send for the calls and to fall silent again are they given up: two streams under one key are
// worse.
func (e *Election) stoodStill(now time.Time, late time.Duration) {
	pause := late - e.o.Interval
	there := e.fast && e.said.Sub(e.Silence()) < goneTime
	e.listens.since, e.listens.waits, e.lead, e.said = now, e.listens.waits.Add(pause), e.lead.Add(pause), now
	if e.Role() != pair.Active && e.state != Yielding {
		return
	}
	why := fmt.Sprintf("it stood still for %v, and the other box may have taken over", late.Round(10*time.Millisecond))
	if there && late > e.resuming() {
		e.become(now, Joining, why)
	} else {
		e.become(now, Pausing, why)
	}
}

// resuming is how long a box may have stood still beside one that could take over, and go on with its calls if it has not.
func (e *Election) resuming() time.Duration { return e.joining() * 2 / 3 }

// attentive reports whether the box has listened for long enough to know who is active. One that is so slow that it never does without a break has when it
// has heard nothing many times.
func (e *Election) attentive(now time.Time) bool {
	return now.Sub(e.listens.since) >= e.down() || e.listens.turns >= manyTurns
}

// Said says that the box tells the other one how it is, as it does in each interval. Its term counts from here, not from later decisions: so it is over before
// the other one, which counts from what it heard, takes over.
func (e *Election) Said(now time.Time) {
	e.said, e.term = now, e.Term(now)
	e.listens.turns++
}

// patience is how late that may be. A box whose other one cannot have taken over need not give its calls up because it was slow.
func (e *Election) patience() time.Duration {
	if e.Role() == pair.Active && !e.fast {
		return max(e.term, e.resuming())
	}
	return e.term
}

func (e *Election) decide(now time.Time) {
	switch e.state {
	case Joining:
		e.join(now)
	case Standby:
		e.standBy(now)
	case Active:
		if !e.defeated(now) {
			e.reignOn(now)
		}
	case Switching:
		if !e.defeated(now) {
			e.handOver(now)
		}
	case Yielding:
		e.yield(now)
	case Pausing:
		e.pause(now)
	case Defeated:
		if now.Sub(e.since) >= e.joining() {
			e.become(now, Joining, "it gave up: "+e.why)
		}
	}
}

// HandedOver is why a box takes over that the other one has asked to.
const HandedOver = "the other box handed over"

func (e *Election) join(now time.Time) {
	if !e.attentive(now) {
		return // what is heard now may be of the time before
	}
	if e.leads(now) {
		switch blank := e.speaks(now) && e.knows() > 0; {
		case blank && e.serves():
			e.become(now, Active, "the other box is active, and has never had what the pair has")
		case !blank && e.self.Synced:
			e.become(now, Standby, "it has what the other box has")
		}
		return
	}
	wait := e.joining()
	if e.o.Box == 2 {
		wait += e.down() // of two that start together and cannot talk, one is first
	}
	quiet := e.listens.waits
	if e.lead.After(quiet) {
		quiet = e.lead
	}
	if e.doubts > 0 { // there may be somebody who cannot be heard
		wait += min(doubtTime<<(e.doubts-1), maxDoubt)
	}
	switch {
	case now.Sub(quiet) < wait || !e.serves():
	case !e.speaks(now):
		e.become(now, Active, "no other box is active")
	case e.better():
		e.become(now, Active, "neither box was active, and this one is the better one")
	}
}

func (e *Election) standBy(now time.Time) {
	if !e.attentive(now) {
		return
	}
	switch {
	case e.leads(now):
		if !e.self.Synced && e.speaks(now) {
			e.become(now, Joining, "it does not have all that the other box has")
		}
	case !e.serves():
	case !e.lives(now) && e.bound(now, e.Silence()):
	case !e.lives(now):
		e.become(now, Active, "nothing is heard of the other box on any path")
	case !e.speaks(now) && e.bound(now, e.other.at.Add(down(e.o.Interval, e.other.word.Priority))): // VRRP that says that it gave up may be forged
	case e.gaveUp(now):
		e.become(now, Active, HandedOver)
	case now.Sub(e.lead) >= e.down() && e.speaks(now) && e.better():
		e.become(now, Active, "the other box is not active any more")
	}
}

// refuses is why the box does not take over although the other one has given up.
func (e *Election) refuses(now time.Time) string {
	switch {
	case !e.speaks(now) || !e.other.word.Yields || e.Role() == pair.Active:
		return ""
	case e.state != Standby:
		return "it does not have all calls yet"
	case !e.serves():
		return "none of its ports has a carrier"
	}
	return ""
}

// defeated gives up beside another active one.
func (e *Election) defeated(now time.Time) bool {
	if e.leads(now) {
		if why := e.loses(now); why != "" {
			e.become(now, Defeated, why)
			return true
		}
	}
	if at := e.elsewhere(now); at != "" {
		e.become(now, Defeated, "the network at "+at+" gives the pair's address to another box")
		if !e.leads(now) {
			e.doubts = min(e.doubts+1, maxDoubts)
		}
		return true
	}
	return false
}

// Willing says why the other box would not take over; nil: it would.
func (e *Election) Willing(now time.Time) error {
	switch w := e.other.word; {
	case !e.speaks(now):
		return errors.New("the other box is not heard on the direct path")
	case w.Role == pair.Active:
		return errors.New("the other box is active too")
	case !w.Eligible:
		return errors.New("the other box does not have all calls yet")
	case e.theirs().carriers == 0:
		return errors.New("none of the other box's ports has a carrier")
	}
	return nil
}

// reignOn has the active box yield when the other one is better.
func (e *Election) reignOn(now time.Time) {
	if e.alone && (now.Sub(e.since) >= loneTime || e.speaks(now) && !e.leads(now)) {
		e.alone, e.reign = false, Reign{e.reign.Number + 1, true}
	}
	willing := e.Willing(now) == nil
	e.fast = e.fast || e.speaks(now) && e.other.word.Eligible
	why := e.urge(now, willing)
	switch {
	case e.asked != "" && willing:
		e.become(now, Switching, e.asked)
	case why != "":
		e.become(now, Switching, why)
	}
	e.asked = ""
}

// urge says why the other box is the better one.
func (e *Election) urge(now time.Time, willing bool) string {
	own, theirs, age := e.own(), e.theirs(), now.Sub(e.since)
	health := int(e.other.word.Priority) - int(e.Priority())
	more := willing && theirs.compare(own) > 0
	alike := willing && theirs == own
	carrier := lasts(&e.urges.carrier, now, more && theirs.carriers > own.carriers, 3*e.o.Interval)
	witness := lasts(&e.urges.witness, now, more && e.sure(), max(settleTime, 2*e.o.Interval))
	ill := lasts(&e.urges.health, now, alike && health > 0, healthTime)
	preferred := lasts(&e.urges.preferred, now, alike && health >= 0 && e.o.Preempt && e.o.Box == 2, returnTime)
	switch {
	case carrier:
		return "more ports of the other box have a carrier"
	case witness && age >= youngTime:
		return "more ports of the other box have a network"
	case ill && age >= healthYoung:
		return "the other box is in better health"
	case preferred:
		return "box 1 is preferred"
	}
	return ""
}

// Urgent reports whether the hand-over must not wait for calls in set-up: a port is dead.
func (e *Election) Urgent() bool { return e.theirs().compare(e.own()) > 0 }

// Switch has the box hand over; why is the end of a sentence. The error says why it cannot.
func (e *Election) Switch(now time.Time, why string) error {
	if e.state != Active {
		return fmt.Errorf("this box is %s: only the active one can hand over", e.state)
	}
	if err := e.Willing(now); err != nil {
		return err
	}
	e.asked = why
	return nil
}

// HandedOver says that a hand-over is complete, or has failed.
func (e *Election) HandedOver(err error) {
	if e.state == Switching {
		e.handed = &handed{err}
	}
}

func (e *Election) handOver(now time.Time) {
	if err := e.Willing(now); err != nil {
		e.become(now, Active, "the switch was called off: "+err.Error())
		return
	}
	switch {
	case e.handed == nil:
	case e.handed.err != nil && !e.Urgent():
		e.become(now, Active, "the switch was called off: "+e.handed.err.Error())
	default:
		e.become(now, Yielding, e.why)
	}
}

func (e *Election) yield(now time.Time) {
	waited := now.Sub(e.since)
	switch w := e.other.word; {
	case e.leads(now):
		e.become(now, Joining, "the other box took over")
	case e.speaks(now) && w.Refuses != "":
		e.become(now, Active, "the other box did not take over: "+w.Refuses)
	case waited >= e.down() && !e.lives(now):
		e.become(now, Active, "the other box was lost before it took over")
	case waited >= max(yieldTime, 5*e.o.Interval):
		e.become(now, Active, "the other box did not take over in time")
	}
}

// pause goes on as before when nobody has taken over.
func (e *Election) pause(now time.Time) {
	switch {
	case e.leads(now):
		e.become(now, Joining, "the other box took over while it stood still")
	case !e.attentive(now):
	case e.speaks(now) && e.other.word.Eligible && now.Sub(e.since) < max(yieldTime, 5*e.o.Interval): // it is about to
	default:
		e.become(now, Active, "it stood still, and the other box has not taken over")
	}
}
