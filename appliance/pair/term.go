package pair

import (
	"sync/atomic"
	"time"
)

// Term is how long a box may act for its pair. Who decides extends it again and again, a little at a time. A box that hung and goes on finds that its
// term is over before it sends anything: the other box has taken over, and a packet under the same key with the same number would break SRTP
// (RFC 3711 9.1). A nil Term never ends, and neither does one that was not begun: a box that stands alone. It is safe for concurrent use.
type Term struct{ end atomic.Pointer[time.Time] }

// Extend has the term end d from now.
func (t *Term) Extend(d time.Duration) { t.ends(time.Now().Add(d)) }

// ExtendTo has the term end at a time. A box that stood still between its decision and this call gains nothing.
func (t *Term) ExtendTo(at time.Time) { t.ends(at) }

// End ends the term now.
func (t *Term) End() { t.ends(time.Now()) }

func (t *Term) ends(at time.Time) { t.end.Store(&at) }

// Free is for a box that stands alone: the term never ends.
func (t *Term) Free() { t.end.Store(nil) }

// Runs reports whether the box may act now.
func (t *Term) Runs() bool {
	if t == nil {
		return true
	}
	end := t.end.Load()
	return end == nil || time.Now().Before(*end)
}
