package sipgw

import (
	"time"

	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"

	"github.com/emiago/sipgo/sip"
)

// turnTime is how long the next request of ours waits for the response to the one before.
const turnTime = 2 * time.Second

// turns are the requests of a leg that go one after the other.
type turns struct {
	sipdialog.Turns
	after []func() // what waits until all have been answered
}

// Request sends INFO, NOTIFY or MESSAGE in the dialog, when those before have been answered; its response is not reported. A NOTIFY that
// still waits gives way to a newer one of its subscription.
func (l *Leg) Request(method string, contentType string, body []byte, h ...sipmsg.Header) {
	if l.state != legConfirmed && l.state != legAnswered || l.turns.Busy() && l.byeWanted != nil {
		return
	}
	t := &sipdialog.Turn{Method: method, ContentType: contentType, Body: body, Headers: h}
	if now, ok := l.turns.Add(t); now {
		l.sendTurn(t)
	} else if !ok {
		l.stack.log.Warn("request not sent, too many wait for the peer", "gw", l.g.name, "leg", l.dialog.CallID, "name", method)
	}
}

// sendTurn sends a request. Its turn ends with its response.
func (l *Leg) sendTurn(t *sipdialog.Turn) {
	t.Limit = l.after(turnTime, func() { l.turnEnded(t) })
	l.transact(&l.dialog, sip.RequestMethod(t.Method), t.ContentType, t.Body, t.Headers, func(res *sipmsg.Response, _ error) {
		if res != nil && res.StatusCode == 481 && t.Method != string(sip.NOTIFY) { // that one ends a subscription alone (RFC 6665 4.2.2)
			l.die(481, "the peer knows no such call")
		}
		l.turnEnded(t)
	})
}

func (l *Leg) turnEnded(t *sipdialog.Turn) {
	t.Limit.Stop()
	next, ok := l.turns.Ended(t)
	switch {
	case !ok:
	case next != nil && l.state != legOver:
		l.sendTurn(next)
	default:
		l.endTurns()
	}
}

// endTurns runs what has waited until all requests were answered, or until the leg ended.
func (l *Leg) endTurns() {
	l.turns.Clear()
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
	if !l.turns.Busy() {
		f()
		return
	}
	l.turns.after = append(l.turns.after, f)
}
