package election

import (
	"errors"
	"time"
)

var errTest = errors.New("a call is in set-up")

// fault has something go wrong, and mends it later.
func (w *world) fault() {
	b := w.IntN(2)
	x := w.boxes[b]
	n := w.IntN(3)
	net := &w.nets[n]
	mend := func(d time.Duration, f func()) {
		w.after(d, func() { f(); w.check.happens(w.now) })
	}
	short, long := w.span(50*time.Millisecond, 3*time.Second), w.span(time.Second, 40*time.Second)
	if w.chance(0.5) {
		long = short
	}
	kinds := []struct {
		name   string
		weight int
		do     func()
	}{
		{"networks that lose packets", 6, func() { net.loss = w.Float64() / 3; mend(long, func() { net.loss = 0 }) }},
		{"networks that lose nearly all", 2, func() { net.loss = 0.9; mend(long, func() { net.loss = 0 }) }},
		{"one-way cuts", 6, func() { net.cut[b] = true; mend(long, func() { net.cut[b] = false }) }},
		{"cuts", 6, func() { net.cut = [2]bool{true, true}; mend(long, func() { net.cut = [2]bool{} }) }},
		{"networks without VRRP", 4, func() { net.filter = [2]bool{true, true}; mend(long, func() { net.filter = [2]bool{} }) }},
		{"boxes cut from each other", 6, func() {
			for i := range w.nets {
				w.nets[i].cut = [2]bool{true, true}
			}
			mend(long, func() {
				for i := range w.nets {
					w.nets[i].cut = [2]bool{}
				}
			})
		}},
		{"cables pulled", 8, func() { x.cable[n] = false; mend(long, func() { x.cable[n] = true }) }},
		{"switches off", 4, func() { net.down = true; mend(long, func() { net.down = false }) }},
		{"witnesses off", 4, func() {
			net.witness, net.learned, net.owner = false, [2]bool{}, -1
			mend(long, func() { net.witness = true })
		}},
		{"witnesses cut from a box", 5, func() { net.cutOff[b] = true; mend(long, func() { net.cutOff[b] = false }) }},
		{"boxes killed", 8, func() { x.kill(); mend(long, x.start) }},
		{"boxes without power", 6, func() { x.turnOff(); mend(long, x.turnOn) }},
		{"both boxes without power", 1, func() {
			w.boxes[0].turnOff()
			w.boxes[1].turnOff()
			mend(short, w.boxes[b].turnOn)
			mend(long, w.boxes[1-b].turnOn)
		}},
		{"boxes that hung", 8, func() { x.stopProcess(); mend(long, x.goOn) }},
		{"boxes that were slow", 8, func() { x.stopProcess(); mend(w.span(20*time.Millisecond, 500*time.Millisecond), x.goOn) }},
		{"boxes under load", 4, func() { x.load = w.now + long; x.struggle(x.load, x.life) }},
		{"forgeries", 5, func() {
			n, priority := w.IntN(2), []uint8{0, 1, 100, 254}[w.IntN(4)]
			w.nets[n].forged[b] = forgery{true, priority}
			w.forge(n, b)
			mend(long, func() { w.nets[n].forged[b] = forgery{} })
		}},
		{"switches asked for", 8, func() {
			if x.runs && !x.hangs {
				_ = x.e.Switch(w.time(), "it was asked for")
			}
		}},
		{"boxes that were ill", 3, func() { x.priority = Ill; mend(long, func() { x.priority = Well }) }},
	}
	sum := 0
	for _, k := range kinds {
		sum += k.weight
	}
	at := w.IntN(sum)
	for _, k := range kinds {
		if at -= k.weight; at < 0 {
			w.seen[k.name]++
			w.trace = append(w.trace, w.now.String()+" "+k.name)
			w.check.happens(w.now)
			k.do()
			return
		}
	}
}

// struggle has a box hang again and again.
func (x *box) struggle(until time.Duration, life int) {
	w := x.w
	if w.now >= until || x.life != life {
		w.check.happens(w.now)
		return
	}
	x.stopProcess()
	w.after(w.span(50*time.Millisecond, 800*time.Millisecond), func() {
		if x.life == life {
			x.goOn()
			w.check.happens(w.now)
		}
		w.after(w.span(20*time.Millisecond, 300*time.Millisecond), func() { x.struggle(until, life) })
	})
}

// forge sends VRRP in the name of a box to the other one.
func (w *world) forge(n, b int) {
	if f := w.nets[n].forged[b]; f.on {
		if !w.speaks() {
			w.check.deceived(w.now)
		}
		w.advert(w.boxes[1-b], n, f.priority)
		w.after(interval/2, func() { w.forge(n, b) })
	}
}

// live has faults happen: in storms, and now and then after a long silence.
func (w *world) live(faults int) {
	w.run(15 * time.Second)
	for range faults {
		w.fault()
		d := w.span(10*time.Millisecond, 8*time.Second)
		if w.chance(0.1) {
			d = w.span(30*time.Second, time.Minute)
		}
		w.run(w.now + d)
	}
	w.run(w.now + 2*time.Minute)
}
