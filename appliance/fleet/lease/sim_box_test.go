package lease

import (
	"errors"
	"fmt"
	"math"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/lease/leasecheck"
)

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
	case b.w.flaw == "a grace has no end" && n == 0 && b.counted > 0 && b.h.lent.lapsed:
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
