package link

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"viaduct/appliance/pair"
)

// world is two ends of a table, and a path that loses what it likes.
type world struct {
	t     *testing.T
	r     *rand.Rand
	a     outbox
	b     shelf
	model map[string]string // what a has
	n     int               // values so far
	seen  map[string]int    // the last value of each key at b
	there [][]byte          // on their way to b: messages, and beats
	back  []place           // acknowledgements on their way to a
	loss  float64
	now   time.Time
}

const beatMark = 0xff // begins a beat in there

// step has one thing happen.
func (w *world) step() {
	w.now = w.now.Add(time.Millisecond)
	switch x := w.r.Float64(); {
	case x < 0.25:
		if m, ok := w.a.next(nil, w.now); ok {
			w.there = append(w.there, append([]byte{0}, m...))
		}
	case x < 0.3:
		w.there = append(w.there, w.a.at().append([]byte{beatMark}))
	case x < 0.75:
		if len(w.there) == 0 {
			return
		}
		m := w.there[0]
		w.there = w.there[1:]
		switch {
		case w.r.Float64() < w.loss:
		case m[0] == beatMark:
			p, _, _ := parsePlace(m[1:])
			w.b.hear(p)
		default:
			if at, told, _ := w.b.take(m[1:], w.now); told {
				w.back = append(w.back, at)
			}
			if w.r.IntN(1+len(w.model)/10) == 0 {
				w.look()
			}
		}
	case x < 0.9:
		if len(w.back) > 0 {
			if w.r.Float64() >= w.loss {
				w.a.arrived(w.back[0])
			}
			w.back = w.back[1:]
		}
	case w.b.waits() && w.r.Float64() >= w.loss:
		w.a.follow(w.b.asked)
	}
	if w.a.late(w.now) { // the connection is given up
		w.broken()
	}
}

// broken is a connection that ends, with all that is on its way. The other direction may not notice.
func (w *world) broken() {
	w.there, w.back = nil, nil
	w.a.end()
	w.b.lost()
}

// look has values never go back.
func (w *world) look() {
	for _, k := range w.b.list(pair.Calls) {
		n, err := strconv.Atoi(string(k.Value[:20]))
		if err != nil || n < w.seen[k.ID] {
			w.t.Fatalf("%s: %q after %d", k.ID, k.Value, w.seen[k.ID])
		}
		w.seen[k.ID] = n
	}
}

func (w *world) put(key string) {
	w.n++
	value := fmt.Sprintf("%020d%s", w.n, make([]byte, w.r.IntN(100)))
	w.model[key] = value
	w.a.store(change{kind: pair.Calls, id: key, value: []byte(value)})
}

func (w *world) drop(key string) {
	delete(w.model, key)
	w.a.store(change{kind: pair.Calls, id: key})
}

// settle loses nothing any more, until a knows that b has everything: then it has.
func (w *world) settle() {
	w.t.Helper()
	w.loss = 0
	for n := 0; !w.a.has(w.a.put); n++ {
		if n > 1_000_000 {
			w.t.Fatalf("never settled: a at %+v, b wants %d, from %+v", w.a.at(), w.b.asked, w.b.from)
		}
		w.step()
	}
	if !w.b.whole || len(w.b.entries[pair.Calls]) != len(w.model) || w.b.count != len(w.model) {
		w.t.Fatalf("b has %d entries, counts %d, whole: %v, from %+v, asked %d; a has %d, at %+v", len(w.b.entries[pair.Calls]), w.b.count, w.b.whole, w.b.from, w.b.asked, len(w.model), w.a.at())
	}
	var octets int64
	for key, value := range w.model {
		octets += int64(overhead + len(key) + len(value))
		if got := string(w.b.entries[pair.Calls][key].value); got != value {
			w.t.Fatalf("%s is %q, want %q", key, got, value)
		}
	}
	if w.b.octets != octets || w.a.octets != octets || w.a.counts[pair.Calls] != len(w.model) {
		w.t.Fatalf("a counts %d octets, b %d, they are %d", w.a.octets, w.b.octets, octets)
	}
	if !w.a.synced(w.now) {
		w.t.Fatal("not synced")
	}
}

func TestATableOverAPathThatLoses(t *testing.T) {
	for _, size := range []int{1, 32, 1000, 10_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			rounds, steps := 40, 40
			if size >= 1000 {
				rounds, steps = 4, 20
			}
			for seed := range uint64(4) {
				w := &world{t: t, r: rand.New(rand.NewPCG(seed, uint64(size))), model: map[string]string{}, seen: map[string]int{}, now: time.Now()}
				w.a.lead()
				w.b.follow()
				for range rounds {
					w.loss = []float64{0, 0.02, 0.3}[w.r.IntN(3)]
					for range steps {
						for range 1 + w.r.IntN(1+size/20) {
							if key := strconv.Itoa(w.r.IntN(size)); w.r.IntN(4) == 0 {
								w.drop(key)
							} else {
								w.put(key)
							}
						}
						for range w.r.IntN(30) {
							w.step()
						}
					}
					switch w.r.IntN(6) {
					case 0:
						w.broken()
					case 1: // b starts anew
						w.broken()
						w.b, w.seen = shelf{}, map[string]int{}
						w.b.follow()
					case 4: // the same, and a does not notice: b asks
						w.there, w.back, w.b, w.seen, w.loss = nil, nil, shelf{}, map[string]int{}, 0
						for w.b.follow(); !w.b.whole; {
							w.step()
						}
					case 2: // a starts anew, and its entries come back one after the other, or do not
						w.there, w.back, w.a = nil, nil, outbox{}
						w.a.lead()
						before := w.model
						w.model = map[string]string{}
						for key := range before {
							if w.r.IntN(2) == 0 {
								w.put(key)
							}
						}
					case 3: // a was not active for a moment
						w.a.rest()
						w.a.lead()
						w.model = map[string]string{}
					}
					if w.r.IntN(3) == 0 {
						w.settle()
					}
				}
				w.settle()
			}
		})
	}
}

func TestATableIsKeptWhileANewStreamComes(t *testing.T) {
	w := &world{t: t, r: rand.New(rand.NewPCG(1, 2)), model: map[string]string{}, seen: map[string]int{}, now: time.Now()}
	w.a.lead()
	w.b.follow()
	for n := range 2000 {
		w.put(strconv.Itoa(n))
	}
	w.settle()
	w.drop("7")
	w.broken()
	if !w.b.whole || w.b.count != 2000 {
		t.Fatalf("after the path has broken: whole %v, %d entries", w.b.whole, w.b.count)
	}
	w.a.follow(w.b.asked)
	m, _ := w.a.next(nil, w.now)
	if _, told, err := w.b.take(m, w.now); !told || err != nil || w.b.whole || w.b.count != 2000 {
		t.Fatalf("in the middle of a new stream: %v, %v, whole %v, %d entries", told, err, w.b.whole, w.b.count)
	}
	w.settle()
}

func TestWhatIsBeyondTheBoundsIsRefusedAndCounted(t *testing.T) {
	var a outbox
	var b shelf
	a.store(change{kind: pair.Calls, id: "x", value: []byte("not active")})
	a.lead()
	b.follow()
	if a.octets != 0 {
		t.Error("a box that is not active keeps something")
	}
	a.store(change{kind: pair.Calls, id: "large", value: make([]byte, pair.MaxValue)})
	a.store(change{kind: pair.Calls, id: "large", value: make([]byte, pair.MaxValue+1)})
	a.store(change{kind: pair.Calls, id: string(make([]byte, maxID+1)), value: []byte("x")})
	a.store(change{kind: pair.Calls, id: "", value: []byte("x")})
	a.store(change{kind: "unheard-of", id: "x", value: []byte("x")})
	if len(a.entries) != 0 || a.octets != 0 || a.refused != 4 || len(a.missing) != 4 {
		t.Errorf("%d entries, %d octets, %d refused, %d missing", len(a.entries), a.octets, a.refused, len(a.missing))
	}
	a.store(change{kind: pair.Calls, id: "large", value: []byte("small")})
	if len(a.missing) != 3 || len(a.entries) != 1 {
		t.Error("an entry that fits again is still missed")
	}
	for n := range pair.MaxEntries + 10 {
		a.store(change{kind: pair.Media, id: strconv.Itoa(n), value: []byte("x")})
	}
	if len(a.entries) != pair.MaxEntries || a.refused != 4+11 {
		t.Errorf("%d entries, %d refused", len(a.entries), a.refused)
	}
	a.lead()
	value := make([]byte, pair.MaxValue)
	for n := range maxOctets/pair.MaxValue + 5 {
		a.store(change{kind: pair.Media, id: strconv.Itoa(n), value: value})
	}
	if a.octets > maxOctets || a.octets < maxOctets-2*pair.MaxValue {
		t.Errorf("%d octets", a.octets)
	}

	// The other box says more than it should.
	m := append(place{1, b.asked, 1}.append(nil), 1)
	for n := range pair.MaxEntries + 10 {
		c := change{kind: pair.Media, id: strconv.Itoa(n), value: []byte("x")}
		m = c.append(m)
	}
	if _, told, err := b.take(m, time.Now()); !told || err != nil || b.count != pair.MaxEntries || b.refused != 10 {
		t.Errorf("%v, %v: %d entries, %d refused", told, err, b.count, b.refused)
	}
}

func TestAStandbyKeepsWhatItKnowsOfALaterRelease(t *testing.T) {
	var b shelf
	b.follow()
	m := append(place{1, b.asked, 1}.append(nil), 1)
	for _, c := range []change{
		{kind: pair.Calls, id: "a", value: []byte("1")}, {kind: "of-later", id: "b", value: []byte("2")}, {kind: "of-later", id: "c"},
		{kind: pair.Calls, id: "d", value: []byte("3")},
	} {
		m = c.append(m)
	}
	if _, told, err := b.take(m, time.Now()); !told || err != nil || !b.whole || b.count != 2 || len(b.entries) != 1 {
		t.Errorf("%v, %v: whole %v, %d entries of %d kinds", told, err, b.whole, b.count, len(b.entries))
	}
}

func TestAStandbyThatTakesNothingHoldsNobodyUp(t *testing.T) {
	var a outbox
	a.lead()
	a.follow(1)
	now := time.Now()
	sent := 0
	for n := range 5 * pair.MaxEntries {
		a.store(change{kind: pair.Calls, id: strconv.Itoa(n), value: make([]byte, 100)})
		if n > 100 {
			a.store(change{kind: pair.Calls, id: strconv.Itoa(n - 100)})
		}
		if m, ok := a.next(nil, now); ok {
			sent += len(m)
		}
	}
	if sent > window+2*batch || len(a.queue) > 2*pair.MaxEntries+1 || a.ask != 0 {
		t.Errorf("%d octets sent, %d entries wait, stream %d", sent, len(a.queue), a.ask)
	}
	a.follow(2)
	if _, ok := a.next(nil, now); !ok || !a.late(now.Add(2*patience)) {
		t.Error("it cannot ask anew, or may say nothing for ever")
	}
}

// FuzzTable takes what the other box may say of the table: it neither panics nor keeps more than the bounds, and counts rightly.
func FuzzTable(f *testing.F) {
	head := append(place{1, 7, 1}.append(nil), 1)
	for _, c := range []change{{kind: pair.Calls, id: "a", value: []byte("x")}, {kind: pair.Files, id: "b"}, {kind: pair.Records, id: "c", value: []byte{}}} {
		head = c.append(head)
		f.Add(head)
	}
	f.Add([]byte{})
	f.Add(append(place{1, 7, 2}.append(nil), 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff))
	f.Fuzz(func(t *testing.T, said []byte) {
		var b shelf
		b.follow()
		b.asked = 7
		_, _, _ = b.take(said, time.Time{})
		count, octets := 0, int64(0)
		for _, kind := range kinds {
			for _, k := range b.list(kind) {
				count++
				octets += int64(overhead + len(k.ID) + len(k.Value))
			}
		}
		if count != b.count || octets != b.octets || octets > int64(len(said)*(overhead+1)) {
			t.Errorf("%d entries with %d octets, counted as %d with %d", count, octets, b.count, b.octets)
		}
	})
}

// FuzzWord reads what the other box may say of itself.
func FuzzWord(f *testing.F) {
	f.Add([]byte(`{"box":2,"serial":"x","role":"active","ports":[{"name":"a","witness":"heard"}],"sums":{"a":"b"}}`))
	f.Add([]byte(`{"box":2,"role":"x"}`))
	f.Fuzz(func(t *testing.T, said []byte) {
		w, err := parseWord(said, 2)
		if err == nil && (w.Box != 2 || len(w.Ports) > 64 || len(w.Sums) > 64 || len(w.Serial) > 4*64 || w.Role > pair.Active) {
			t.Errorf("%+v", w)
		}
	})
}

// A value is as old as it is, also when the table is told anew: what is left of a timer, and how far a call's packets have come, count from there.
func TestAValueIsAsOldAsItIs(t *testing.T) {
	var a outbox
	var b shelf
	a.lead()
	b.follow()
	a.store(change{kind: pair.Calls, id: "x", value: []byte("1")})
	for _, age := range []time.Duration{-time.Second, 0, 3 * time.Second, 100 * 24 * time.Hour} {
		b.lost()
		a.follow(b.asked)
		now := a.entries[name{pair.Calls, "x"}].put.Add(age)
		m, _ := a.next(nil, now)
		if _, told, err := b.take(m, now); !told || err != nil || len(b.list(pair.Calls)) != 1 {
			t.Fatalf("%v, %v: %d entries", told, err, len(b.list(pair.Calls)))
		}
		if got := now.Sub(b.list(pair.Calls)[0].At); got != min(max(age, 0), mostAge) {
			t.Errorf("%s old, kept as %s old", age, got)
		}
	}
}
