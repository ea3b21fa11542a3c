// Package traffic counts calls: how many each SIP interface brought and was given, how they ended, how long it took to answer them and what
// the voice was like, over the last day and since the start.
//
// It owns these counts. It does not own the records of calls, from which it counts, nor what alarms and views make of the counts. It reads
// the clock and has no goroutine.
package traffic

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/status"
)

// Counts are kept for each span of a day.
const (
	span  = 5 * time.Minute
	spans = int(24 * time.Hour / span)
)

// manyInterfaces bounds the counts: configurations come and go, and so do the names of their interfaces.
const manyInterfaces = 200

// others stands for the interfaces beyond that.
const others = "(others)"

// Upper bounds of the histograms. People hang up after some twenty seconds of ringing; below 3.6 many are dissatisfied (ITU-T G.107).
var (
	setUpBounds = []float64{0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120}
	mosBounds   = []float64{1.5, 2, 2.5, 3, 3.6, 3.8, 4, 4.2, 4.4}
)

// Book counts calls. Its methods are safe for concurrent use.
type Book struct {
	mu     sync.Mutex
	begin  time.Time
	recent [spans]page // by number modulo spans
	total  page
	setUp  status.Histogram
	mos    map[string]*status.Histogram // by interface
}

// page holds the counts of one span.
type page struct {
	number                                     int // of the span since begin
	calls, answered, most, emergency, unheards int
	talk                                       time.Duration
	failed                                     map[end]int
	ways                                       map[way]*wayCount
}

type end struct {
	outcome status.Outcome
	code    int
}

// way is an interface in one direction.
type way struct {
	name     string
	outgoing bool
}

type wayCount struct {
	calls, answered, rated, unheard int
	mos                             float64 // sum
	failed                          map[end]int
}

// New returns an empty book.
func New() *Book {
	return &Book{begin: time.Now(), setUp: histogram(setUpBounds), mos: map[string]*status.Histogram{}}
}

// Count counts a call that has ended.
func (b *Book) Count(r status.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now().count(r)
	b.total.count(r)
	if !r.Connected.IsZero() {
		observe(&b.setUp, r.Connected.Sub(r.Started).Seconds())
	}
	for _, m := range r.Media {
		if name := interfaceOf(r, m.Side); m.MOS > 0 && name != "" {
			if b.mos[name] == nil && len(b.mos) >= manyInterfaces {
				name = others
			}
			if b.mos[name] == nil {
				h := histogram(mosBounds)
				b.mos[name] = &h
			}
			observe(b.mos[name], m.MOS)
		}
	}
}

// number is that of the present span. It follows the monotonic clock, so a step of the time loses no counts.
func (b *Book) number() int { return int(time.Since(b.begin) / span) }

// now is the page of the present span.
func (b *Book) now() *page {
	n := b.number()
	p := &b.recent[n%spans]
	if p.number != n {
		*p = page{number: n}
	}
	return p
}

// Last returns the calls that ended in the last time d, a day at most, rounded up to whole spans.
func (b *Book) Last(d time.Duration) status.Traffic {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.number()
	back := min(max(1, int((d+span-1)/span)), spans)
	var sum page
	for i := range b.recent {
		if p := &b.recent[i]; p.number <= n && p.number > n-back {
			sum.add(p)
		}
	}
	t := status.Traffic{
		Since: time.Now().Add(-min(d, time.Since(b.begin))), Calls: sum.calls, Answered: sum.answered, Most: sum.most, Talk: sum.talk,
		Emergency: sum.emergency, OneWay: sum.unheards, Failed: failures(sum.failed), Interfaces: sum.interfaces(),
	}
	return t
}

// Ended counts the calls since the start, and those of them that nobody answered.
func (b *Book) Ended() (calls, failed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total.calls, b.total.calls - b.total.answered
}

// Totals returns the calls since the start.
func (b *Book) Totals() status.TrafficTotals {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := status.TrafficTotals{Calls: b.total.calls, Answered: b.total.answered, OneWay: b.total.unheards, SetUp: clone(b.setUp), Interfaces: b.total.interfaces()}
	for _, name := range slices.Sorted(maps.Keys(b.mos)) {
		t.MOS = append(t.MOS, status.InterfaceMOS{Interface: name, MOS: clone(*b.mos[name])})
	}
	return t
}

func (p *page) count(r status.Record) {
	p.calls++
	p.most = max(p.most, r.Licenses.Sessions+1)
	if r.Emergency {
		p.emergency++
	}
	from := p.way(way{r.From, false})
	from.calls++
	if r.Connected.IsZero() {
		p.failed = noted(p.failed, end{code: r.Code})
		from.failed = noted(from.failed, end{code: r.Code})
	} else {
		p.answered++
		from.answered++
		p.talk += r.Ended.Sub(r.Connected)
	}
	for _, a := range r.Attempts {
		w := p.way(way{a.Interface, true})
		w.calls++
		if a.Outcome == status.Answered {
			w.answered++
		} else {
			w.failed = noted(w.failed, end{a.Outcome, a.Code})
		}
	}
	if r.OneWay() != "" {
		p.unheards++
	}
	for _, m := range r.Media {
		name := interfaceOf(r, m.Side)
		if name == "" {
			continue
		}
		w := p.way(way{name, m.Side == status.ByCallee})
		if m.MOS > 0 {
			w.rated++
			w.mos += m.MOS
		}
		if m.SilentS > 0 {
			w.unheard++
		}
	}
}

// interfaceOf is the SIP interface of a side of a call.
func interfaceOf(r status.Record, side status.Party) string {
	switch side {
	case status.ByCaller:
		return r.From
	case status.ByCallee:
		return r.To
	}
	return ""
}

// way finds the counts of an interface.
func (p *page) way(k way) *wayCount {
	w := p.ways[k]
	if w == nil && len(p.ways) >= manyInterfaces {
		k.name = others
		w = p.ways[k]
	}
	if w == nil {
		if p.ways == nil {
			p.ways = map[way]*wayCount{}
		}
		w = &wayCount{}
		p.ways[k] = w
	}
	return w
}

// add adds the counts of another page.
func (p *page) add(q *page) {
	p.calls += q.calls
	p.answered += q.answered
	p.most = max(p.most, q.most)
	p.emergency += q.emergency
	p.unheards += q.unheards
	p.talk += q.talk
	p.failed = added(p.failed, q.failed)
	for k, w := range q.ways {
		sum := p.way(k)
		sum.calls += w.calls
		sum.answered += w.answered
		sum.rated += w.rated
		sum.unheard += w.unheard
		sum.mos += w.mos
		sum.failed = added(sum.failed, w.failed)
	}
}

func noted(m map[end]int, e end) map[end]int {
	if m == nil {
		m = map[end]int{}
	}
	m[e]++
	return m
}

func added(m, more map[end]int) map[end]int {
	if m == nil && len(more) > 0 {
		m = map[end]int{}
	}
	for e, n := range more {
		m[e] += n
	}
	return m
}

// interfaces lists the ways by name, those from the peer first.
func (p *page) interfaces() []status.InterfaceTraffic {
	var list []status.InterfaceTraffic
	for k, w := range p.ways {
		t := status.InterfaceTraffic{Interface: k.name, Outgoing: k.outgoing, Calls: w.calls, Answered: w.answered, Failed: failures(w.failed), Unheard: w.unheard}
		if w.rated > 0 {
			t.MOS = w.mos / float64(w.rated)
		}
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b status.InterfaceTraffic) int {
		if c := cmp.Compare(a.Interface, b.Interface); c != 0 || a.Outgoing == b.Outgoing {
			return c
		}
		if a.Outgoing {
			return 1
		}
		return -1
	})
	return list
}

// failures lists ends, the most frequent first.
func failures(m map[end]int) []status.Failure {
	var list []status.Failure
	for e, n := range m {
		list = append(list, status.Failure{Outcome: e.outcome, Code: e.code, N: n})
	}
	slices.SortFunc(list, func(a, b status.Failure) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Outcome, b.Outcome))
	})
	return list
}

func histogram(bounds []float64) status.Histogram {
	return status.Histogram{Bounds: bounds, Counts: make([]int, len(bounds)+1)}
}

func observe(h *status.Histogram, v float64) {
	n, _ := slices.BinarySearch(h.Bounds, v)
	h.Counts[n]++
	h.Sum += v
}

func clone(h status.Histogram) status.Histogram {
	h.Counts = slices.Clone(h.Counts)
	return h
}
