package election

import (
	"net/netip"
	"time"

	"viaduct/appliance/pair"
)

// turnOn gives a box power, and starts its program.
func (x *box) turnOn() {
	x.power = true
	x.start()
}

func (x *box) turnOff() {
	x.kill()
	x.power, x.held = false, 0
}

func (x *box) start() {
	if x.runs || !x.power {
		return
	}
	x.life++
	x.runs, x.hangs, x.began, x.synced, x.from, x.term, x.inbox, x.gone = true, false, x.w.now, false, -1, 0, nil, false
	x.asks = [2]asking{}
	x.held = 0
	x.unlearn()
	o := Options{Box: uint8(x.n + 1), Interval: interval, Reign: x.kept}
	for n, name := range []string{"LAN", "WAN", "DIRECT"} {
		a := netip.AddrFrom4([4]byte{10, byte(n), 0, byte(10 + x.n)})
		o.Ports = append(o.Ports, Port{Name: name, Direct: n == direct, Own: a, Others: netip.AddrFrom4([4]byte{10, byte(n), 0, byte(11 - x.n)})})
	}
	x.e = New(o, x.w.time())
	if x.w.flaw == "a box does not listen first" {
		long := x.w.time().Add(-time.Minute)
		x.e.listens = ear{since: long, waits: long}
	}
	life := x.life
	x.w.after(x.w.span(0, interval), func() { x.tick(life) })
	x.w.after(x.w.span(0, interval), func() { x.ask(life) })
}

func (x *box) kill() { x.runs, x.hangs = false, false }

func (x *box) stopProcess() {
	if x.runs && !x.hangs {
		x.hangs, x.hung = true, x.w.now
	}
}

func (x *box) goOn() {
	if !x.runs || !x.hangs {
		return
	}
	y := x.w.boxes[1-x.n]
	x.w.check.resumes(x.w.now, x.n, x.e.Role() == pair.Active && x.w.now < x.term, y.acts())
	x.hangs = false
	for _, f := range x.inbox {
		f()
	}
	x.inbox = nil
}

// unlearn is that the box does not know any more whether the witnesses answer the pair's address.
func (x *box) unlearn() {
	for n := range x.w.nets {
		x.w.nets[n].learned[x.n] = false
	}
}

// tick is what package duty does in each interval.
func (x *box) tick(life int) {
	if !x.runs || x.life != life {
		return
	}
	if !x.hangs {
		x.turn(true)
	}
	x.w.after(interval+x.w.span(-interval/20, interval/20), func() { x.tick(life) })
}

func (x *box) turn(due bool) {
	w, e := x.w, x.e
	var sights []Sight
	for n := range w.nets {
		s := Sight{Carrier: w.carrier(x.n, n)}
		if n != direct {
			a := &x.asks[n]
			s.Witness, s.Missing = judged(a.own, a.ownEver, 6), a.ownEver && a.own > 0
			if s.Virtual = judged(a.virtual, a.virtualEver, 3); x.w.now >= x.held {
				s.Virtual = pair.WitnessNone
			} else if a.virtual >= 3 && a.own <= 1 {
				s.Virtual = pair.WitnessSilent
			}
			s.Taken = w.now < a.taken
			if w.flaw == "the witness is not believed" && s.Virtual == pair.WitnessSilent {
				s.Virtual = pair.WitnessHeard
			}
		}
		sights = append(sights, s)
	}
	e.See(sights)
	self := Self{Priority: x.priority, Synced: x.synced}
	x.bend(&self)
	e.Self(self)
	before := e.Role()
	for _, c := range e.Step(w.time()) {
		due = true
		if !c.Possible() {
			w.check.breaks(impossible, "%v to %v", c.From, c.To)
		}
		x.changed(c)
	}
	if e.Role() == pair.Active {
		if before == pair.Active && w.now > x.term && w.flaw == "" {
			x.held = 0 // the router has removed them, and duty has them held again
			x.announce()
		}
		if due {
			x.term = w.now + e.Term(w.time())
		}
		if w.flaw == "a term is too long" {
			x.term = w.now + 30*time.Second
		}
		x.held = w.now + kernel
	}
	if again, _ := e.Contested(); again {
		x.announce()
	}
	if !due {
		return
	}
	x.kept = e.Reign()
	e.Said(w.time())
	switch {
	case e.Role() == pair.Active:
		x.advertise(e.Advertises())
	case e.Yields() && x.gone:
		x.advertise(0)
	}
	word := e.Say(w.time())
	word.Yields = word.Yields && x.gone
	x.say(word)
}

// bend applies a flaw.
func (x *box) bend(self *Self) {
	e, now := x.e, x.w.time()
	switch x.w.flaw {
	case "a pause is not noticed":
		e.said = now
	case "a box says that it has everything":
		self.Synced = true
	case "health depends on the role":
		e.since = now.Add(-time.Hour)
		if e.Role() == pair.Active {
			self.Priority = Ill
		}
	case "words do not count":
		if e.state == Standby || e.Role() == pair.Active {
			e.other.at = time.Time{}
		}
	case "silence at one port is enough":
		if p := e.ports[0]; e.state == Standby && !p.heard.IsZero() && !p.hears(now) {
			e.other.at = time.Time{}
			for i := range e.ports {
				e.ports[i].heard = time.Time{}
			}
		}
	case "nobody gives up":
		if e.Role() == pair.Active {
			e.other.at = time.Time{}
			for i := range e.ports {
				e.ports[i].heard, e.ports[i].answered = time.Time{}, false
			}
		}
	case "a standby waits long":
		if e.state == Standby {
			e.listens = ear{since: now}
		}
	case "the defeated wait for ever":
		if e.state == Defeated || e.state == Joining {
			e.since, e.listens = now, ear{since: now, waits: now}
		}
	case "an active box is never better":
		e.urges = urges{}
	case "addresses are taken back at once":
		if e.state == Yielding && x.gone {
			e.other.word.Refuses, e.other.at = "it will not", now
		}
	}
}

func judged(missed int, ever bool, limit int) pair.Witness {
	switch {
	case !ever:
		return pair.WitnessNone
	case missed >= limit:
		return pair.WitnessSilent
	}
	return pair.WitnessHeard
}

func (x *box) changed(c Change) {
	w := x.w
	w.note(x.n, c)
	acted := c.From == Active || c.From == Switching
	switch c.To {
	case Active:
		if c.From == Switching {
			x.order++
			return
		}
		y, heard := w.boxes[1-x.n], false
		for n := range w.nets {
			heard = heard || w.now-w.open[y.n][n] > 500*time.Millisecond && w.nets[n].loss == 0
		}
		w.check.takes(w.now, x.n, heard && y.acts() && y.Serves() && w.now-max(y.silent, y.dark) > 500*time.Millisecond, false, true)
		if c.Why == HandedOver {
			w.check.takes(w.now, x.n, true, true, x.synced)
		}
		if x.e.doubts > 0 {
			x.unlearn()
		}
		x.term, x.gone = w.now+x.e.Term(w.time()), false
		w.after(w.span(0, 20*time.Millisecond), x.announce)
	case Switching:
		x.order++
		order, life, urgent := x.order, x.life, x.e.Urgent()
		d := w.span(0, 3*time.Second)
		if urgent {
			d = w.span(0, 200*time.Millisecond)
		}
		var err error
		if w.chance(0.1) {
			err = errTest
		}
		w.after(d, func() {
			x.later(life, func() {
				if x.order == order {
					x.e.HandedOver(err)
					x.turn(false)
				}
			})
		})
	case Yielding:
		x.term = 0
		life := x.life
		w.after(w.span(0, 20*time.Millisecond), func() {
			x.later(life, func() {
				if x.e.state == Yielding {
					x.held, x.gone = 0, true
					x.turn(true)
				}
			})
		})
	case Pausing:
		x.term, x.held = 0, 0
		x.order++
	case Joining, Defeated:
		if c.To == Defeated {
			w.check.falls(w.now, x.n, w.boxes[1-x.n].acts())
		}
		if acted {
			x.term, x.held = 0, 0
		}
		if c.From == Pausing && w.check.acted[1-x.n] < x.hung {
			w.check.falls(w.now, x.n, w.boxes[1-x.n].acts())
		}
		if acted || c.From == Yielding || c.From == Pausing {
			x.synced, x.from = false, -1
		}
	}
}

// acts reports whether the box's program does something for the pair.
func (x *box) acts() bool { return x.runs && !x.hangs && x.e.Role() == pair.Active && x.w.now < x.term }

// Serves reports whether the box has a carrier at a network of calls.
func (x *box) Serves() bool { return x.w.carrier(x.n, 0) || x.w.carrier(x.n, 1) }

// later does something in a life of the box: when it hangs, as soon as it goes on.
func (x *box) later(life int, f func()) {
	switch {
	case !x.runs || x.life != life:
	case !x.hangs:
		f()
	case len(x.inbox) < 256:
		x.inbox = append(x.inbox, func() { x.later(life, f) })
	}
}

func (x *box) advertise(priority uint8) {
	for n := range x.w.nets {
		if x.w.hears(x.n, n) && !x.w.chance(x.w.nets[n].loss) {
			x.w.advert(x.w.boxes[1-x.n], n, priority)
		}
	}
}

func (w *world) advert(to *box, n int, priority uint8) {
	life := to.life
	w.after(w.span(0, 5*time.Millisecond), func() {
		to.later(life, func() {
			to.e.Advert(w.time(), n, priority, interval)
			to.turn(false)
		})
	})
}

func (x *box) say(word pair.Word) {
	w := x.w
	to := w.boxes[1-x.n]
	if !w.linked() || w.now-to.began < 300*time.Millisecond {
		return
	}
	d := w.span(0, 5*time.Millisecond)
	if w.chance(w.nets[direct].loss) {
		d += 200 * time.Millisecond // it is sent again
	}
	life := to.life
	w.after(d, func() {
		if w.passes(x.n, direct) {
			to.later(life, func() {
				to.e.Word(w.time(), word)
				to.turn(false)
			})
		}
	})
}

// announce is gratuitous ARP.
func (x *box) announce() {
	if x.w.now >= x.held {
		return
	}
	for n := range 2 {
		if x.w.reaches(x.n, n) {
			x.w.nets[n].owner = x.n
		}
	}
}

// ask asks the witnesses, and who has the pair's address.
func (x *box) ask(life int) {
	if !x.runs || x.life != life {
		return
	}
	w := x.w
	whole := w.now >= x.whole
	defer func() {
		d := 200 * time.Millisecond
		for _, a := range x.asks {
			if a.ownEver && a.own > 0 && a.own < 20 {
				d = 50 * time.Millisecond
			}
		}
		w.after(d, func() { x.ask(life) })
	}()
	if whole {
		x.whole = w.now + 200*time.Millisecond
	}
	if x.hangs {
		return
	}
	for n := range 2 {
		a, net := &x.asks[n], &w.nets[n]
		answer := w.reaches(x.n, n) && !w.chance(net.loss)
		if whole || a.ownEver && a.own > 0 && a.own < 20 {
			count(&a.own, &a.ownEver, answer)
		}
		if !whole {
			continue
		}
		y := w.boxes[1-x.n]
		if w.now < x.held {
			if net.owner < 0 || net.owner != x.n && !(w.boxes[net.owner].power && w.now < w.boxes[net.owner].held && w.reaches(net.owner, n)) {
				net.owner = x.n // it asks who has it, and this one answers
			}
			sound := answer
			answer = answer && net.owner == x.n
			if sound {
				count(&a.virtual, &a.virtualEver, answer)
			}
			if answer {
				net.learned[x.n] = true
				if x.w.link >= 0 {
					net.learned[1-x.n] = true
				}
			}
		} else {
			a.virtual, a.virtualEver = 0, false
			if y.power && w.now < y.held && w.passes(x.n, n) && w.passes(y.n, n) {
				a.taken = w.now + 2500*time.Millisecond
			}
		}
	}
}

func count(missed *int, ever *bool, answer bool) {
	if answer {
		*missed, *ever = 0, true
	} else {
		*missed++
	}
}
