package lease

import (
	"container/heap"
	"errors"
	"fmt"
	"math"
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

// simBox is a box with its Holder.
type simBox struct {
	w                    *world
	name, serial         string
	size, own            int
	drift                float64
	running, cut, linked bool
	born                 time.Duration
	wrong                time.Duration // its clock
	life, tick           int
	h                    *Holder
	flash                []byte
	wanted, level        int
	peak, short          int
	counted              int // as the log has it
}

func newBox(w *world, i int) *simBox {
	b := &simBox{w: w, name: fmt.Sprint("box-", i), serial: fmt.Sprintf("%012X", 0xA0BA0F000000+i), drift: (w.Float64() - 0.5) * 1e-3, own: 4, counted: -1}
	b.size = 2 + int(math.Exp(w.Float64()*3.5))
	return b
}

func (b *simBox) time() Time {
	up := b.w.now - b.born
	if b.w.flaw == "a box measures by a third" {
		up /= 3
	}
	return Time{Up: up + time.Duration(float64(up)*b.drift), Clock: simBegin.Add(b.w.now + b.wrong)}
}

const simKind = "sip-sessions"

func (b *simBox) start() {
	b.running, b.linked = true, false
	b.born = b.w.now - b.w.between(0, time.Minute)
	b.life++
	b.wanted, b.level, b.peak, b.short, b.counted = 0, 0, 0, 0, 0
	b.note(leasecheck.Event{What: leasecheck.Started})
	h, err := Restore(b.flash, simKind, b.serial, b.time())
	if err != nil {
		h = New(simKind, b.serial, b.time())
	}
	b.h = h
	b.step()
}

func (b *simBox) stop() {
	if b.running {
		b.running = false
		b.life++
		b.note(leasecheck.Event{What: leasecheck.Stopped})
	}
}

func (b *simBox) note(e leasecheck.Event) {
	e.Serial = b.serial
	b.w.note(e)
}

// live changes how many calls there are.
func (b *simBox) live() {
	b.w.after(time.Duration(b.w.ExpFloat64()*float64(9*time.Hour)), b.live)
	hour := float64(b.w.now%day) / float64(time.Hour)
	busy := 0.15 + 0.85*max(0, math.Sin((hour-7)/12*math.Pi))
	wanted := int(float64(b.size+b.own)*busy*(0.4+0.8*b.w.Float64()) + 0.5)
	if !b.running {
		return
	}
	has := b.own + b.h.Count(b.time())
	b.wanted, b.peak, b.short = wanted, min(wanted, has), max(0, wanted-has)
	b.step()
}

// step does what the box does at any event.
func (b *simBox) step() {
	if !b.running {
		return
	}
	now := b.time()
	b.level = min(b.wanted, b.own+b.h.Count(now))
	b.h.Use(now, Use{Own: b.own, InUse: b.level, Peak: b.peak, Short: b.short})
	b.peak, b.short = b.level, 0
	reaches := b.reaches()
	if reaches && !b.linked {
		b.h.Connected(now)
	}
	b.linked = reaches
	step := b.h.Next(now)
	b.count(step.Count, step.Request != nil)
	if b.w.stormy && step.Strict && b.w.chance(0.05) {
		b.w.seen["boxes that fell between lowering and saving"]++
		b.crash()
		return
	}
	failed := false
	if step.Save {
		failed = b.h.Save(now, func(text []byte) error {
			if b.w.chance(0.005) {
				b.w.seen["writes to the flash that failed"]++
				return errors.New("worn out")
			}
			b.flash = text
			return nil
		}) != nil
	}
	switch {
	case step.Request == nil:
	case failed && step.Strict:
		b.h.Failed(now, "the flash is worn out")
		step = b.h.Next(now)
	case !reaches:
		b.h.Failed(now, "the hub is away")
		step = b.h.Next(now)
		b.count(step.Count, false)
	default:
		b.send(*step.Request)
	}
	wait := step.Wait + time.Second
	if !reaches {
		wait = max(wait, 10*time.Minute)
	}
	b.tick++
	tick := b.tick
	b.w.after(wait, func() {
		if tick == b.tick {
			b.step()
		}
	})
}

// count says what the box counts on.
func (b *simBox) count(n int, asks bool) {
	switch {
	case b.w.flaw == "a box gives back before it lowers" && asks && n < b.counted:
		return
	case b.w.flaw == "a grace has no end" && n == 0 && b.counted > 0 && b.h.lapsed:
		return
	}
	if n != b.counted {
		b.counted = n
		b.note(leasecheck.Event{What: leasecheck.Holds, Count: n})
	}
}

func (b *simBox) reaches() bool { return !b.cut && b.w.kv.whole }

// send has a request reach one of the nodes, or none, once or twice, now or later.
func (b *simBox) send(r fleet.LeaseRequest) {
	w := b.w
	b.note(leasecheck.Event{What: leasecheck.Asked, Sequence: r.Sequence, Want: r.Want, Has: r.Has})
	life, open := b.life, true
	take := func(reply fleet.LeaseReply, count int) {
		if !open || b.life != life || !b.running || b.cut {
			return
		}
		open = false
		b.answered(r, reply, count)
	}
	w.after(patience, func() {
		if open && b.life == life && b.running {
			open = false
			b.h.Failed(b.time(), "no answer")
			b.step()
		}
	})
	deliver := func(late time.Duration, answer func(fleet.LeaseReply, int)) {
		n := w.nodes[w.IntN(3)]
		w.after(late, func() {
			if n.up && !(w.flaw == "a box is not heard" && b.name == "box-7") {
				n.serve(b.name, r, answer)
			}
		})
	}
	lost, doubled := 0.003, 0.003
	if w.stormy {
		lost, doubled = 0.15, 0.15
	}
	nowhere := func(fleet.LeaseReply, int) {}
	if w.chance(lost) {
		w.seen["messages lost"]++
	} else {
		back := take
		if w.chance(lost) {
			w.seen["messages lost"]++
			back = nowhere
		}
		deliver(w.between(2*time.Millisecond, 60*time.Millisecond), func(reply fleet.LeaseReply, count int) {
			w.after(w.between(2*time.Millisecond, 60*time.Millisecond), func() { back(reply, count) })
		})
	}
	if w.chance(doubled) {
		w.seen["messages doubled, and late"]++
		deliver(time.Duration(math.Exp(w.Float64()*math.Log(2*60*60*1000)))*time.Millisecond, nowhere)
	}
}

func (b *simBox) answered(r fleet.LeaseRequest, reply fleet.LeaseReply, count int) {
	now := b.time()
	switch {
	case reply.Refused:
		b.note(leasecheck.Event{What: leasecheck.Refused})
		if b.w.flaw == "a refused box has grace" {
			b.h.Failed(now, reply.Error)
			b.step()
			return
		}
	case reply.Error == "":
		b.note(leasecheck.Event{What: leasecheck.Answered, Sequence: reply.Sequence, Count: count})
	case b.w.flaw == "a sequence is not mended":
		b.h.Failed(now, reply.Error)
		b.step()
		return
	}
	b.h.Answered(now, reply, count)
	b.step()
}

func (b *simBox) crash() {
	b.stop()
	b.w.after(b.w.between(30*time.Second, 10*time.Minute), func() {
		if !b.running {
			b.start()
		}
	})
}
