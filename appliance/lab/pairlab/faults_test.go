package pairlab

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/lab"
)

// Every fault of docs/redundancy.md, one after the other on one pair: calls go on, voice is back in both directions, every call ends from either side,
// has one record, and gives its licenses back. VIADUCT_PAIR_CALLS says with how many calls.
func TestACallOutlivesItsBox(t *testing.T) {
	p := newPair(t)
	for _, fault := range []struct {
		name string
		gap  time.Duration
		do   func(active *box)
		undo func(was *box)
		stay bool // nobody takes over
	}{
		{name: "killed", gap: time.Second, do: func(b *box) { p.must(b.Kill()) }, undo: func(b *box) { p.must(b.Start(p.ctx)) }},
		{name: "hung", gap: 1500 * time.Millisecond, do: func(b *box) { p.must(syscall.Kill(b.PID(), syscall.SIGSTOP)) },
			undo: func(b *box) { p.must(syscall.Kill(b.PID(), syscall.SIGCONT)) }},
		{name: "cut from the LAN", gap: 1500 * time.Millisecond, do: func(b *box) { p.must(p.Unplug(b.number, lab.CableLAN)) },
			undo: func(b *box) { p.must(p.Plug(b.number, lab.CableLAN)) }},
		{name: "cut from the WAN", gap: 1500 * time.Millisecond, do: func(b *box) { p.must(p.Unplug(b.number, lab.CableWAN)) },
			undo: func(b *box) { p.must(p.Plug(b.number, lab.CableWAN)) }},
		{name: "unheard in the LAN", gap: 1500 * time.Millisecond, do: func(b *box) { p.must(p.Divide(b.number, lab.CableLAN)) },
			undo: func(b *box) { p.must(p.Unite(b.number, lab.CableLAN)) }},
		{name: "without the direct path", gap: 300 * time.Millisecond, stay: true, do: func(b *box) { p.must(p.Unplug(b.number, lab.CableDirect)) },
			undo: func(b *box) { p.must(p.Plug(b.number, lab.CableDirect)) }},
	} {
		t.Run(fault.name, func(t *testing.T) {
			p.in(t)
			p.wait("two boxes that stand in for each other", p.protected)
			before, other := p.active()
			p.converse(calls(4))
			p.gaps(fault.gap, func() { fault.do(before) })
			if fault.stay {
				other = before
			}
			if now, _ := p.active(); now != other {
				t.Errorf("box %d is active", now.number)
			}
			if fault.undo(before); !fault.stay {
				p.wait("the other box as the standby", func() bool { return before.is(p) == "standby" })
			}
			p.hear(p.talks)
			p.end()
		})
	}
	p.in(t)
}

// A planned switch loses nothing, and new calls wait for it.
func TestASwitchLosesNothing(t *testing.T) {
	p := newPair(t)
	before, other := p.active()
	p.converse(calls(4))
	p.gaps(500*time.Millisecond, func() {
		if text := before.exec(p, "redundancy switch force"); !strings.Contains(text, "is active now") {
			t.Error(text)
		}
	})
	if now, _ := p.active(); now != other {
		t.Errorf("box %d is active", now.number)
	}
	p.converse(2) // and the new one takes calls
	p.end()
}

// Two boxes that hear each other on no path, while the network hears both: one gives up within two seconds.
func TestTwoActiveBoxesAreOneAgain(t *testing.T) {
	p := newPair(t)
	p.must(p.Part())
	deadline := time.Now().Add(10 * time.Second)
	var both time.Duration
	for last := time.Now(); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		now := time.Now()
		if p.holds(p.boxes[0]) && p.holds(p.boxes[1]) {
			both += now.Sub(last)
		}
		last = now
	}
	t.Logf("both had the addresses for %v", both)
	if both > 2*time.Second && thorough {
		t.Errorf("both had the addresses for %v", both)
	}
	p.wait("one of them gives up", func() bool { return !p.holds(p.boxes[0]) || !p.holds(p.boxes[1]) })
	split := false
	for _, b := range p.boxes {
		split = split || strings.Contains(b.exec(p, "show alarms"), "redundancy-split")
	}
	if !split && both > 0 {
		t.Error("no alarm tells of it")
	}
	p.must(p.Rejoin())
	p.wait("one active box", p.protected)
}

// An update restarts the standby first, and then the active box, which hands over before it goes: no call is lost.
func TestAnUpdateLosesNoCall(t *testing.T) {
	p := newPair(t)
	first, second := p.active()
	p.converse(calls(4))
	for _, b := range []*box{second, first} {
		starts := strings.Count(b.log.String(), "msg=started ")
		p.gaps(500*time.Millisecond, func() {
			b.exec(p, "reload force")
			p.wait("the box again", func() bool { return strings.Count(b.log.String(), "msg=started ") > starts })
		})
		p.wait("two boxes that stand in for each other", p.protected)
	}
	if now, _ := p.active(); now != second {
		t.Errorf("box %d is active", now.number)
	}
	p.hear(p.talks)
	p.end()
}
