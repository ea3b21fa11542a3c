package duty

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"viaduct/appliance/pair"
	"viaduct/appliance/pair/election"
	"viaduct/appliance/pair/vrrp"
)

// work is what runs while there is a pair.
type work struct {
	d      *Duty
	l      layout
	log    *slog.Logger
	router router
	hands  *hands
	clerk  *clerk
	nudge  chan struct{} // one token: something was heard

	stop, shutDown          context.CancelFunc // of loop and helpers, and of the router
	loops, helpers, routers sync.WaitGroup

	mu      sync.Mutex
	e       *election.Election
	order   uint64    // of the hand-over that is under way
	until   time.Time // the end of the term
	knows   bool      // the box has had what the pair has
	gone    bool      // after a hand-over: the addresses are gone, and the other box may take over
	waiting []chan error
	asks    int // those at this box, the standby, who wait for the other one to hand over
}

func newWork(d *Duty, l layout, active bool) *work {
	w := &work{d: d, l: l, log: d.o.Log, nudge: make(chan struct{}, 1)}
	o := l.router()
	o.Log, o.Term, o.Heard, o.Changed = d.o.Log, d.o.Term, w.advert, func() { signal(w.nudge) }
	w.router = d.open(o)
	kept := d.keep.read()
	w.knows = kept.Knows || active
	w.e = election.New(l.election(kept.Reign, active), time.Now())
	w.hands = newHands(w)
	w.clerk = newClerk(w)
	return w
}

// begin starts all goroutines.
func (w *work) begin() {
	ctx, stop := context.WithCancel(context.Background())
	open, shutDown := context.WithCancel(context.Background())
	w.stop, w.shutDown = stop, shutDown
	w.mu.Lock() // the other box may be heard already
	active := w.e.Role() == pair.Active
	if active { // it goes on with the table that it has
		w.extend(time.Now())
		w.give(order{do: takeOver, why: "it had the addresses before it was one of a pair"})
	}
	w.mu.Unlock()
	if !active {
		w.d.link.Follow()
		w.d.o.Term.End()
		w.give(order{do: drop}) // addresses may be here from before
	}
	w.routers.Go(func() { w.router.Run(open) })
	w.helpers.Go(func() { w.hands.run(ctx) })
	w.helpers.Go(func() { w.clerk.run(ctx) })
	w.loops.Go(func() { w.loop(ctx) })
}

const (
	farewells   = 3 // so often a box says that it leaves
	releaseTime = time.Second
)

// end stops them, in a manner.
func (w *work) end(how manner) {
	defer w.routers.Wait()
	defer w.shutDown()
	w.stop()
	w.loops.Wait()
	now := time.Now()
	w.mu.Lock()
	active, willing, word, reign, knows := w.e.Role() == pair.Active, w.e.Willing(now) == nil, w.say(now), w.e.Reign(), w.knows
	w.refuse(errors.New("the pair has another configuration now, or the box stops"))
	w.mu.Unlock()
	switch {
	case active && (how == leave || how == giveUp && !willing): // the box goes on, or ends its calls itself
		w.d.o.Term.Free()
	case active && how == change:
		w.d.o.Term.ExtendTo(now.Add(2 * releaseTime))
	case active:
		w.d.o.Term.End()
	}
	w.hands.cancelAll()
	w.helpers.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
	defer cancel()
	switch {
	case !active && how == leave:
		word.Leaves = true
		w.farewell(word)
	case !active:
		if w.hands.acts { // it paused, or was about to drop them
			w.note(w.router.Release(ctx))
			w.d.o.Box.Drop("the pair has another configuration, and the box is not active")
		}
	case how == leave:
		word.Leaves = true
		w.note(w.router.Leave(ctx))
		w.farewell(word)
	case how == change || !willing && how == giveUp:
		w.note(w.router.Leave(ctx))
	default:
		w.note(w.router.Release(ctx))
		word.Role, word.Yields, word.Eligible = pair.Standby, true, false
		if err := w.router.Advertise(0); err != nil {
			w.log.Warn("VRRP is not sent", "err", err)
		}
		w.farewell(word)
		w.d.link.Follow()
		w.d.acts.Store(false)
		why := "the box is not one of its pair any more"
		if how == giveUp {
			why = "the box stops, and the other one takes over"
		}
		w.d.o.Box.Drop(why)
	}
	w.d.keep.write(kept{reign, active && how != shed, knows})
	w.clerk.clear()
}

// farewell says a last word, a few times: it may be lost.
func (w *work) farewell(word pair.Word) {
	for range farewells {
		w.d.link.Say(word)
		time.Sleep(w.l.interval / farewells)
	}
}

func (w *work) note(err error) {
	if err != nil {
		w.log.Warn("addresses of the pair", "err", err)
	}
}

// loop decides, in each interval and whenever something was heard, until ctx ends.
func (w *work) loop(ctx context.Context) {
	tick := time.NewTicker(w.l.interval)
	defer tick.Stop()
	due := true
	for {
		silence := w.turn(due)
		var silent <-chan time.Time
		if d := time.Until(silence); d >= 0 && d < w.l.interval {
			silent = time.After(d + time.Millisecond)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			due = true
		case <-w.nudge:
			due = false
		case <-silent:
			due = false
		}
	}
}

// turn decides once. When it is due, or something has changed, the box says how it is. It returns when to decide again at the latest, if that is soon.
func (w *work) turn(due bool) (silence time.Time) {
	sights, linked := w.router.State(), w.d.link.State()
	facts := w.clerk.facts()
	w.mu.Lock()
	now := time.Now()
	w.e.See(sightsOf(sights))
	w.e.Self(election.Self{Priority: facts.priority(), Lines: facts.Lines, Fresh: !w.knows, Full: facts.Full, Alike: w.alike(now, facts), Synced: linked.Synced && facts.Unready == ""})
	for _, c := range w.e.Step(now) {
		w.changed(c)
		due = true
	}
	if !w.knows && w.learnt(now, facts) {
		w.knows = true
		w.clerk.wake()
	}
	if w.e.Role() == pair.Active {
		if now.After(w.until) {
			w.give(order{do: hold}) // it was slow, but nobody has taken over
		}
		if due {
			w.extend(now)
		}
	}
	if due {
		w.e.Said(now)
	}
	if again, both := w.e.Contested(); again {
		w.give(order{do: announce})
		if both {
			w.clerk.split("the other box was active too, and has given up")
		}
	}
	active, gone, priority := w.e.Role() == pair.Active, w.e.Yields() && w.gone, w.e.Advertises()
	word := w.say(now)
	silence = w.e.Silence()
	w.mu.Unlock()
	if !due {
		return silence
	}
	switch {
	case active:
		w.clerk.sent(w.router.Advertise(priority))
	case gone:
		w.clerk.sent(w.router.Advertise(0))
	}
	w.d.link.Say(word)
	return silence
}

// alike reports whether both boxes have one configuration. The lock is held.
func (w *work) alike(now time.Time, own Facts) bool {
	const what = "configuration"
	other, _, speaks := w.e.Other(now)
	return speaks && own.Sums[what] != "" && own.Sums[what] == other.Sums[what]
}

// learnt reports whether the box has what the pair has: it has copied all of it, the other box has copied from this one, or this one has calls. A box out of
// the carton that takes over because it finds nobody has none of that. The lock is held.
func (w *work) learnt(now time.Time, facts Facts) bool {
	if state, _, _ := w.e.State(); state == election.Standby {
		return true
	}
	other, _, speaks := w.e.Other(now)
	return w.e.Role() == pair.Active && (facts.Calls > 0 || speaks && other.Role == pair.Standby && other.Eligible)
}

// extend has the term run on from a decision. The lock is held.
func (w *work) extend(now time.Time) {
	w.until = now.Add(w.e.Term(now))
	w.d.o.Term.ExtendTo(w.until)
}

// say is the word of the box. The lock is held.
func (w *work) say(now time.Time) pair.Word {
	word, f := w.e.Say(now), w.clerk.facts()
	word.Serial, word.Release, word.Calls, word.Sums = f.Serial, f.Release, f.Calls, f.Sums
	word.Yields = word.Yields && w.gone
	word.Asks = w.asks > 0 && word.Role == pair.Standby
	return word
}

func sightsOf(list []vrrp.State) []election.Sight {
	sights := make([]election.Sight, len(list))
	for i, s := range list {
		sights[i] = election.Sight{Carrier: s.Carrier && s.Open, Witness: s.Witness, Missing: s.Missing, Virtual: s.Virtual, Taken: s.Taken}
	}
	return sights
}

// advert and word take what was heard.
func (w *work) advert(h vrrp.Heard) {
	w.mu.Lock()
	w.e.Advert(h.At, h.Port, h.Priority, h.Interval)
	w.mu.Unlock()
	signal(w.nudge)
}

func (w *work) word(word pair.Word) {
	w.mu.Lock()
	copied := w.e.Copies()
	w.e.Word(time.Now(), word)
	copies := w.e.Copies()
	w.mu.Unlock()
	signal(w.nudge)
	if copies && !copied && w.d.o.Linked != nil { // what came before the word waits for it
		w.d.o.Linked()
	}
}

// changed has the hands do what follows from a step. The lock is held.
func (w *work) changed(c election.Change) {
	if !c.Possible() {
		w.log.Error("impossible step of a pair", "from", c.From.String(), "to", c.To.String())
	}
	w.log.Info("the pair", "state", c.To.String(), "before", c.From.String(), "why", c.Why, "reign", w.e.Reign().Number)
	acted := c.From == election.Active || c.From == election.Switching
	switch c.To {
	case election.Active:
		w.extend(time.Now()) // before the hands hold anything
		if c.From == election.Switching {
			w.refuse(errors.New(c.Why))
			w.give(order{do: callOff})
		}
		w.give(order{do: takeOver, why: c.Why})
		w.became(pair.Active, c, c.From == election.Standby && c.Why != election.HandedOver)
		switch c.From {
		case election.Yielding:
			w.refuse(errors.New(c.Why))
		case election.Standby:
			w.granted() // to those who asked here
		}
	case election.Switching:
		w.order++
		w.give(order{do: handOver, why: c.Why, urgent: w.e.Urgent(), number: w.order})
	case election.Yielding:
		w.d.o.Term.End()
		w.gone = false
		w.became(pair.Standby, c, false)
		w.give(order{do: release})
	case election.Pausing:
		w.d.o.Term.End()
		w.became(pair.Standby, c, false)
		w.refuse(errors.New(c.Why))
		w.give(order{do: callOff})
		w.give(order{do: release})
	case election.Joining, election.Defeated:
		switch {
		case acted:
			w.d.o.Term.End()
			w.became(pair.Standby, c, false)
			w.give(order{do: drop, why: c.Why})
			w.refuse(errors.New(c.Why))
			if c.To == election.Defeated {
				w.clerk.split(c.Why)
			}
		case c.From == election.Pausing:
			w.give(order{do: drop, why: c.Why})
		case c.From == election.Yielding:
			w.give(order{do: drop, why: c.Why})
			w.granted()
		}
	}
	w.clerk.wake()
}

// became notes another role. The lock is held.
func (w *work) became(r pair.Role, c election.Change, fault bool) {
	w.d.acts.Store(r == pair.Active)
	calls := w.clerk.facts().Calls
	w.d.record(r, c.Why, calls)
	w.clerk.became(r, c.Why, fault)
	if w.d.o.Changed != nil {
		w.d.o.Changed()
	}
}

func (w *work) give(o order) { w.hands.give(o) }

// handTo has the other box take over, or this one if it is the standby, because somebody has asked for it.
func (w *work) handTo(ctx context.Context) error {
	w.mu.Lock()
	if state, _, _ := w.e.State(); state == election.Standby {
		defer w.mu.Unlock()
		return w.ask(ctx)
	}
	if err := w.e.Switch(time.Now(), "a switch was asked for"); err != nil {
		w.mu.Unlock()
		return err
	}
	outcome := make(chan error, 1)
	w.waiting = append(w.waiting, outcome)
	w.mu.Unlock()
	signal(w.nudge)
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// askTime is how long the standby waits for the other box to hand over.
const askTime = plannedTime + 5*time.Second

// ask has the active box asked for a switch, and waits until this one is active. The lock is held, and let go meanwhile.
func (w *work) ask(ctx context.Context) error {
	if _, _, speaks := w.e.Other(time.Now()); !speaks {
		return errors.New("the other box is not heard on the direct path")
	}
	outcome := make(chan error, 1)
	w.waiting = append(w.waiting, outcome)
	w.asks++
	w.mu.Unlock()
	var err error
	select {
	case err = <-outcome:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-time.After(askTime):
		err = errors.New("the other box did not hand over in time")
	}
	w.mu.Lock()
	w.asks--
	return err
}

// granted and refuse tell those who wait for a switch how it went. The lock is held.
func (w *work) granted() { w.refuse(nil) }

func (w *work) refuse(err error) {
	for _, c := range w.waiting {
		c <- err
	}
	w.waiting = nil
}

// handedOver says how the hands have handed over.
func (w *work) handedOver(number uint64, err error) {
	w.mu.Lock()
	if number == w.order {
		w.e.HandedOver(err)
	}
	w.mu.Unlock()
	signal(w.nudge)
}

// released says that the addresses are gone after a hand-over.
func (w *work) released() {
	w.mu.Lock()
	w.gone = true
	word := w.say(time.Now())
	w.mu.Unlock()
	w.d.link.Say(word) // the other box need not wait for the next interval
	signal(w.nudge)
}
