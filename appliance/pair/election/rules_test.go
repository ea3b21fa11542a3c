package election

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/pair"
)

// lonely is one box of a pair, whose other one is what the test says it is.
type lonely struct {
	*Election
	now    time.Time
	sights []Sight
	self   Self
	word   pair.Word // said in each interval; Box 0: nothing is
	advert int       // priority that is heard at the first port; -1: nothing is
}

func newLonely(box uint8, change func(*Options)) *lonely {
	o := Options{Box: box, Interval: interval}
	for n, name := range []string{"LAN", "WAN", "DIRECT"} {
		addr := func(b uint8) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(n), 0, 10 + b}) }
		o.Ports = append(o.Ports, Port{Name: name, Direct: n == direct, Own: addr(box), Others: addr(3 - box)})
	}
	if change != nil {
		change(&o)
	}
	carrier := Sight{Carrier: true}
	l := &lonely{Election: New(o, epoch), now: epoch, advert: -1, sights: []Sight{carrier, carrier, carrier}, self: Self{Priority: Well}}
	return l
}

// runs lets time pass, and returns the steps.
func (l *lonely) runs(d time.Duration) (steps []string) {
	for end := l.now.Add(d); l.now.Before(end); l.now = l.now.Add(interval) {
		if l.word.Box != 0 {
			l.Word(l.now, l.word)
		}
		if l.advert >= 0 {
			l.Advert(l.now, 0, uint8(l.advert), interval)
		}
		l.See(l.sights)
		l.Self(l.self)
		for _, c := range l.Step(l.now) {
			steps = append(steps, c.To.String()+": "+c.Why)
		}
		l.Said(l.now)
	}
	return steps
}

// wordOf is a word of the other box.
func wordOf(box uint8, change func(*pair.Word)) pair.Word {
	w := pair.Word{Box: box, Role: pair.Standby, Eligible: true, Hears: true, Priority: Well}
	for _, name := range []string{"LAN", "WAN", "DIRECT"} {
		w.Ports = append(w.Ports, pair.PortFitness{Name: name, Carrier: true, Hears: true})
	}
	if change != nil {
		change(&w)
	}
	return w
}

func is(t *testing.T, steps []string, want ...string) {
	t.Helper()
	if got, wanted := strings.Join(steps, "\n"), strings.Join(want, "\n"); got != wanted {
		t.Errorf("%s\nwanted\n%s", got, wanted)
	}
}

const reigns = "active: no other box is active"

// active is a box that is active.
func active(t *testing.T, box uint8, change func(*Options)) *lonely {
	l := newLonely(box, change)
	is(t, l.runs(5*time.Second), reigns)
	return l
}

func TestVRRPAlone(t *testing.T) {
	for _, c := range []struct {
		box      uint8
		priority int
		loses    bool
	}{{1, 99, false}, {1, 100, true}, {2, 100, false}, {2, 101, true}, {1, 0, false}, {2, 255, true}} {
		l := active(t, c.box, nil)
		l.advert = c.priority
		if lost := len(l.runs(time.Second)) > 0; lost != c.loses {
			t.Errorf("box %d, %d: %v", c.box, c.priority, lost)
		}
	}
}

func TestWordsOfTwoActiveBoxes(t *testing.T) {
	for _, c := range []struct {
		name   string
		box    uint8
		own    func(*lonely)
		change func(*pair.Word)
		loses  string
	}{
		{"later", 1, nil, func(w *pair.Word) { w.Reign, w.Reigned = 2, true }, "took over later"},
		{"earlier", 1, nil, func(w *pair.Word) { w.Reign, w.Reigned = 0, true }, ""},
		{"together, the lower number", 1, nil, func(w *pair.Word) { w.Reign, w.Reigned = 1, true }, ""},
		{"together, the higher number", 2, nil, func(w *pair.Word) { w.Reign, w.Reigned = 1, true }, "its number is lower"},
		{"later, without a network", 1, nil, func(w *pair.Word) {
			w.Reign, w.Reigned, w.Ports[0].Witness = 2, true, pair.WitnessSilent
		}, ""},
		{"earlier, and this one without a network", 1, func(l *lonely) { l.sights[0].Witness = pair.WitnessSilent }, nil, "more ports with a network"},
		{"it hears nothing", 1, nil, func(w *pair.Word) {
			w.Hears = false
			for i := range w.Ports {
				w.Ports[i].Hears = false
			}
		}, "does not hear this one"},
		{"it hears VRRP only, and is the higher", 1, nil, func(w *pair.Word) { w.Hears = false }, "its priority is higher"},
		{"it hears VRRP only, and is the lower", 2, nil, func(w *pair.Word) { w.Hears = false }, ""},
		{"alone", 2, nil, func(w *pair.Word) { w.Alone, w.Lines, w.Reign = true, 1000, 7 }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := active(t, c.box, nil)
			if c.own != nil {
				c.own(l)
			}
			l.word = wordOf(3-c.box, func(w *pair.Word) {
				w.Role = pair.Active
				if c.change != nil {
					c.change(w)
				}
			})
			steps := l.runs(2 * time.Second)
			if c.loses == "" {
				is(t, steps)
			} else if len(steps) != 1 || !strings.HasPrefix(steps[0], "defeated: ") || !strings.HasSuffix(steps[0], c.loses) {
				t.Errorf("%q", steps)
			}
		})
	}
}

// Both had the addresses when they were made a pair: words decide, whatever VRRP says meanwhile, and the one with more configuration goes on.
func TestTwoThatStoodAlone(t *testing.T) {
	for _, c := range []struct {
		lines int
		loses bool
	}{{10, false}, {1000, true}} {
		l := newLonely(1, func(o *Options) { o.Active = true })
		l.self.Lines = 100
		l.advert = int(Well) + 50
		is(t, l.runs(3*time.Second))
		l.word = wordOf(2, func(w *pair.Word) { w.Role, w.Alone, w.Lines = pair.Active, true, c.lines })
		if steps := l.runs(2 * time.Second); len(steps) > 0 != c.loses {
			t.Errorf("%d lines: %q", c.lines, steps)
		}
	}
	// One that is active in the pair wins over one that stood alone, whatever that remembers.
	l := newLonely(1, func(o *Options) { o.Active, o.Reign = true, Reign{Number: 9, Own: true} })
	l.self.Lines = 1000
	l.word = wordOf(2, func(w *pair.Word) { w.Role, w.Reign = pair.Active, 1 })
	is(t, l.runs(time.Second), "defeated: the other box is active in the pair, and this one stood alone")
	// When the other one is not active, it is as if it had taken over.
	l = newLonely(1, func(o *Options) { o.Active = true })
	l.word = wordOf(2, func(w *pair.Word) { w.Eligible = false })
	is(t, l.runs(time.Second))
	if l.Reign() != (Reign{1, true}) || l.Priority() != Well {
		t.Error(l.Reign(), l.Priority())
	}
}

// A box out of the carton became active because it found nobody. The box that has the pair's configuration comes later, and must not copy nothing over it.
func TestABoxOutOfTheCartonWinsOverNobody(t *testing.T) {
	blank := func(w *pair.Word) { w.Role, w.Fresh, w.Lines, w.Reign, w.Reigned = pair.Active, true, 40, 9, true }
	l := newLonely(2, func(o *Options) { o.Reign = Reign{1, true} })
	l.self.Lines, l.word = 300, wordOf(1, blank)
	is(t, l.runs(5*time.Second), "active: the other box is active, and has never had what the pair has")
	if l.Copies() {
		t.Error("it would copy from a box that has nothing")
	}
	// Without a network it cannot be active: it waits, and copies nothing meanwhile.
	l = newLonely(2, func(o *Options) { o.Reign = Reign{1, true} })
	l.self.Lines, l.self.Synced, l.word, l.sights = 300, true, wordOf(1, blank), make([]Sight, 3)
	if is(t, l.runs(5*time.Second)); l.Copies() {
		t.Error("it would copy from a box that has nothing")
	}
	// And neither box is active: the one with the network is not the better one for that.
	l.word = wordOf(1, func(w *pair.Word) { w.Fresh, w.Lines, w.Eligible = true, 40, false })
	l.Word(l.now, l.word)
	if !l.better() {
		t.Error("a box out of the carton is the better one")
	}
	// The other side of it: the box out of the carton gives up, even with more ports.
	l = active(t, 1, nil)
	l.self.Fresh, l.self.Lines = true, 40
	l.word = wordOf(2, func(w *pair.Word) {
		w.Role, w.Lines, w.Reign, w.Reigned, w.Ports[1].Carrier = pair.Active, 300, 1, true, false
	})
	is(t, l.runs(interval), "defeated: the other box is active too, and this one has never had what the pair has")
	if !l.Copies() {
		t.Error("it does not copy")
	}
	// A box that has less than the new one copies from it: it is the one that was in a drawer.
	l = newLonely(2, nil)
	l.self.Lines, l.self.Synced, l.word = 30, true, wordOf(1, blank)
	if is(t, l.runs(5*time.Second), "standby: it has what the other box has"); !l.Copies() {
		t.Error("it does not copy")
	}
}

// Two boxes that were never a pair, and have no calls: the one that is configured wins over one that is not, whatever its number and its ports are. When
// both are, neither copies what the other one has, unless that is the same.
func TestTwoConfiguredBoxesThatWereNeverAPair(t *testing.T) {
	for _, c := range []struct {
		name                 string
		full, others         bool
		lines, theirs        int
		alike, loses, copies bool
	}{
		{"the other one is configured", false, true, 40, 300, false, true, true},
		{"this one is", true, false, 300, 40, false, false, false},
		{"both are, and this one has less", true, true, 200, 300, false, true, false},
		{"both are, and it is the same", true, true, 300, 300, true, true, true},
		{"neither is", false, false, 40, 40, false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := active(t, 2, nil) // the higher number loses, else
			l.sights[0].Carrier = c.full
			l.self.Fresh, l.self.Full, l.self.Lines, l.self.Alike = true, c.full, c.lines, c.alike
			l.word = wordOf(1, func(w *pair.Word) {
				w.Role, w.Fresh, w.Full, w.Lines, w.Reign, w.Reigned = pair.Active, true, c.others, c.theirs, 1, true
			})
			steps := l.runs(time.Second)
			if len(steps) > 0 != c.loses || l.Copies() != c.copies {
				t.Errorf("%q, copies %v", steps, l.Copies())
			}
		})
	}
	// It stays so when the other one has been in service meanwhile.
	l := newLonely(2, nil)
	l.self.Fresh, l.self.Full, l.self.Lines = true, true, 300
	l.word = wordOf(1, func(w *pair.Word) { w.Role, w.Lines, w.Reign, w.Reigned = pair.Active, 300, 1, true })
	if is(t, l.runs(5*time.Second)); l.Copies() {
		t.Error("it copies over its own configuration")
	}
}

func TestPreferenceAndHealth(t *testing.T) {
	l := active(t, 2, func(o *Options) { o.Preempt = true })
	l.word = wordOf(1, nil)
	is(t, l.runs(9*time.Second))
	is(t, l.runs(3*time.Second), "switching: box 1 is preferred")
	if l.Urgent() {
		t.Error("nothing hurries")
	}
	l = active(t, 2, func(o *Options) { o.Preempt = true })
	l.word = wordOf(1, func(w *pair.Word) { w.Priority = Ill })
	is(t, l.runs(time.Hour))
	l = active(t, 1, nil)
	l.self.Priority = Ill
	l.word = wordOf(2, nil)
	is(t, l.runs(9*time.Minute))
	is(t, l.runs(time.Minute), "switching: the other box is in better health")
}

// A box that left its pair with the addresses is not followed by the other one, until that hears of it again.
func TestABoxThatLeaves(t *testing.T) {
	s := newLonely(2, nil)
	s.self.Synced = true
	s.word = wordOf(1, func(w *pair.Word) { w.Role, w.Reign, w.Reigned = pair.Active, 1, true })
	is(t, s.runs(5*time.Second), "standby: it has what the other box has")
	s.word.Leaves = true
	is(t, s.runs(time.Second))
	s.word = pair.Word{}
	is(t, s.runs(time.Hour))
	if !s.Left() {
		t.Error("it has not left")
	}
	s.Word(s.now, wordOf(1, func(w *pair.Word) { w.Role = pair.Active }))
	is(t, s.runs(time.Second), "active: nothing is heard of the other box on any path")
}

// A witness that never answers the pair's address says nothing, and one that is asked while the other box says that it is no more than standby neither.
func TestAWitnessThatIsNotBelieved(t *testing.T) {
	l := active(t, 1, nil)
	l.sights[0].Witness, l.sights[0].Virtual = pair.WitnessHeard, pair.WitnessSilent
	is(t, l.runs(time.Minute))
	l.sights[0].Virtual = pair.WitnessHeard
	l.runs(time.Second)
	l.sights[0].Virtual = pair.WitnessSilent
	l.word = wordOf(2, nil)
	is(t, l.runs(time.Minute))
	l.word = pair.Word{}
	is(t, l.runs(time.Second), "defeated: the network at LAN gives the pair's address to another box")
}

// A standby with fewer ports with a network waits longer in silence, and the active box that has heard so may be slow for as long.
func TestAStandbyThatWaits(t *testing.T) {
	for _, c := range []struct {
		lost, back bool
		waits      time.Duration
	}{{false, false, 400 * time.Millisecond}, {true, false, 700 * time.Millisecond}, {true, true, 700 * time.Millisecond}} {
		s := newLonely(2, nil)
		s.self.Synced = true
		s.word = wordOf(1, func(w *pair.Word) { w.Role, w.Reign, w.Reigned = pair.Active, 1, true })
		s.sights[0].Carrier = !c.lost
		is(t, s.runs(5*time.Second), "standby: it has what the other box has")
		if s.Say(s.now).Waits != c.lost {
			t.Error("its word", c)
		}
		if c.back { // the other box may not hear of it any more
			s.sights[0].Carrier = true
			s.runs(interval)
		}
		s.word = pair.Word{}
		is(t, s.runs(c.waits-interval))
		is(t, s.runs(2*interval), "active: nothing is heard of the other box on any path")
	}
	for _, c := range []struct {
		waits bool
		pause time.Duration
		stays bool
	}{{false, 250 * time.Millisecond, true}, {false, 320 * time.Millisecond, false}, {true, 320 * time.Millisecond, true},
		{true, 590 * time.Millisecond, true}, {true, 620 * time.Millisecond, false}} {
		l := active(t, 1, nil)
		l.word = wordOf(2, func(w *pair.Word) { w.Waits = c.waits })
		is(t, l.runs(time.Second))
		l.now = l.now.Add(c.pause - interval)
		if stays := len(l.runs(interval)) == 0; stays != c.stays {
			t.Error(c)
		}
	}
	l := active(t, 1, nil)
	l.word = wordOf(2, func(w *pair.Word) { w.Waits = true })
	l.runs(time.Second)
	l.word = pair.Word{}
	l.runs(time.Second)
	if l.Term(l.now) != 3*interval {
		t.Error("what was said long ago still counts")
	}
}

// A port without a network is left at once if the other box has every answer there, and never if that has none either.
func TestASilentNetwork(t *testing.T) {
	for _, c := range []struct {
		change func(*pair.PortFitness)
		leaves bool
	}{
		{func(f *pair.PortFitness) { f.Witness = pair.WitnessHeard }, true},
		{func(f *pair.PortFitness) { f.Witness, f.Missing = pair.WitnessHeard, true }, false},
		{func(*pair.PortFitness) {}, false},
	} {
		l := active(t, 1, nil)
		l.word = wordOf(2, func(w *pair.Word) { c.change(&w.Ports[0]) })
		l.sights[0].Witness = pair.WitnessHeard
		l.runs(5 * time.Second)
		l.sights[0].Witness = pair.WitnessSilent
		if leaves := len(l.runs(300*time.Millisecond)) > 0; leaves != c.leaves {
			t.Error(c.leaves)
		}
	}
}

// A box that stood still gives up its calls only when another one has them. One beside which nobody is goes on with them, how slow it ever was, and one
// whose standby died some time ago too.
func TestABoxThatStoodStill(t *testing.T) {
	const pauses = "pausing: it stood still for %v, and the other box may have taken over"
	still := func(l *lonely, d time.Duration) { l.now = l.now.Add(d - interval) }
	eligible := wordOf(2, nil)
	taken := wordOf(2, func(w *pair.Word) { w.Role, w.Reign, w.Reigned = pair.Active, 9, true })
	goesOn := "active: it stood still, and the other box has not taken over"
	for _, c := range []struct {
		name          string
		before, after pair.Word // of the other box
		silent, still time.Duration
		steps         []string
	}{
		{"nobody was ever there", pair.Word{}, pair.Word{}, 0, 10 * time.Second, []string{fmt.Sprintf(pauses, "10s"), goesOn}},
		{"nobody was ever there, and it was short", pair.Word{}, pair.Word{}, 0, time.Second, nil},
		{"the other one could not take over", wordOf(2, func(w *pair.Word) { w.Eligible = false }), pair.Word{}, 0, 3 * time.Second, []string{fmt.Sprintf(pauses, "3s"), goesOn}},
		{"the standby died long ago", eligible, pair.Word{}, 10 * time.Second, 10 * time.Second, []string{fmt.Sprintf(pauses, "10s"), goesOn}},
		{"the standby died with it", eligible, pair.Word{}, 0, time.Second, []string{fmt.Sprintf(pauses, "1s"), goesOn}},
		{"the standby died, but may have had the calls before", eligible, pair.Word{}, 0, 4 * time.Second,
			[]string{"joining: it stood still for 4s, and the other box may have taken over", "active: no other box is active"}},
		{"the standby lives, and does nothing", eligible, eligible, 0, time.Second, []string{fmt.Sprintf(pauses, "1s"), goesOn}},
		{"the standby has taken over", eligible, taken, 0, time.Second, []string{fmt.Sprintf(pauses, "1s"), "joining: the other box took over while it stood still"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := active(t, 1, nil)
			l.word = c.before
			is(t, l.runs(time.Second))
			l.word = pair.Word{}
			is(t, l.runs(c.silent))
			still(l, c.still)
			l.word = c.after
			is(t, l.runs(5*time.Second), c.steps...)
		})
	}
}

// A box that is slow all the time becomes active all the same when nobody is there, and does not when somebody is.
func TestABoxThatIsAlwaysSlow(t *testing.T) {
	for _, c := range []struct {
		pause, each, within time.Duration // so long in each, and that it takes
	}{{350 * time.Millisecond, time.Second, 7 * time.Second}, {350 * time.Millisecond, 350 * time.Millisecond, 15 * time.Second}, {2 * time.Second, 2 * time.Second, 2 * time.Minute}} {
		for _, other := range []pair.Word{{}, wordOf(2, func(w *pair.Word) { w.Role, w.Reign, w.Reigned = pair.Active, 1, true })} {
			l := newLonely(1, nil)
			l.word = other
			var steps []string
			for end := l.now.Add(c.within); l.now.Before(end) && len(steps) == 0; {
				steps = l.runs(max(interval, c.each-c.pause))
				l.now = l.now.Add(c.pause - interval)
			}
			if other.Box == 0 {
				is(t, steps, reigns)
			} else {
				is(t, steps)
			}
		}
	}
}

// The table of states is that of docs/architecture.md.
func TestTheTableOfStates(t *testing.T) {
	var b strings.Builder
	for _, s := range states {
		var next []string
		for _, n := range s.next {
			next = append(next, n.String())
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.name, s.meaning, strings.Join(next, ", "))
	}
	docs, err := os.ReadFile("../../../docs/architecture.md")
	if err != nil || !strings.Contains(string(docs), b.String()) {
		t.Errorf("docs/architecture.md should hold, %v:\n%s", err, b.String())
	}
}
