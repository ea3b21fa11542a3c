package link

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/pair"
)

// shelf is what the standby keeps of the active box's table, as far as the stream has come.
//
// A stream that breaks is asked for anew. Until the new one has come to its whole table, what is there of the one before stays: a box that dies in that
// time leaves nothing better.
type shelf struct {
	follows bool
	asked   uint64 // the stream that is wanted; 0: none
	from    place  // how far it has come; seq 0: its first message is awaited
	whole   bool   // it has come to the whole table
	age     uint32 // counts streams
	entries map[pair.Kind]map[string]kept
	count   int
	octets  int64
	refused uint64
	last    time.Time
	filed   uint64 // counts changes of entries of kind Files
}

type kept struct {
	value []byte
	at    time.Time // when it was put, by this box's clock
	age   uint32    // of the stream that said so last
}

// follow has the box keep what the active one says. What it had is forgotten.
func (s *shelf) follow() {
	*s = shelf{follows: true, asked: s.asked, age: s.age, refused: s.refused, entries: map[pair.Kind]map[string]kept{}}
	s.lost()
}

// stay keeps what is there as it is: the box is active now, and takes its calls from here.
func (s *shelf) stay() { s.follows, s.asked, s.from, s.whole = false, 0, place{}, false }

// lost asks for the table anew. What is there stays what the box would take over with, until the new stream begins: a box that dies is first lost.
func (s *shelf) lost() {
	if !s.follows {
		return
	}
	if s.asked == 0 {
		s.asked = random()
	}
	s.asked++
	s.from = place{}
}

// gap asks for it anew because something is missing.
func (s *shelf) gap() {
	s.lost()
	s.whole = false
}

// waits tells whether the box has asked and not got anything yet.
func (s *shelf) waits() bool { return s.follows && s.from.seq == 0 }

// take takes a message of the table. It returns how far the stream has come, and whether the active box is to be told.
func (s *shelf) take(message []byte, now time.Time) (at place, told bool, err error) {
	p, rest, err := parsePlace(message)
	if err != nil {
		return at, false, err
	}
	if !s.follows || p.ask != s.asked {
		return at, false, nil // of a stream that is over
	}
	if len(rest) == 0 {
		return at, false, errShort
	}
	if p.seq != s.from.seq+1 || s.from.seq > 0 && p.epoch != s.from.epoch {
		s.gap()
		return at, false, fmt.Errorf("message %d after message %d", p.seq, s.from.seq)
	}
	if p.seq == 1 {
		s.age++
		s.whole = false
	}
	for whole, b := rest[0] != 0, rest[1:]; ; {
		if len(b) == 0 {
			s.from, s.last = p, now
			if whole && !s.whole {
				s.whole = true
				s.sweep()
			}
			return p, true, nil
		}
		var c change
		if c, b, err = parseChange(b); err != nil {
			s.gap()
			return at, false, err
		}
		if slices.Contains(kinds, c.kind) { // a box of a later release may tell of others
			s.store(c, now)
		}
	}
}

// store keeps an entry, or forgets it.
func (s *shelf) store(c change, now time.Time) {
	of := s.entries[c.kind]
	before, had := of[c.id]
	size := int64(len(c.value) - len(before.value))
	if !had {
		size += int64(overhead + len(c.id))
	}
	if c.value != nil && (!had && s.count >= pair.MaxEntries || s.octets+size > maxOctets) {
		s.refused++
		c.value = nil
	}
	if c.value == nil {
		s.forget(c.kind, c.id)
		return
	}
	if of == nil {
		of = map[string]kept{}
		s.entries[c.kind] = of
	}
	s.changed(c.kind)
	id := c.id
	if !had {
		s.count++
		id = strings.Clone(id)
	}
	s.octets += size
	of[id] = kept{value: bytes.Clone(c.value), at: now.Add(-c.age), age: s.age}
}

func (s *shelf) forget(kind pair.Kind, id string) {
	before, had := s.entries[kind][id]
	if !had {
		return
	}
	s.changed(kind)
	s.count--
	s.octets -= int64(overhead + len(id) + len(before.value))
	delete(s.entries[kind], id)
}

func (s *shelf) changed(kind pair.Kind) {
	if kind == pair.Files {
		s.filed++
	}
}

// sweep forgets what the stream has not said: it is no more.
func (s *shelf) sweep() {
	for kind, of := range s.entries {
		for id, k := range of {
			if k.age != s.age {
				s.forget(kind, id)
			}
		}
	}
}

// hear compares how far the active box has come with how far this one has. Messages come in their order, so the two are the same.
func (s *shelf) hear(at place) {
	if s.follows && at != s.from && (s.from.seq > 0 || at.ask == s.asked && at.seq > 0) {
		s.gap()
	}
}

// list returns the entries of a kind, by their IDs.
func (s *shelf) list(kind pair.Kind) []pair.Kept {
	list := make([]pair.Kept, 0, len(s.entries[kind]))
	for id, k := range s.entries[kind] {
		list = append(list, pair.Kept{ID: id, Value: k.value, At: k.at})
	}
	slices.SortFunc(list, func(a, b pair.Kept) int { return strings.Compare(a.ID, b.ID) })
	return list
}
