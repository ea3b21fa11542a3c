package lease_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"viaduct/appliance/fleet/lease"
)

// model is a hub of one node as one would write it down.
type model struct {
	passed int64 // seconds that the hub watched
	shares map[string]*modelShare
}

type modelShare struct {
	sequence          uint64
	want, count, kept int
	countEnd, keptEnd int64 // the lease ends, and what is kept beside it
}

const (
	modelLife   = 24 * 60 * 60
	modelMargin = 60 * 60
)

func (m *model) taken(name string) int {
	s := m.shares[name]
	n := 0
	if s != nil && m.passed < s.countEnd+modelMargin {
		n = s.count
	}
	if s != nil && m.passed < s.keptEnd+modelMargin && s.kept > n {
		n = s.kept
	}
	return n
}

// grant returns what a box gets, for how long, and whether it was obeyed.
func (m *model) grant(name string, sequence uint64, want, has int, t lease.Terms) (count int, left int64, obeyed bool) {
	s := m.shares[name]
	if s == nil {
		s = &modelShare{}
		m.shares[name] = s
	}
	if sequence > s.sequence {
		others, kept := 0, 0
		for o := range m.shares {
			if o != name {
				others += m.taken(o)
			}
		}
		for o, b := range t.Boxes {
			if o != name && b.Min > m.taken(o) {
				kept += b.Min - m.taken(o)
			}
		}
		gets := max(t.Total-others-kept, min(t.Boxes[name].Min, t.Total-others), 0)
		gets = min(gets, want, t.Boxes[name].Max)
		may, end := min(has, m.taken(name)), max(s.countEnd, s.keptEnd)
		*s = modelShare{sequence: sequence, want: want, count: gets}
		if gets > 0 {
			s.countEnd = m.passed + modelLife
		}
		if may > gets {
			s.kept, s.keptEnd = may, end
		}
		obeyed = true
	}
	if left = s.countEnd - m.passed - 1; s.count == 0 || left <= 0 {
		return 0, 0, obeyed
	}
	return s.count, left, obeyed
}

// The pool does what the model does, whatever comes.
func TestPoolAndModel(t *testing.T) {
	for size, steps := range map[int]int{1: 4000, 32: 8000, 1000: 2000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r := rand.New(rand.NewPCG(18, uint64(size)))
			usual := size * 6
			h := newHub(usual, nil)
			h.Node = "hub"
			m := &model{shares: map[string]*modelShare{}}
			names := make([]string, size)
			sequences := map[string]uint64{}
			for i := range names {
				names[i] = fmt.Sprintf("box-%04d", i)
				h.limit(names[i], 0, 0)
			}
			writes, refused := 0, 0
			for step := range steps {
				name := names[r.IntN(size)]
				switch what := r.IntN(100); {
				case what < 70: // a request: mostly a new one
					sequence := sequences[name]
					if r.IntN(10) > 0 || sequence == 0 {
						sequence += 1 + r.Uint64N(3)
						sequences[name] = sequence
					} else {
						sequence -= min(sequence-1, r.Uint64N(3))
					}
					want := r.IntN(12)
					has := r.IntN(want + 1)
					if s := m.shares[name]; s != nil && r.IntN(2) == 0 {
						has = min(want, m.taken(name))
					}
					a := h.ask(name, sequence, want, has)
					if _, known := h.Boxes[name]; !known {
						if refused++; !a.Reply.Refused || a.Write {
							t.Fatalf("step %d: %s is unknown: %+v", step, name, a)
						}
						break
					}
					count, left, obeyed := m.grant(name, sequence, want, has, h.Terms)
					if a.Write != obeyed || a.Count != count || int64(a.Reply.Left) != left || a.Reply.Sequence != m.shares[name].sequence {
						t.Fatalf("step %d: %s asks for %d: %+v, and the model gives %d for %d s (obeyed: %v)", step, name, want, a, count, left, obeyed)
					}
					if same := sequence == m.shares[name].sequence && want == m.shares[name].want; (a.Reply.Error == "") != (obeyed || same) {
						t.Fatalf("step %d: %+v", step, a)
					}
					if obeyed {
						writes++
					}
				case what < 85: // time passes, watched
					d := time.Duration(r.IntN(50)) * lease.Watch
					h.tend(d)
					m.passed += int64(d / time.Second)
					if d > 0 {
						m.forget(h.Terms)
					}
				case what < 87: // and unwatched
					h.now = h.now.Add(lease.Gap + time.Duration(1+r.IntN(90000))*time.Second)
					h.tend(0)
					m.forget(h.Terms)
				case what < 92:
					h.Total = usual * r.IntN(150) / 100
				case what < 97:
					h.limit(name, r.IntN(4), 4+r.IntN(6))
				default:
					if _, known := h.Boxes[name]; known {
						delete(h.Boxes, name)
					} else {
						h.limit(name, 0, 0)
					}
				}
				sum := 0
				for o := range m.shares {
					sum += m.taken(o)
				}
				if n := h.taken(); n != sum {
					t.Fatalf("step %d: %d are taken, and in the model %d", step, n, sum)
				}
				if step%100 == 0 {
					p, err := lease.Open(h.Value())
					if err != nil {
						t.Fatal(err)
					}
					h.Pool = p
				}
			}
			t.Logf("%d requests obeyed, %d refused, %d of %d are taken", writes, refused, h.taken(), h.Total)
		})
	}
}

// forget drops what is over of boxes that may have nothing.
func (m *model) forget(t lease.Terms) {
	for name := range m.shares {
		if _, known := t.Boxes[name]; !known && m.taken(name) == 0 {
			delete(m.shares, name)
		}
	}
}
