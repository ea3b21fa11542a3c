// Package election decides which box of a pair is active.
//
// It owns the rules: what is believed of what is heard, when a box takes over, yields, gives up or waits. An Election is a value that is told what is
// heard and seen, and is asked again and again what follows. It has no sockets, clock, locks or goroutines: time is an argument. It does not own what
// a decision does to the box: that is package duty.
//
// # What cannot happen
//
// A box takes over from one that lives only when that one yields, and only when it has all that the other has told it.
//
// Two boxes that hear each other, or that have a witness, are not both active for long. Words decide when both boxes hear them: more ports with a
// network win, then the later reign, then the lower number. Otherwise VRRP's own rule does: priority, then address. When neither hears the other, the
// witness does: a box whose question from the pair's address is not answered, while the same question from its own address is, knows that the network
// gives the pair's address to the other box.
//
// Nothing goes back and forth. A box yields only to one that has more ports with a network, then more with a carrier, then better health. What it
// yielded to has no reason to yield back until something else happens, and health, which each box judges for itself, is asked rarely.
package election

import (
	"net/netip"
	"time"

	"viaduct/appliance/pair"
)

// Options are what an election is about.
type Options struct {
	Box      uint8 // the number of this one, 1 or 2
	Interval time.Duration
	Preempt  bool
	Ports    []Port
	Reign    Reign // that the box remembers
	Active   bool  // it has the addresses and calls already: it stood alone until now
}

// Port is a port of the pair.
type Port struct {
	Name        string
	Direct      bool
	Own, Others netip.Addr
}

// Reign is the time in which one box is active. A box remembers the last one over a restart.
type Reign struct {
	Number uint64 `json:"number"`
	Own    bool   `json:"own"` // it is, or was, this box's
}

// Sight is what the box sees at a port.
type Sight struct {
	Carrier bool
	Witness pair.Witness // asked from the box's own address
	Missing bool         // that has not answered the last question yet
	Virtual pair.Witness // asked from the pair's address. Silent: the last questions were not answered, whether earlier ones were or not
	Taken   bool         // somebody else has the pair's address there, as ARP says. Not looked for while this box has it
}

// Self is what the box says of itself.
type Self struct {
	Priority uint8 // by health: 1 to 254
	Lines    int   // of its configuration
	Fresh    bool  // it has never had what the pair has: pair.Word.Fresh
	Full     bool  // it has telephony configured
	Alike    bool  // its configuration is that of the other box, word for word
	Synced   bool  // it has all that the active box has told it since that one became active
}

// Election is one box's side. It is not safe for concurrent use.
type Election struct {
	o       Options
	state   State
	why     string
	since   time.Time     // in this state
	said    time.Time     // when it told the other one how it is,
	term    time.Duration // and how long it may act from then
	listens ear           // how long the box has listened
	lead    time.Time     // when another one was last known to be active
	reign   Reign
	self    Self
	ports   []port
	other   other
	urges   urges
	asked   string // why the operator's or the box's own wish to hand over is to be followed
	handed  *handed
	fast    bool // in this reign the other one could take over as soon as it hears nothing
	doubts  int  // so often it gave up because of a witness, and nobody was heard who was active
	alone   bool // it is active because it stood alone, and the pair has not decided yet
	contest contest
	changes []Change
}

// port is what is known of a port.
type port struct {
	Port
	Sight
	heard    time.Time // the other box's VRRP last
	priority uint8     // that it had, 0: it gave up
	interval time.Duration
	answered bool // the witness there is known to answer questions from the pair's address
}

// other is the other box by its own word.
type other struct {
	word pair.Word
	at   time.Time
	told time.Time // when it was told last that this box, the standby, waits longer in silence
}

// contest is whether the network may have another one for active.
type contest struct {
	since time.Time // another one has been active beside this one; zero: none is
	deaf  bool      // nothing is heard of the other one
	again bool      // it was, and it is not any more: the network is to be told whose the addresses are,
	both  bool      // and that is sure
}

// ear is how long the box has listened.
type ear struct {
	since time.Time // without a break
	waits time.Time // with breaks, which do not count: it joins
	turns int       // so often it has said how it is since it heard anything
}

// handed is the outcome of a hand-over.
type handed struct{ err error }

// New begins an election: the box listens.
func New(o Options, now time.Time) *Election {
	e := &Election{o: o, term: 3 * o.Interval, since: now, said: now, listens: ear{since: now, waits: now}, reign: o.Reign, why: "it has just started"}
	e.self.Priority = Well
	if o.Active {
		e.state, e.alone, e.why = Active, true, "it had the addresses before it was one of a pair"
	}
	for _, p := range o.Ports {
		e.ports = append(e.ports, port{Port: p})
	}
	return e
}

// Well and Ill are priorities by health.
const (
	Well uint8 = 100 // what RFC 9568 5.2.4 has for a router that does not own the address
	Ill  uint8 = 50
	lone       = 20 // of a box that stood alone until now: it wins over nobody who is active in the pair
)

// Times. Those that depend on the interval are methods.
const (
	joinTime    = 3 * time.Second        // that a box which has just started listens before it is active
	settleTime  = 200 * time.Millisecond // that a witness is to be silent at one box only, which says all the while that it has every answer
	youngTime   = 5 * time.Second        // of a reign: no witness ends it before
	healthTime  = 3 * time.Second        // that the other's health is to be better,
	healthYoung = 10 * time.Minute       // and the reign is to have lasted: what ails a box may come from being active
	returnTime  = 10 * time.Second       // that box 1 is to be well until it is active again, if it is preferred
	doubtTime   = 10 * time.Second       // that a box which gave up because of a witness waits longer, and twice as long each time,
	maxDoubt    = 5 * time.Minute        // to so much
	maxDoubts   = 8
	certainTime = time.Minute             // of a reign without doubts
	kernelTime  = 1500 * time.Millisecond // that the kernel of a box that has failed may have the addresses
	loneTime    = 10 * time.Second        // that such a box waits for words before VRRP decides
	yieldTime   = time.Second             // that the other box has to take over
	goneTime    = 5 * time.Second         // of silence after which the other box is taken for dead
	manyTurns   = 20                      // in which a box hears nothing, however slow it is
	maxInterval = time.Second             // of another router's adverts that is believed
)

func (e *Election) joining() time.Duration { return max(joinTime, 8*e.o.Interval) }

// Term is how long after a decision the box may act by it: less than the other one waits. That one waits longer if it has said so.
func (e *Election) Term(now time.Time) time.Duration {
	if e.Role() == pair.Active && e.speaks(now) && e.other.word.Role != pair.Active && e.other.word.Waits {
		return 3*e.o.Interval + e.extra()
	}
	return 3 * e.o.Interval
}

// extra is how much longer a standby waits that has fewer ports with a network: what it could do for calls is less, and the other box may be slow because it
// has only just taken them over. Both together stay within a second.
func (e *Election) extra() time.Duration { return 3 * e.o.Interval }

// boundTime is how long a standby keeps to what it said, when it has more ports again: the other box may not have heard of it.
const boundTime = 2 * time.Second

// bound reports whether the box is to wait longer although the other one, or its word, is silent since a time for too long.
func (e *Election) bound(now, silence time.Time) bool {
	return silence.Sub(e.other.told) < boundTime+e.down() && now.Before(silence.Add(e.extra()))
}

// down is how long a box that says that it is active may be silent (RFC 9568 6.1).
func down(interval time.Duration, priority uint8) time.Duration {
	return 3*interval + interval*time.Duration(256-int(priority))/256
}

func (e *Election) down() time.Duration { return down(e.o.Interval, 0) }

// Advert says that the other box's VRRP was heard at a port.
func (e *Election) Advert(now time.Time, n int, priority uint8, interval time.Duration) {
	if n < 0 || n >= len(e.ports) {
		return
	}
	e.listens.turns = 0
	p := &e.ports[n]
	p.heard, p.priority, p.interval = now, priority, min(max(interval, e.o.Interval), maxInterval)
}

// Word says that the other box's word was heard.
func (e *Election) Word(now time.Time, w pair.Word) {
	if w.Asks && !e.other.word.Asks && e.state == Active {
		e.asked = "a switch was asked for at the other box"
	}
	e.other.word, e.other.at, e.listens.turns = w, now, 0
	switch {
	case w.Reign <= e.reign.Number:
	case e.Role() == pair.Active && w.Role != pair.Active:
		e.reign = Reign{w.Reign + 1, true} // it remembers another pair, or this box has forgotten
	default:
		e.reign = Reign{Number: w.Reign}
	}
	for i := range e.ports {
		for _, p := range w.Ports {
			if p.Name == e.ports[i].Name && p.Virtual == pair.WitnessHeard {
				e.ports[i].answered = true
			}
		}
	}
}

// See says what the box sees at its ports, in their order.
func (e *Election) See(sights []Sight) {
	for i := range min(len(sights), len(e.ports)) {
		p := &e.ports[i]
		p.Sight = sights[i]
		p.answered = p.answered || p.Virtual == pair.WitnessHeard
	}
}

// Self says what the box says of itself.
func (e *Election) Self(s Self) {
	s.Priority = min(max(s.Priority, 1), 254)
	e.self = s
}

// State is the state of the box, why it is in it, and since when.
func (e *Election) State() (s State, why string, since time.Time) { return e.state, e.why, e.since }

// Role is what the box is for others.
func (e *Election) Role() pair.Role { return states[e.state].role }

// Reign is the last one that the box knows of.
func (e *Election) Reign() Reign { return e.reign }

// Priority is the one to advertise.
func (e *Election) Priority() uint8 {
	p := int(e.self.Priority)
	for _, x := range e.ports {
		if !x.Direct && !x.fit() {
			p -= 20
		}
	}
	if e.alone {
		p = min(p, lone)
	}
	return uint8(max(p, 1))
}

// Left reports whether the other box has left the pair and kept the addresses: this one is to stay out until it hears of it again.
func (e *Election) Left() bool { return e.left() && e.Role() != pair.Active }

// Advertises is the priority of the active box in VRRP. One that has no port for calls asks the other one to take over: where words are not heard, it has
// no other way.
func (e *Election) Advertises() uint8 {
	if !e.serves() {
		return 0
	}
	return e.Priority()
}

// Yields reports whether the box has given up, and waits for the other one.
func (e *Election) Yields() bool { return e.state == Yielding }

// Eligible reports whether the box is active, or may become so while the other one lives.
func (e *Election) Eligible() bool { return e.Role() == pair.Active || e.state == Standby }

// Say returns the part of the box's word that is known here.
func (e *Election) Say(now time.Time) pair.Word {
	waits := e.state == Standby && e.speaks(now) && e.own().fit < e.theirs().fit
	if waits {
		e.other.told = now
	}
	w := pair.Word{Box: e.o.Box, Role: e.Role(), Hears: e.speaks(now), Reign: e.reign.Number, Reigned: e.reign.Own, Priority: e.Priority(),
		Alone: e.alone, Lines: e.self.Lines, Fresh: e.self.Fresh, Full: e.self.Full, Eligible: e.Eligible(), Waits: waits, Yields: e.Yields(), Refuses: e.refuses(now)}
	for _, p := range e.ports {
		w.Ports = append(w.Ports, pair.PortFitness{Name: p.Name, Carrier: p.Carrier, Witness: p.Witness, Missing: p.Missing, Virtual: p.Virtual, Hears: p.hears(now)})
	}
	return w
}

// Heard is when the other box's VRRP was heard at a port, and whether that is recent.
func (e *Election) Heard(now time.Time, n int) (last time.Time, recent bool) {
	return e.ports[n].heard, e.ports[n].hears(now)
}

// Other is the other box's last word, when it came, and whether that is recent.
func (e *Election) Other(now time.Time) (w pair.Word, at time.Time, recent bool) {
	return e.other.word, e.other.at, e.speaks(now)
}

// Leads reports whether the other box is active, as far as is heard.
func (e *Election) Leads(now time.Time) bool { return e.leads(now) }

// Contested reports whether another one was active beside this one, or may have been, and whether that is sure. It is asked once: the network is to be
// told again whose the addresses are.
func (e *Election) Contested() (again, both bool) {
	c := &e.contest
	again, both = c.again && e.Role() == pair.Active, c.both
	c.again, c.both = false, false
	return again, again && both
}

// Silence is when the other box has been silent for too long, if nothing more is heard of it.
func (e *Election) Silence() time.Time {
	end := e.other.at.Add(down(e.o.Interval, e.other.word.Priority))
	for i := range e.ports {
		p := &e.ports[i]
		if t := p.heard.Add(down(p.interval, p.priority)); t.After(end) {
			end = t
		}
	}
	return end
}
