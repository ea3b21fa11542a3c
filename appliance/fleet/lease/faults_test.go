package lease

import (
	"slices"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/lease/leasecheck"
)

// fault has something go wrong, and mends it later.
func (w *world) fault() {
	kinds := []struct {
		name   string
		weight int
		do     func()
	}{
		{"boxes that fell", 20, func() { w.anyBox().crash() }},
		{"boxes that fell and lost their flash", 6, func() { b := w.anyBox(); b.crash(); b.flash = nil }},
		{"boxes that fell while their flash was written", 3, func() { b := w.anyBox(); b.crash(); b.flash = b.flash[:len(b.flash)/2] }},
		{"boxes off for a while", 6, func() {
			b := w.anyBox()
			b.stop()
			w.after(w.span(time.Minute, 3*day), func() {
				if !b.running {
					b.start()
				}
			})
		}},
		{"boxes that fell, and their clock is wrong", 8, func() {
			b := w.anyBox()
			b.crash()
			b.wrong = w.between(-60*day, time.Hour)
			w.after(w.span(time.Hour, 2*day), func() { b.wrong = 0 })
		}},
		{"clocks of boxes set", 6, func() { w.anyBox().wrong = w.between(-2*day, 2*day) }},
		{"boxes cut off", 25, func() {
			d := w.span(10*time.Second, 12*time.Hour)
			if w.chance(0.05) {
				d = w.between(day, 40*day)
			}
			w.cutOff(w.anyBox(), d)
		}},
		{"many boxes cut off at once", 1, func() {
			d := w.span(time.Minute, 3*time.Hour)
			for range len(w.boxes) / 10 {
				w.cutOff(w.anyBox(), d)
			}
		}},
		{"nodes that fell", 4, func() {
			n := w.nodes[w.IntN(3)]
			if n.up {
				n.up, n.life = false, n.life+1
				w.topology()
				w.after(w.span(5*time.Second, 2*time.Hour), func() { n.up = true; w.topology() })
			}
		}},
		{"leaders that fell", 3, func() {
			n := w.nodes[w.kv.leader]
			if n.up {
				n.up, n.life = false, n.life+1
				w.topology()
				w.after(w.span(time.Second, 10*time.Minute), func() { n.up = true; w.topology() })
			}
		}},
		{"nodes cut off from the others", 4, func() {
			n := w.nodes[w.IntN(3)]
			if !n.cut {
				n.cut = true
				w.topology()
				w.after(w.span(5*time.Second, 2*time.Hour), func() { n.cut = false; w.topology() })
			}
		}},
		{"clocks of nodes set a little", 1, func() { n := w.nodes[w.IntN(3)]; n.off += w.between(-time.Minute, time.Minute) }},
		{"clocks of nodes wrong", 1, func() { w.wrongClock(w.span(20*time.Minute, 400*day), w.span(time.Minute, 2*day)) }},
		{"storms of messages", 4, func() {
			if !w.stormy {
				w.stormy = true
				w.after(w.span(time.Minute, time.Hour), func() { w.stormy = false })
			}
		}},
		{"totals changed", 2, func() {
			w.total(w.usual * (70 + w.IntN(35)) / 100)
			w.after(w.span(time.Minute, 6*time.Hour), func() { w.total(w.usual) })
		}},
		{"limits changed", 4, func() {
			b := w.anyBox()
			if limits, known := w.terms.Boxes[b.name]; known {
				limits.Min, limits.Max = w.IntN(4), MaxCount
				if w.chance(0.3) {
					limits.Max = 4 + w.IntN(b.size)
				}
				w.limit(b, limits)
				w.after(w.between(0, 5*time.Second), func() { b.news() })
			}
		}},
		{"boxes revoked, and added again", 3, func() {
			b := w.anyBox()
			if limits, known := w.terms.Boxes[b.name]; known {
				w.remove(b)
				w.after(w.span(time.Minute, 3*day), func() {
					if w.chance(0.5) {
						b.flash = nil
						b.crash()
					}
					w.limit(b, limits)
				})
			}
		}},
		{"bursts of calls", 3, func() {
			for range len(w.boxes) / 20 {
				b := w.anyBox()
				w.after(w.between(0, 2*time.Second), b.burst)
			}
		}},
	}
	sum := 0
	for _, k := range kinds {
		sum += k.weight
	}
	at := w.IntN(sum)
	for _, k := range kinds {
		if at -= k.weight; at < 0 {
			w.seen[k.name]++
			k.do()
			return
		}
	}
}

func (w *world) anyBox() *simBox { return w.boxes[w.IntN(len(w.boxes))] }

// span is a time of chance, short ones more often.
func (w *world) span(low, high time.Duration) time.Duration {
	f := w.Float64()
	return low + time.Duration(f*f*f*float64(high-low))
}

func (w *world) cutOff(b *simBox, d time.Duration) {
	if b.cut {
		return
	}
	b.cut = true
	b.note(leasecheck.Event{What: leasecheck.Reach})
	w.after(d, func() {
		b.cut = false
		b.note(leasecheck.Event{What: leasecheck.Reach, On: true})
		b.step()
	})
}

// blackout has all of the hub away for longer than leases last.
func (w *world) blackout() {
	w.seen["times that the whole hub was away for two days"]++
	for _, n := range w.nodes {
		n.up, n.life = false, n.life+1
		w.topology()
		w.after(w.between(47*time.Hour, 49*time.Hour), func() { n.up = true; w.topology() })
	}
}

// wrongClock has the clock of a node wrong for a while.
func (w *world) wrongClock(by, d time.Duration) {
	n := w.nodes[w.IntN(3)]
	if n.wrong != 0 {
		return
	}
	if w.chance(0.5) {
		by = -by
	}
	n.wrong = by
	w.after(d, func() { n.wrong = 0 })
}

func (b *simBox) news() {
	if b.running && b.reaches() {
		b.h.Ask(b.time())
		b.step()
	}
}

func (b *simBox) burst() {
	if b.running {
		has := b.own + b.h.Count(b.time())
		b.wanted = has + 1 + b.w.IntN(b.size)
		b.peak, b.short = has, b.wanted-has
		b.step()
	}
}

// grant is Grant, or one with a flaw.
func (n *node) grant(p Pool, box string, r fleet.LeaseRequest) (Pool, Answer) {
	t, now := n.terms, n.clock()
	t.Node = n.name
	b := t.Boxes[box]
	i, found := p.find(r.Serial)
	if n.w.flaw != "" {
		p.shares = slices.Clone(p.shares)
	}
	switch n.w.flaw {
	case "sequences are ignored":
		if found {
			p.shares[i].Sequence = 0
		}
	case "shares are given away too early":
		for j := range p.shares {
			if p.shares[j].Until-p.seconds() < 15*60*60 {
				p.shares[j].Count = 0
			}
		}
	case "a minimum is kept twice":
		for name, o := range t.Boxes {
			if name != box {
				t.Total -= o.Min
			}
		}
	case "a minimum is not kept":
		t.Boxes, t.ready = map[string]Box{box: b}, false
	case "a maximum is not kept":
		b.Max = MaxCount
		t.Boxes = with(t.Boxes, box, b)
	case "time passes that nobody watched":
		p.time, p.marks = now.UnixMicro(), nil
	case "all nodes have one time":
		t.Node = "hub"
	case "half of what is free is given":
		free := 0
		if found {
			free = max(p.shares[i].Count, b.Min)
		}
		if r.Want > free+1 {
			r.Want -= (r.Want - free) / 2
		}
	}
	next, a := p.Grant(box, r, t, now)
	if j, found := next.find(r.Serial); a.Write && found && n.w.flaw == "half of what is free is given" {
		next.shares[j].Want = r.Want
	}
	return next, a
}
