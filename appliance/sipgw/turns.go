package sipgw

import (
	"slices"
	"time"

	"viaduct/appliance/sipmsg"

	"github.com/emiago/sipgo/sip"
)

// Requests of ours in a dialog go one after the other: the next one waits until the one before has been answered. Two that leave in one
// instant may arrive in the other order over UDP, and many a peer handles them at the same time: a referrer that takes our BYE before
// the last NOTIFY of its transfer answers that with 481, and its user's screen says "transferring" for ever (RFC 3515 2.4.4: the
// subscription lives until the final NOTIFY has been answered).

// turnTime is how long the next request waits for a response that does not come.
const turnTime = 2 * time.Second

// mostTurns is how many requests may wait.
const mostTurns = 64

// turns are the requests of a leg that go one after the other.
type turns struct {
	now     *turn // under way; nil: none
	waiting []*turn
	after   []func() // what waits until all have been answered
}

type turn struct {
	method, contentType string
	body                []byte
	headers             []sipmsg.Header
	limit               *time.Timer
}

// Request sends INFO, NOTIFY or MESSAGE in the dialog, when those before have been answered; its response is not reported. A NOTIFY that
// still waits gives way to a newer one of its subscription.
func (l *Leg) Request(method string, contentType string, body []byte, h ...sipmsg.Header) {
	if l.state != legConfirmed && l.state != legAnswered || l.turns.now != nil && l.byeWanted != nil {
		return
	}
	t := &turn{method: method, contentType: contentType, body: body, headers: h}
	q := &l.turns
	switch n := slices.IndexFunc(q.waiting, t.renews); {
	case n >= 0:
		q.waiting[n] = t
	case q.now != nil && len(q.waiting) < mostTurns:
		q.waiting = append(q.waiting, t)
	case q.now == nil:
		l.sendTurn(t)
	default:
		l.stack.log.Warn("request not sent, too many wait for the peer", "gw", l.g.name, "leg", l.dialog.CallID, "name", method)
	}
}

// renews reports whether a request makes an earlier one needless.
func (t *turn) renews(earlier *turn) bool {
	return t.method == string(sip.NOTIFY) && earlier.method == t.method && slices.ContainsFunc(t.headers, func(h sipmsg.Header) bool {
		return h.Name == "Event" && slices.Contains(earlier.headers, h)
	})
}

// sendTurn sends a request. Its turn ends with its response.
func (l *Leg) sendTurn(t *turn) {
	l.turns.now = t
	t.limit = l.after(turnTime, func() { l.turnEnded(t) })
	l.transact(&l.dialog, sip.RequestMethod(t.method), t.contentType, t.body, t.headers, func(res *sipmsg.Response, _ error) {
		if res != nil && res.StatusCode == 481 && t.method != string(sip.NOTIFY) { // that one ends a subscription alone (RFC 6665 4.2.2)
			l.die(481, "the peer knows no such call")
		}
		l.turnEnded(t)
	})
}

func (l *Leg) turnEnded(t *turn) {
	t.limit.Stop()
	q := &l.turns
	if q.now != t {
		return
	}
	if q.now = nil; len(q.waiting) > 0 && l.state != legOver {
		next := q.waiting[0]
		q.waiting = q.waiting[1:]
		l.sendTurn(next)
		return
	}
	l.endTurns()
}

// endTurns runs what has waited until all requests were answered, or until the leg ended.
func (l *Leg) endTurns() {
	l.turns.now, l.turns.waiting = nil, nil
	after := l.turns.after
	l.turns.after = nil
	for _, f := range after {
		f()
	}
	if l.byeWanted != nil && l.state == legConfirmed {
		l.hangUp(l.byeWanted)
	}
}

// AfterRequests runs f when the requests of ours that are under way have been answered, or have not been for too long; at once when there
// are none.
func (l *Leg) AfterRequests(f func()) {
	if l.turns.now == nil {
		f()
		return
	}
	l.turns.after = append(l.turns.after, f)
}

// notifies reports whether a NOTIFY of ours waits for its response, or for its turn.
func (q *turns) notifies() bool {
	notify := func(t *turn) bool { return t.method == string(sip.NOTIFY) }
	return q.now != nil && (notify(q.now) || slices.ContainsFunc(q.waiting, notify))
}
