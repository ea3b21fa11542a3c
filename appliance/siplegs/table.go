package siplegs

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Table finds legs L by Call-ID and our tag. One that has ended stays for a moment, for a BYE that crosses ours.
type Table[L comparable] struct {
	mu     sync.Mutex
	legs   map[string]L
	buried []buried[L] // in the order of their ends
	closed bool        // no more come in
}

// buried is a leg that has ended, and how long it stays.
type buried[L comparable] struct {
	leg L
	due time.Time
}

// NewTable returns an empty table.
func NewTable[L comparable]() *Table[L] { return &Table[L]{legs: map[string]L{}} }

// Key is what the table finds a leg by.
func Key(callID, localTag string) string { return callID + " " + localTag }

// Add takes a leg in; false: the table is closed.
func (t *Table[L]) Add(callID, localTag string, l L) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.legs[Key(callID, localTag)] = l
	return true
}

// Close takes no more legs in.
func (t *Table[L]) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// All are all legs, those that are buried, too.
func (t *Table[L]) All() []L {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.legs))
}

// Bury replaces the leg of a Key by what stays of it for so long. It reports whether nothing else is buried, so that nobody looks for what is
// overdue yet.
func (t *Table[L]) Bury(key string, past L, stays time.Duration) (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.legs[key] = past
	t.buried = append(t.buried, buried[L]{past, time.Now().Add(stays)})
	return len(t.buried) == 1
}

// sweepEvery is how long the next look for what is overdue waits at least: a thousand legs may end in a second.
const sweepEvery = time.Second / 4

// Overdue takes out of the buried what has been there for long enough, and tells when to look again; 0: nothing is left. They are still found
// until Drop.
func (t *Table[L]) Overdue(now time.Time) (gone []L, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.buried {
		if b.due.After(now) {
			wait = max(b.due.Sub(now), sweepEvery)
			break
		}
		gone = append(gone, b.leg)
	}
	t.buried = slices.Delete(t.buried, 0, len(gone))
	return gone, wait
}

// Drop forgets a leg.
func (t *Table[L]) Drop(callID, localTag string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.legs, Key(callID, localTag))
}

// Find finds the leg that a request names with its Call-ID and our tag; zero: there is none.
func (t *Table[L]) Find(callID, localTag string) L {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.legs[Key(callID, localTag)]
}

// Count counts the legs, and those among them that are buried.
func (t *Table[L]) Count() (all, past int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.legs), len(t.buried)
}
