package lease

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/lease/leasecheck"
)

// world is a customer's boxes and the three nodes of their hub, in a time of its own. Everything in it follows from its seed.
type world struct {
	plan
	*rand.Rand
	now      time.Duration
	queue    queue
	queued   uint64
	check    *leasecheck.Checker
	nodes    [3]*node
	kv       kv
	boxes    []*simBox
	terms    Terms
	editions int
	usual    int  // total
	stormy   bool // messages are lost, doubled and late
	seen     map[string]int
}

// plan is what a world is made of.
type plan struct {
	seed   uint64
	boxes  int
	total  int // percent of what the boxes are for
	days   int
	faults int
	flaw   flaw
	until  string // one of these rules is broken
}

// flaw has something in the world work wrong, so that it is seen whether the check finds it.
type flaw string

const (
	day = 24 * time.Hour
	// patience is how long a box waits for an answer.
	patience = 5 * time.Second
)

// moment is something that happens.
type moment struct {
	at  time.Duration
	nth uint64
	do  func()
}

type queue []moment

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].nth < q[j].nth
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(moment)) }
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = moment{}
	*q = old[:len(old)-1]
	return last
}

func (w *world) after(d time.Duration, do func()) {
	w.queued++
	heap.Push(&w.queue, moment{w.now + max(0, d), w.queued, do})
}

// between is a time of chance.
func (w *world) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.Int64N(int64(high-low)+1))
}

func (w *world) chance(p float64) bool { return w.Float64() < p }

func (w *world) note(e leasecheck.Event) {
	e.At = w.now
	w.check.Add(e)
}

// run lets all happen.
func run(p plan) *world {
	w := &world{plan: p, Rand: rand.New(rand.NewPCG(p.seed, 18)), seen: map[string]int{}, check: leasecheck.New(leasecheck.Standard)}
	w.terms.Boxes = map[string]Box{}
	for i := range w.nodes {
		w.nodes[i] = &node{w: w, name: fmt.Sprint("hub", i+1), up: true, drift: (w.Float64() - 0.5) * 4e-4, off: w.between(-40*time.Minute, 40*time.Minute)}
		w.after(w.between(0, Watch), w.nodes[i].tend)
	}
	sum := 0
	for i := range p.boxes {
		b := newBox(w, i)
		w.boxes = append(w.boxes, b)
		sum += b.size
		limits := Box{Serial: b.serial, Max: MaxCount}
		if w.chance(0.2) {
			limits.Min = 1 + w.IntN(3)
		}
		if w.chance(0.2) {
			limits.Max = b.size
		}
		w.limit(b, limits)
	}
	w.usual = sum * p.total / 100
	w.total(w.usual)
	for _, n := range w.nodes {
		n.terms = w.terms.Ready()
	}
	for _, b := range w.boxes {
		w.after(w.between(0, time.Hour), b.start)
		w.after(w.between(0, 2*time.Hour), b.live)
	}
	end := time.Duration(p.days) * day
	for range p.faults {
		w.after(w.between(time.Hour, end), w.fault)
	}
	for range p.boxes / 50 {
		w.after(w.between(2*time.Hour, 3*day), func() { w.cutOff(w.anyBox(), w.between(31*day, 34*day)) })
	}
	w.after(w.between(8*day, 20*day), w.blackout)
	for len(w.queue) > 0 {
		next := heap.Pop(&w.queue).(moment)
		if next.at > end {
			break
		}
		w.now = next.at
		next.do()
		if p.until != "" && w.broken() {
			break
		}
	}
	return w
}

func (w *world) broken() bool {
	r := w.check.Report()
	return r.Count > 0 && slices.ContainsFunc(strings.Fields(w.until), func(rule string) bool { return r.By[rule] > 0 })
}

// total and limit change the terms; every node knows of it a little later.
func (w *world) total(n int) {
	w.terms.Total = n
	w.note(leasecheck.Event{What: leasecheck.Total, Count: n})
	w.spread()
}

func (w *world) limit(b *simBox, limits Box) {
	w.terms.Boxes = with(w.terms.Boxes, b.name, limits)
	w.note(leasecheck.Event{What: leasecheck.Limits, Serial: b.serial, Min: limits.Min, Max: limits.Max})
	w.spread()
}

func (w *world) remove(b *simBox) {
	if w.flaw != "a revoked box is renewed" {
		w.terms.Boxes = with(w.terms.Boxes, b.name, Box{})
	}
	w.note(leasecheck.Event{What: leasecheck.Removed, Serial: b.serial})
	w.spread()
}

func with(boxes map[string]Box, name string, b Box) map[string]Box {
	next := make(map[string]Box, len(boxes)+1)
	for n, o := range boxes {
		next[n] = o
	}
	if next[name] = b; b.Serial == "" {
		delete(next, name)
	}
	return next
}

func (w *world) spread() {
	w.terms.ready = false
	if w.now == 0 {
		return
	}
	w.editions++
	terms, edition := w.terms.Ready(), w.editions
	for _, n := range w.nodes {
		w.after(w.between(0, 20*time.Second), func() {
			if edition > n.edition {
				n.terms, n.edition = terms, edition
			}
		})
	}
}

// kv is the replicated value of the pool.
type kv struct {
	pool     Pool
	revision int
	leader   int
	electing bool
	whole    bool // most nodes talk
}

var (
	errAway  = errors.New("no leader")
	errOther = errors.New("another revision")
)

// topology says after a fault of a node whether most of the nodes talk, and who leads.
func (w *world) topology() {
	var talking []int
	for i, n := range w.nodes {
		if n.up && !n.cut {
			talking = append(talking, i)
		}
	}
	if whole := len(talking) >= 2; whole != w.kv.whole {
		w.kv.whole = whole
		w.note(leasecheck.Event{What: leasecheck.Reach, On: whole})
	}
	if l := w.nodes[w.kv.leader]; w.kv.whole && (!l.up || l.cut) && !w.kv.electing {
		w.kv.electing = true
		w.after(w.between(time.Second, 5*time.Second), func() {
			w.kv.electing = false
			for _, i := range w.Perm(3) {
				if n := w.nodes[i]; n.up && !n.cut {
					w.kv.leader = i
				}
			}
			w.topology()
		})
	}
}

// led reports whether a node reaches the leader, and that one most of the nodes.
func (w *world) led(n *node) bool {
	l := w.nodes[w.kv.leader]
	return w.kv.whole && l.up && !l.cut && !w.kv.electing && n.up && !n.cut
}

// update replaces the value of a revision. The node may not learn that it was done, and it may be done later than the node waits.
func (w *world) update(n *node, next Pool, revision int, done func(error)) {
	apply := func() error {
		if !w.led(n) {
			return errAway
		}
		if revision != w.kv.revision && w.flaw != "no compare-and-set" {
			return errOther
		}
		if w.kv.revision++; w.kv.revision%500 == 0 && w.flaw == "" { // as it is on the wire
			read, err := Open(next.Value())
			if err != nil {
				panic(err)
			}
			next = read
		}
		w.kv.pool = next
		for _, replica := range w.nodes {
			revision, lag := w.kv.revision, w.between(0, 50*time.Millisecond)
			if w.chance(0.02) {
				lag = w.between(0, 10*time.Second)
			}
			w.after(lag, func() {
				if replica.up && !replica.cut && revision > replica.revision {
					replica.pool, replica.revision = next, revision
				}
			})
		}
		return nil
	}
	trouble := w.stormy && w.chance(0.15) || w.chance(0.002)
	switch {
	case trouble && w.chance(0.4):
		w.seen["writes whose outcome is unknown: lost"]++
		w.after(time.Second, func() { done(errAway) })
	case trouble && w.chance(0.5):
		w.seen["writes whose outcome is unknown: done"]++
		w.after(2*time.Millisecond, func() { _ = apply() })
		w.after(time.Second, func() { done(errAway) })
	case trouble:
		w.seen["writes whose outcome is unknown: done late"]++
		w.after(w.between(time.Second, 20*time.Second), func() { _ = apply() })
		w.after(time.Second, func() { done(errAway) })
	default:
		w.after(2*time.Millisecond, func() {
			err := apply()
			if err == errAway {
				w.after(time.Second, func() { done(err) })
				return
			}
			w.after(time.Millisecond, func() { done(err) })
		})
	}
}

// node is one of the hub's.
type node struct {
	w        *world
	name     string
	up, cut  bool // cut: it does not reach the other nodes
	life     int  // goes up when it starts: what it was doing is forgotten
	drift    float64
	off      time.Duration
	wrong    time.Duration // its clock was set wrong by so much
	terms    Terms
	edition  int
	pool     Pool
	revision int
}

func (n *node) clock() time.Time {
	return simBegin.Add(n.w.now + time.Duration(float64(n.w.now)*n.drift) + n.off + n.wrong)
}

var simBegin = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// read is the value as the node has it: of the leader, or its own, which may be old.
func (n *node) read() (Pool, int, bool) {
	if n.w.chance(0.4) {
		return n.pool, n.revision, true
	}
	return n.w.kv.pool, n.w.kv.revision, n.w.led(n)
}

func (n *node) tend() {
	n.w.after(Watch, n.tend)
	if !n.up {
		return
	}
	p, revision, ok := n.read()
	if !ok {
		return
	}
	t := n.terms
	t.Node = n.name
	if next, write, leapt := p.Tend(t, n.clock()); write {
		if leapt != 0 {
			n.w.seen["times that did not pass"]++
		}
		n.w.update(n, next, revision, func(error) {})
	}
}

// serve answers a request, as the steward does: it writes, and begins anew when it cannot be sure of that.
func (n *node) serve(box string, r fleet.LeaseRequest, answer func(fleet.LeaseReply, int)) {
	life := n.life
	var try func(int)
	try = func(tries int) {
		if !n.up || n.life != life || tries == 5 {
			return
		}
		p, revision, ok := n.read()
		if !ok {
			n.w.after(500*time.Millisecond, func() { try(tries + 1) })
			return
		}
		next, a := n.grant(p, box, r)
		tell := func() {
			if a.Reply.Error == "" {
				n.w.note(leasecheck.Event{What: leasecheck.Signed, Node: n.name, Serial: r.Serial, Sequence: a.Reply.Sequence, Count: a.Count,
					Left: time.Duration(a.Reply.Left) * time.Second})
			}
			answer(a.Reply, a.Count)
		}
		switch {
		case a.Leapt != 0:
			n.w.seen["requests at a clock that had leapt"]++
			fallthrough
		default:
			if !a.Write {
				tell()
				return
			}
		}
		n.w.update(n, next, revision, func(err error) {
			if !n.up || n.life != life {
				return
			}
			switch {
			case err == nil, n.w.flaw == "answered without a write":
				tell()
			case err == errOther:
				n.w.seen["writes that met another revision"]++
				n.w.after(n.w.between(0, 30*time.Millisecond), func() { try(tries) })
			case n.w.flaw == "an unknown outcome is taken for done":
				tell()
			default:
				n.w.after(n.w.between(0, 100*time.Millisecond), func() { try(tries + 1) })
			}
		})
	}
	try(0)
}
