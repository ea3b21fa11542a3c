package election

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"viaduct/appliance/pair"
)

// world is two boxes at three networks in a time of its own: LAN, WAN and the direct path. What is sent may be lost, come late, or one way only.
type world struct {
	*rand.Rand
	flaw  flaw
	now   time.Duration
	seq   int
	queue events
	boxes [2]*box
	nets  [3]network
	open  [2][3]time.Duration // since when what a box says at a network is heard
	link  time.Duration       // since when words pass both ways; -1: they do not
	check *checker
	seen  map[string]int
	trace []string
}

type flaw string

// network is one of the three. Box numbers are 0 and 1 here.
type network struct {
	down    bool       // its switch is off
	cut     [2]bool    // nothing passes from a box to the other
	filter  [2]bool    // VRRP does not
	loss    float64    // of what is passed
	witness bool       // it has one, and it is up
	cutOff  [2]bool    // the witness and a box do not reach each other
	owner   int        // whose the pair's address is, as the witness knows; -1: nobody's
	learned [2]bool    // a box was ever answered at the pair's address in this life of the witness
	forged  [2]forgery // in a box's name
}

type forgery struct {
	on       bool
	priority uint8
}

// box is one of the two, with what package duty does around an election.
type box struct {
	w        *world
	n        int
	power    bool
	runs     bool
	hangs    bool
	life     int // counts starts
	e        *Election
	began    time.Duration
	cable    [3]bool
	kept     Reign
	held     time.Duration // until then the kernel has the addresses
	term     time.Duration
	synced   bool
	from     time.Duration // since when it has been connected to the active one; -1: it is not
	priority uint8
	inbox    []func()      // of a box that hangs
	gone     bool          // after a hand-over
	dark     time.Duration // when it had no carrier last
	silent   time.Duration // when it did not act last
	order    int
	asks     [2]asking
}

// asking is how the witness of a network answers a box.
type asking struct {
	own, virtual         int // questions in a row without an answer
	ownEver, virtualEver bool
	taken                time.Duration
}

type event struct {
	at  time.Duration
	seq int
	do  func()
}
type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

const (
	interval = 100 * time.Millisecond
	direct   = 2
	look     = 20 * time.Millisecond
	kernel   = time.Second // that an address lasts without being renewed
)

var epoch = time.Unix(1700000000, 0)

func newWorld(seed uint64, f flaw) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 7)), flaw: f, seen: map[string]int{}, link: -1}
	w.check = newChecker((&Election{o: Options{Interval: interval}}).joining() + 400*time.Millisecond)
	for n := range w.nets {
		w.nets[n].witness, w.nets[n].owner = n != direct, -1
	}
	for n := range 2 {
		w.boxes[n] = &box{w: w, n: n, cable: [3]bool{true, true, true}, priority: Well, from: -1}
		w.boxes[n].turnOn()
	}
	w.after(0, w.look)
	return w
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now + d, w.seq, do})
}

func (w *world) run(until time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= until {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
	}
	w.now = until
}

func (w *world) time() time.Time       { return epoch.Add(w.now) }
func (w *world) chance(p float64) bool { return w.Float64() < p }
func (w *world) span(a, b time.Duration) time.Duration {
	return a + time.Duration(w.Int64N(int64(b-a)))
}

func (w *world) carrier(b, n int) bool {
	if n == direct && !(w.boxes[1-b].power && w.boxes[1-b].cable[direct]) {
		return false
	}
	return w.boxes[b].power && w.boxes[b].cable[n] && !w.nets[n].down
}

// passes reports whether anything passes from a box to the other at a network.
func (w *world) passes(from, n int) bool {
	return w.carrier(from, n) && w.carrier(1-from, n) && !w.nets[n].cut[from]
}

// hears reports whether VRRP does.
func (w *world) hears(from, n int) bool { return w.passes(from, n) && !w.nets[n].filter[from] }

func (w *world) linked() bool {
	return w.passes(0, direct) && w.passes(1, direct) && w.boxes[0].runs && w.boxes[1].runs
}

func (w *world) reaches(b, n int) bool {
	return n != direct && w.nets[n].witness && !w.nets[n].cutOff[b] && w.carrier(b, n)
}

// speaks reports whether the boxes have each other's words.
func (w *world) speaks() bool { return w.link >= 0 && w.now-w.link > 3*interval }

// look shows the world to the checker, and keeps what changes by itself.
func (w *world) look() {
	defer w.after(look, w.look)
	if linked := w.linked() && !w.boxes[0].hangs && !w.boxes[1].hangs; !linked {
		w.link = -1
	} else if w.link < 0 {
		w.link = w.now
	}
	var m moment
	speaks := w.speaks()
	for b, x := range w.boxes {
		m.runs[b] = x.runs && !x.hangs
		m.acts[b] = x.acts()
		if !m.acts[b] {
			x.silent = w.now
		}
		if !x.Serves() {
			x.dark = w.now
		}
		for n := range w.nets {
			if !w.hears(b, n) {
				w.open[b][n] = w.now
			}
		}
		m.holds[b] = x.power && w.now < x.held
		m.standby[b] = m.runs[b] && x.e.state == Standby && w.now-x.began > 0
		for n := range 2 {
			m.carrier[b][n] = w.carrier(b, n)
			m.deceit = m.deceit || w.nets[n].forged[b].on && !speaks
		}
		x.sync()
	}
	m.talk = w.linked()
	for n := range w.nets {
		m.talk = m.talk || w.hears(0, n) && w.hears(1, n) && w.nets[n].loss < 0.3
		net := &w.nets[n]
		m.noise = m.noise || net.loss > 0.3
		m.witness = m.witness || n != direct && net.learned[0] && net.learned[1] && w.reaches(0, n) && w.reaches(1, n) && net.loss < 0.3
	}
	w.check.sees(w.now, m)
}

// sync has a standby take over what the active one has.
func (x *box) sync() {
	y := x.w.boxes[1-x.n]
	if !x.runs || x.hangs || x.e.Role() == pair.Active || !y.runs || y.hangs || y.e.Role() != pair.Active || x.w.link < 0 {
		x.from = -1
		return
	}
	if x.from < 0 {
		x.from = x.w.now
	}
	if x.w.now-x.from > 700*time.Millisecond {
		x.synced = true
	}
}

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
		x.e.listens = x.w.time().Add(-time.Minute)
	}
	life := x.life
	x.w.after(x.w.span(0, interval), func() { x.tick(life) })
	x.w.after(x.w.span(0, interval), func() { x.ask(life) })
}

func (x *box) kill() { x.runs, x.hangs = false, false }

func (x *box) stopProcess() {
	if x.runs {
		x.hangs = true
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
			s.Witness = judged(a.own, a.ownEver, 3)
			if s.Virtual = judged(a.virtual, a.virtualEver, 3); x.w.now >= x.held {
				s.Virtual = pair.WitnessNone
			} else if a.virtual >= 3 && s.Witness == pair.WitnessHeard {
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
			x.term = w.now + e.Term()
		}
		if w.flaw == "a term is too long" {
			x.term = w.now + 30*time.Second
		}
		x.held = w.now + kernel
	}
	if e.Contested() {
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
			e.listens = now
		}
	case "the defeated wait for ever":
		if e.state == Defeated || e.state == Joining {
			e.since, e.listens = now, now
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
		x.term, x.gone = w.now+x.e.Term(), false
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
	case Joining, Defeated:
		if c.To == Defeated {
			w.check.falls(w.now, x.n, w.boxes[1-x.n].acts())
		}
		if acted {
			x.term, x.held = 0, 0
		}
		if acted || c.From == Yielding {
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
	defer w.after(200*time.Millisecond, func() { x.ask(life) })
	if x.hangs {
		return
	}
	for n := range 2 {
		a, net := &x.asks[n], &w.nets[n]
		answer := w.reaches(x.n, n) && !w.chance(net.loss)
		count(&a.own, &a.ownEver, answer)
		y := w.boxes[1-x.n]
		if w.now < x.held {
			if net.owner < 0 || net.owner != x.n && !(w.boxes[net.owner].power && w.now < w.boxes[net.owner].held && w.reaches(net.owner, n)) {
				net.owner = x.n // it asks who has it, and this one answers
			}
			answer = answer && net.owner == x.n
			count(&a.virtual, &a.virtualEver, answer)
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

func (w *world) note(b int, c Change) {
	if len(w.trace) > 400 {
		w.trace = w.trace[200:]
	}
	w.trace = append(w.trace, w.now.String()+" box "+string(rune('1'+b))+": "+c.From.String()+" to "+c.To.String()+": "+c.Why)
}

func (w *world) told() string { return strings.Join(w.trace[max(0, len(w.trace)-25):], "\n") }
