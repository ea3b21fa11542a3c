package election

import (
	"cmp"
	"time"

	"viaduct/appliance/pair"
)

// fit reports whether calls can go over the port, as far as this box knows.
func (p *port) fit() bool { return p.Carrier && p.Witness != pair.WitnessSilent }

// hears reports whether the other box's VRRP was heard within the time in which it may be silent.
func (p *port) hears(now time.Time) bool {
	return !p.heard.IsZero() && now.Sub(p.heard) <= down(p.interval, p.priority)
}

// speaks reports whether the other box's word was heard within that time.
func (e *Election) speaks(now time.Time) bool {
	return !e.other.at.IsZero() && now.Sub(e.other.at) <= down(e.o.Interval, e.other.word.Priority)
}

// advertises reports whether VRRP is heard that says that the other box is active, and at which port.
func (e *Election) advertises(now time.Time) (*port, bool) {
	for i := range e.ports {
		if p := &e.ports[i]; p.priority > 0 && p.hears(now) {
			return p, true
		}
	}
	return nil, false
}

// leads reports whether the other box is active. Its word counts more than VRRP, which anybody in the network can send in its name.
func (e *Election) leads(now time.Time) bool {
	if e.left() {
		return true
	}
	if e.speaks(now) {
		return e.other.word.Role == pair.Active
	}
	_, advertises := e.advertises(now)
	return advertises
}

// left reports whether the other box has left the pair with the addresses, and has said nothing since.
func (e *Election) left() bool { return e.other.word.Leaves && e.other.word.Role == pair.Active }

// lives reports whether anything is heard of the other box.
func (e *Election) lives(now time.Time) bool {
	if e.speaks(now) || e.left() {
		return true
	}
	for i := range e.ports {
		if e.ports[i].hears(now) {
			return true
		}
	}
	return false
}

// gaveUp reports whether the other box has given up so that this one takes over.
func (e *Election) gaveUp(now time.Time) bool {
	if e.speaks(now) {
		return e.other.word.Yields
	}
	_, advertises := e.advertises(now)
	return !advertises && e.lives(now)
}

// knows says which of the two has what the pair has, and is not to lose it: above 0 this box, below the other one; 0 for both, or neither. A box out of the
// carton that was active because it found nobody has less.
func (e *Election) knows() int {
	w := e.other.word
	if n := cmp.Compare(worth(e.self.Fresh, e.self.Full), worth(w.Fresh, w.Full)); n == cmp.Compare(e.self.Lines, w.Lines) {
		return n
	}
	return 0
}

// worth is what a box has: what the pair has, telephony of its own, or neither.
func worth(fresh, full bool) int {
	switch {
	case !fresh:
		return 2
	case full:
		return 1
	}
	return 0
}

// Copies reports whether the box may copy what the other one has. One that has never been in the pair, and has telephony of its own, does not: which of the
// two configurations is to go is for people to say.
func (e *Election) Copies() bool {
	if e.self.Fresh && !e.self.Full {
		return true
	}
	return !e.other.at.IsZero() && (e.self.Alike || !e.self.Fresh && e.knows() <= 0)
}

// serves reports whether the box can do anything for the network.
func (e *Election) serves() bool { return e.own().carriers > 0 }

// ports that a box has for calls.
type shape struct{ fit, carriers int }

// compare says who has more.
func (s shape) compare(t shape) int {
	return cmp.Or(cmp.Compare(s.fit, t.fit), cmp.Compare(s.carriers, t.carriers))
}

// own is how this box's ports are.
func (e *Election) own() (s shape) {
	for i := range e.ports {
		if p := &e.ports[i]; !p.Direct {
			s.count(p.Carrier, p.fit())
		}
	}
	return s
}

// theirs is how the other's are, by its word.
func (e *Election) theirs() (s shape) {
	for i := range e.ports {
		for _, f := range e.other.word.Ports {
			if !e.ports[i].Direct && f.Name == e.ports[i].Name {
				s.count(f.Carrier, f.Fit())
				break
			}
		}
	}
	return s
}

// sure reports whether the other box, by its word, hears the network wherever this one does not any more. If the witness itself has failed, the other box has
// no answer either, and says so before this one calls it silent.
func (e *Election) sure() bool {
	for i := range e.ports {
		p := &e.ports[i]
		for _, f := range e.other.word.Ports {
			if !p.Direct && f.Name == p.Name && p.Witness == pair.WitnessSilent && f.Carrier && (f.Missing || f.Witness == pair.WitnessNone) {
				return false
			}
		}
	}
	return true
}

func (s *shape) count(carrier, fit bool) {
	if carrier {
		s.carriers++
	}
	if fit {
		s.fit++
	}
}

// better reports whether this box is to become active, and not the other one, whose word is heard and who is not active either.
func (e *Election) better() bool {
	w, own, theirs := e.other.word, e.own(), e.theirs()
	lines := 0
	if e.reign.Number == 0 { // the pair has never been one: the box with more has what the other one is to get
		lines = cmp.Compare(e.self.Lines, w.Lines)
	}
	return cmp.Or(
		e.knows(),
		compare(own.carriers > 0, theirs.carriers > 0),
		compare(e.Eligible(), w.Eligible),
		cmp.Compare(e.reign.Number, w.Reign),
		compare(e.reign.Own, w.Reigned),
		lines,
		own.compare(theirs),
		cmp.Compare(w.Box, e.o.Box)) > 0
}

func compare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// loses says why this box is the one of two active ones that gives up; "": it is not.
func (e *Election) loses(now time.Time) string {
	if e.alone && now.Sub(e.since) < loneTime && !(e.speaks(now) && e.other.word.Hears) {
		return "" // words are about to come, and what they decide is who copies what from whom
	}
	if !e.speaks(now) {
		p, ok := e.advertises(now)
		if ok && e.outranked(p.priority) {
			return "the other box was active too, and its priority is higher"
		}
		return ""
	}
	w, own, theirs := e.other.word, e.own(), e.theirs()
	if !w.Hears {
		for _, p := range w.Ports {
			if p.Hears { // it knows by VRRP, and judges by that
				if e.outranked(w.Priority) {
					return "the other box was active too, and its priority is higher"
				}
				return ""
			}
		}
		if theirs.fit == 0 && own.fit > 0 || now.Sub(e.contest.since) < e.down() { // it may be about to
			return ""
		}
		return "the other box was active too, and does not hear this one"
	}
	switch {
	case e.knows() > 0:
		return ""
	case e.knows() < 0:
		return "the other box is active too, and this one has never had what the pair has"
	case e.alone && !w.Alone:
		return "the other box is active in the pair, and this one stood alone"
	case w.Alone && !e.alone, w.Alone && e.self.Lines > w.Lines:
		return ""
	case w.Alone && e.self.Lines < w.Lines:
		return "both boxes stood alone, and the other one has more configuration"
	}
	later, reigns := cmp.Compare(e.reign.Number, w.Reign), compare(e.reign.Own, w.Reigned)
	switch fit, number := cmp.Compare(own.fit, theirs.fit), cmp.Compare(w.Box, e.o.Box); {
	case cmp.Or(fit, later, reigns, number) > 0:
		return ""
	case fit != 0:
		return "the other box was active too, and has more ports with a network"
	case later != 0 || reigns != 0:
		return "the other box was active too, and took over later"
	}
	return "the other box was active too, and its number is lower"
}

// outranked is the rule of RFC 9568 6.4.3: the higher priority, then the higher address, at the pair's first port.
func (e *Election) outranked(priority uint8) bool {
	if own := e.Priority(); priority != own {
		return priority > own
	}
	for i := range e.ports {
		if p := &e.ports[i]; !p.Direct {
			return p.Others.Compare(p.Own) > 0
		}
	}
	return false
}

// elsewhere returns a port at which the network gives the pair's address to somebody else; "": there is none.
func (e *Election) elsewhere(now time.Time) string {
	if e.speaks(now) && e.other.word.Role != pair.Active {
		return "" // a stranger has it: to give up would help nobody
	}
	if now.Sub(e.since) < max(kernelTime, 3*e.o.Interval) {
		return ""
	}
	for i := range e.ports {
		p := &e.ports[i]
		if !p.Direct && p.answered && p.Carrier && p.Witness == pair.WitnessHeard && p.Virtual == pair.WitnessSilent {
			return p.Name
		}
	}
	return ""
}

// heard reports whether the other box was ever heard while this one has listened.
func (e *Election) heard() bool {
	if e.other.at.After(e.listens.since) {
		return true
	}
	for i := range e.ports {
		if e.ports[i].heard.After(e.listens.since) {
			return true
		}
	}
	return false
}

// taken reports whether somebody has the pair's address although nothing is heard of the other box.
func (e *Election) taken() bool {
	for i := range e.ports {
		if p := &e.ports[i]; !p.Direct && p.Carrier && p.Taken {
			return true
		}
	}
	return false
}
