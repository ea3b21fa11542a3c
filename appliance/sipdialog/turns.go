package sipdialog

import (
	"slices"
	"time"

	"viaduct/appliance/sipmsg"

	"github.com/emiago/sipgo/sip"
)

// mostTurns is how many requests may wait.
const mostTurns = 64

// Turns are requests of ours in a dialog, which go one after the other: the next one waits until the one before has been answered. Two that leave
// in one instant may arrive in the other order over UDP, and many a peer handles them at the same time: a referrer that takes our BYE before
// the last NOTIFY of its transfer answers that with 481, and its user's screen says "transferring" for ever (RFC 3515 2.4.4: the subscription
// lives until the final NOTIFY has been answered).
type Turns struct {
	now     *Turn // under way; nil: none
	waiting []*Turn
}

// Turn is such a request.
type Turn struct {
	Method, ContentType string
	Body                []byte
	Headers             []sipmsg.Header
	Limit               *time.Timer // how long it keeps the next one waiting
}

// Busy reports whether one is under way.
func (q *Turns) Busy() bool { return q.now != nil }

// Add takes a request in. It is to be sent at once, or waits, or finds no room. A NOTIFY that still waits gives way to a newer one of its
// subscription.
func (q *Turns) Add(t *Turn) (now, ok bool) {
	n := slices.IndexFunc(q.waiting, t.renews)
	switch {
	case n >= 0:
		q.waiting[n] = t
	case q.now == nil:
		q.now = t
		return true, true
	case len(q.waiting) < mostTurns:
		q.waiting = append(q.waiting, t)
	default:
		return false, false
	}
	return false, true
}

// renews reports whether a request makes an earlier one needless.
func (t *Turn) renews(earlier *Turn) bool {
	return t.notifies() && earlier.notifies() && slices.ContainsFunc(t.Headers, func(h sipmsg.Header) bool {
		return h.Name == "Event" && slices.Contains(earlier.Headers, h)
	})
}

func (t *Turn) notifies() bool { return t.Method == string(sip.NOTIFY) }

// Ended is the end of a turn: of the one under way, which is false for any other. The next one is to be sent; nil: there is none.
func (q *Turns) Ended(t *Turn) (next *Turn, ok bool) {
	if q.now != t {
		return nil, false
	}
	if q.now = nil; len(q.waiting) > 0 {
		q.now, q.waiting = q.waiting[0], q.waiting[1:]
	}
	return q.now, true
}

// Clear forgets all.
func (q *Turns) Clear() {
	if q.now != nil && q.now.Limit != nil { // it has been sent
		q.now.Limit.Stop()
	}
	*q = Turns{}
}

// Notifies reports whether a NOTIFY of ours waits for its response, or for its turn.
func (q *Turns) Notifies() bool {
	return q.now != nil && (q.now.notifies() || slices.ContainsFunc(q.waiting, (*Turn).notifies))
}
