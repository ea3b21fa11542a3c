package election

import (
	"container/heap"
	"math/rand/v2"
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
	hung     time.Duration // since when
	load     time.Duration // until then it hangs again and again
	life     int           // counts starts
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
	whole    time.Duration // when it asks every witness again
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
		m.load = m.load || w.now < x.load+time.Second
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

func (w *world) note(b int, c Change) {
	if len(w.trace) > 400 {
		w.trace = w.trace[200:]
	}
	w.trace = append(w.trace, w.now.String()+" box "+string(rune('1'+b))+": "+c.From.String()+" to "+c.To.String()+": "+c.Why)
}

func (w *world) told() string { return strings.Join(w.trace[max(0, len(w.trace)-25):], "\n") }
