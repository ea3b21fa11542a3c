package lease

import (
	"fmt"
	"hash/fnv"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// Time is when something happens at a box.
type Time struct {
	Up    time.Duration // steady, from any origin that stays the same as long as a Holder lives: leases are measured by it
	Clock time.Time     // what the clock shows; it may be wrong, and be set. It bridges a restart, and is shown
}

// At is a time of a process that began at start. Both are from time.Now, so that Up does not follow the clock when that is set.
func At(start, now time.Time) Time { return Time{now.Sub(start), now} }

// Holder is what a box holds of one pool.
//
//	none ---- held ---- grace
//	           |          |
//	           +- lapsed -+
//
// A lease makes it held from each of them, and one for nothing makes it none. From held it goes to grace when the lease ends while the hub is
// away, and lapses when it ends after the hub has refused the box. From grace it lapses after 30 days, or when the hub refuses the box.
//
// It is not safe for concurrent use.
type Holder struct {
	kind, serial string
	off          bool
	demand       demand
	lent         lent
	bounds       bounds
	asked        asked
	pace         pace
	flash        written
}

// lent is what the box has of the pool.
type lent struct {
	count   int
	end     time.Duration // of the lease
	lapsed  bool
	refused bool // by the hub, since its last lease
	given   bool // the hub may count something for this box
}

// bounds are what the hub keeps for the box, and allows it.
type bounds struct {
	known    bool
	min, max int
}

// asked is the last request, and what came of it.
type asked struct {
	want     int
	why      string // it was not given
	sequence uint64
	pending  *fleet.LeaseRequest
	before   int // what the box counted on when it made that
	sent     time.Duration
}

// pace is when the hub is asked.
type pace struct {
	started  time.Duration
	answered time.Duration // the last time that the hub gave something, or nothing
	renew    time.Duration // ask again
	retry    time.Duration // not before that
	grow     time.Duration // nor for more before that
	fails    int           // since the last answer
	short    int           // answers in a row that gave less than was asked for
}

// written is what is on the flash, for the next start.
type written struct {
	reserved uint64 // a start begins above it
	dirty    bool   // it is old
	lowered  bool   // and says more than the box counts on
	savedAt  Time
	savedTo  time.Duration // end of the lease that it has
}

const (
	fresh      = 10 * time.Second // since the hub answered: it is not away
	urgent     = time.Second      // between requests while calls wait
	firstPause = 2 * time.Second  // after a failure; it doubles
	lastPause  = time.Minute
	refusal    = 5 * time.Minute // until a hub that has refused the box is asked again
	reserve    = 1000            // sequences that one write to the flash is good for; a box that knows nothing of its past begins so far above it
	resave     = time.Hour       // what the flash says of time may be so old
	longest    = time.Hour       // until Next is called again
)

// New returns the Holder of a box that knows nothing of its past. Its sequence begins with the clock, so that it is above any that the box
// has used before; if it is not, the hub says so.
func New(kind, serial string, now Time) *Holder {
	h := &Holder{kind: kind, serial: serial, pace: pace{started: now.Up}}
	h.asked.sequence = uint64(min(max(now.Clock.Unix(), 0), MaxSequence/2))
	h.flash.reserved = h.asked.sequence
	h.pace.renew = now.Up + h.jitter(3*time.Second)
	return h
}

// Enable says whether the box is to have leases. When not, it counts on nothing at once and gives all back.
func (h *Holder) Enable(on bool, now Time) {
	if h.off == !on {
		return
	}
	h.off = !on
	h.pace.renew, h.pace.retry = now.Up, now.Up
	if h.off {
		h.lower(0)
	}
}

// Use tells how the licenses are used.
func (h *Holder) Use(now Time, u Use) { h.demand.use(now.Up, u) }

// Ask has the hub asked soon, because it said that something has changed.
func (h *Holder) Ask(now Time) {
	h.pace.renew = min(h.pace.renew, now.Up+h.jitter(3*time.Second))
	h.pace.retry, h.pace.grow = min(h.pace.retry, h.pace.renew), min(h.pace.grow, h.pace.renew)
}

// Connected says that the hub can be reached again. A box that waited for it asks within seconds, and not all boxes at the same time.
func (h *Holder) Connected(now Time) {
	if h.pace.fails > 0 {
		h.pace.retry = min(h.pace.retry, now.Up+h.jitter(3*time.Second))
	}
}

// Step is what is to be done, in the order of its fields.
type Step struct {
	Count   int                 // what the box counts on from now on
	Save    bool                // Save is to be called
	Strict  bool                // and when that fails, Failed in place of the request: after a restart the box would count on more than it has
	Request *fleet.LeaseRequest // to be sent. Its outcome is told by one of Answered, Refused and Failed, and no other request comes before that
	Wait    time.Duration       // Next is to be called again then, and after anything has happened
}

// Next says what is to be done now.
func (h *Holder) Next(now Time) Step {
	h.settle(now)
	wait, asks := longest, false
	if h.asked.pending == nil {
		if wait = h.due(now.Up) - now.Up; wait <= 0 {
			h.ask(now.Up)
			wait, asks = longest, true
		}
	}
	if h.lent.count > 0 {
		for _, at := range []time.Duration{h.lent.end, h.lent.end + Grace} {
			if at > now.Up {
				wait = min(wait, at-now.Up)
			}
		}
	}
	step := Step{Count: h.Count(now), Save: h.unsaved(now), Strict: h.flash.lowered, Wait: min(wait, longest)}
	if asks {
		request := *h.asked.pending
		step.Request = &request
	}
	return step
}

// settle lets a lease lapse that is over for good.
func (h *Holder) settle(now Time) {
	if h.lent.count == 0 || now.Up < h.lent.end || !h.lent.refused && now.Up < h.lent.end+Grace {
		return
	}
	h.lent.count, h.lent.lapsed, h.flash.dirty = 0, true, true
}

// due is when the box asks.
func (h *Holder) due(now time.Duration) time.Duration {
	if h.off {
		if !h.lent.given {
			return now + longest
		}
		return h.pace.retry
	}
	at := h.pace.renew
	if h.wish(now) > h.lent.count && (h.bounds.known && h.lent.count < h.bounds.min || h.demand.tight(now, h.lent.count)) {
		at = min(at, h.pace.grow)
		if h.demand.waiting { // a failure does not make calls wait
			return min(max(at, h.pace.retry), h.asked.sent+urgent)
		}
	}
	return max(min(at, h.back(now)), h.pace.retry)
}

// wish is what the box is best lent, within what the hub keeps for it and allows it.
func (h *Holder) wish(now time.Duration) int {
	n, _ := h.demand.wish(now)
	if h.bounds.known {
		n = min(max(n, h.bounds.min), h.bounds.max)
	}
	return n
}

// back is when so much is idle that it goes back, if nothing changes until then.
func (h *Holder) back(now time.Duration) time.Duration {
	const never = 1<<63 - 1
	wish, at := h.wish(now), max(now, h.pace.started+recent)
	if idle := h.lent.count - wish; idle <= 0 || wish > 0 && idle < max(2, wish/4) {
		if _, until := h.demand.wish(now); until > 0 && h.lent.count > 0 {
			return max(until, h.pace.started+recent) // it is looked at again
		}
		return never
	}
	return at
}

// ask makes the request. A box gives back only while the hub answers: it lowers its count before it asks, and a hub that has gone away would not
// give it more when calls come. So it first asks for what it has.
func (h *Holder) ask(now time.Duration) {
	h.asked.before = h.lent.count
	want := h.wish(now)
	switch {
	case h.off:
		want = 0
	case want >= h.lent.count:
	case h.pace.fails == 0 && h.pace.answered > 0 && now-h.pace.answered < fresh && h.back(now) <= now:
		h.lower(want)
	default:
		want = h.lent.count
	}
	if h.asked.sequence++; h.asked.sequence > h.flash.reserved {
		h.flash.reserved, h.flash.dirty = h.asked.sequence+reserve, true
	}
	h.asked.pending = &fleet.LeaseRequest{Version: fleet.Version, Kind: h.kind, Serial: h.serial, Want: want, Has: h.lent.count, Sequence: h.asked.sequence}
	h.asked.sent, h.asked.want, h.lent.given, h.demand.waiting = now, want, h.lent.given || want > 0, false
}

// Raise corrects a step that lowers the count, before it is saved and its request is sent: by now, calls of the box use so many of the lease.
func (h *Holder) Raise(step Step, used int) Step {
	if used = min(used, h.asked.before); step.Request == nil || h.asked.pending == nil || used <= h.lent.count {
		return step
	}
	h.lent.count, h.asked.pending.Has, h.asked.pending.Want = used, used, max(used, h.asked.pending.Want)
	request := *h.asked.pending
	step.Count, step.Request, h.asked.want = used, &request, request.Want
	return step
}

func (h *Holder) lower(n int) {
	if n < h.lent.count {
		h.lent.count, h.flash.dirty, h.flash.lowered = n, true, true
	}
}

// Answered takes the hub's reply to the request. Count is what its lease is for, which the caller has verified; 0 without one.
func (h *Holder) Answered(now Time, reply fleet.LeaseReply, count int) {
	request := h.asked.pending
	switch {
	case request == nil:
		return
	case reply.Refused:
		h.Refused(now, reply.Error)
		return
	case reply.Error != "" && reply.Sequence >= request.Sequence && reply.Sequence < MaxSequence-reserve:
		// The box has forgotten its past. It begins above anything that may be on its way from then.
		h.asked.sequence, h.flash.dirty = reply.Sequence+reserve, true
		h.Failed(now, reply.Error)
		if h.pace.fails < 3 {
			h.pace.retry = now.Up
		}
		return
	case reply.Error != "":
		h.Failed(now, reply.Error)
		return
	case reply.Sequence != request.Sequence || reply.Left < 0 || count < 0 || count > request.Want || count > 0 && reply.Left == 0:
		h.Failed(now, "the hub's answer does not fit the question")
		return
	}
	h.asked.pending = nil
	left := min(time.Duration(reply.Left), Life/time.Second) * time.Second
	if count != h.lent.count || h.lent.refused || h.asked.sent+left > h.flash.savedTo+resave {
		h.flash.dirty = true
	}
	less := count < h.lent.count
	h.lower(count)
	h.lent.count, h.lent.end = count, h.asked.sent+left
	h.bounds.min, h.bounds.max, h.bounds.known = clamp(reply.Min), clamp(reply.Max), true
	h.lent.lapsed, h.lent.refused, h.pace.fails, h.asked.why = false, false, 0, ""
	h.pace.answered, h.pace.retry = now.Up, now.Up
	h.lent.given = request.Want > 0
	h.pace.renew = h.asked.sent + Life/3 - h.jitter(Life/30)
	if left > 0 {
		h.pace.renew = h.asked.sent + left/3 - h.jitter(left/30)
	}
	if less { // the hub keeps the difference until it hears that the box knows
		h.pace.renew = now.Up + urgent
	}
	if h.pace.short++; count >= request.Want {
		h.pace.short = 0
	}
	h.pace.grow = now.Up
	if h.pace.short > 0 {
		h.pace.grow += pause(5*time.Second, 5*time.Minute, h.pace.short)
		h.asked.why = fmt.Sprintf("the hub's pool has only %d of the %d that it asked for", count, request.Want)
		if count >= h.bounds.max {
			h.asked.why = fmt.Sprintf("the hub lets this box have %d at most", h.bounds.max)
		}
	}
}

// pause doubles with each further time.
func pause(first, last time.Duration, times int) time.Duration {
	return min(first<<min(times-1, 10), last)
}

// Failed says that the request had no answer that means anything: the hub is away, or has trouble of its own. Why is a sentence.
func (h *Holder) Failed(now Time, why string) {
	h.asked.pending = nil
	h.pace.fails = min(h.pace.fails+1, 1000)
	h.asked.why = printable.Text(why)
	wait := pause(firstPause, lastPause, h.pace.fails)
	h.pace.retry = now.Up + wait/2 + h.jitter(wait/2)
	h.pace.renew = min(h.pace.renew, h.pace.retry)
}

// Refused says that the hub gives this box nothing, or nothing that the box may believe. It is true until the hub gives it something.
func (h *Holder) Refused(now Time, why string) {
	if h.lent.refused && h.asked.pending == nil { // it has been said
		h.asked.why = printable.Text(why)
		return
	}
	h.Failed(now, why)
	h.pace.retry = now.Up + refusal/2 + h.jitter(refusal/2)
	if !h.lent.refused {
		h.lent.refused, h.flash.dirty = true, true
	}
	h.settle(now)
}

// Count is what the box counts on.
func (h *Holder) Count(now Time) int {
	if s := h.state(now); s == status.PoolLeaseHeld || s == status.PoolLeaseGrace {
		return h.lent.count
	}
	return 0
}

func (h *Holder) state(now Time) status.PoolLeaseState {
	switch {
	case h.off:
		return status.PoolLeaseNone
	case h.lent.count > 0 && now.Up < h.lent.end:
		return status.PoolLeaseHeld
	case h.lent.count > 0 && !h.lent.refused && now.Up < h.lent.end+Grace:
		return status.PoolLeaseGrace
	case h.lent.count > 0 || h.lent.lapsed:
		return status.PoolLeaseLapsed
	}
	return status.PoolLeaseNone
}

// Status is how the lease stands.
func (h *Holder) Status(now Time) status.PoolLease {
	s := status.PoolLease{Kind: h.kind, State: h.state(now), Count: h.Count(now), Want: h.asked.want, Min: h.bounds.min, Max: h.bounds.max, Why: h.asked.why}
	if s.Count > 0 {
		s.Until = now.Clock.Add(h.lent.end - now.Up).Round(0).Truncate(time.Second)
		if !h.lent.refused {
			s.Grace = s.Until.Add(Grace)
		}
	}
	return s
}

// Reminder is how many days of grace are left, as of the last time that it is to be said: at its beginning and each week after that. 0: there
// is nothing to be said.
func (h *Holder) Reminder(now Time) int {
	if h.state(now) != status.PoolLeaseGrace {
		return 0
	}
	const week = 7 * 24 * time.Hour
	weeks := (now.Up - h.lent.end) / week
	return int((Grace - weeks*week) / (24 * time.Hour))
}

// jitter is 0 to d, as chance has it for this box and request.
func (h *Holder) jitter(d time.Duration) time.Duration {
	f := fnv.New64a()
	fmt.Fprint(f, h.serial, h.kind, h.asked.sequence, h.pace.fails)
	return time.Duration(f.Sum64() % uint64(d))
}
