package sipgw

import (
	"math/rand/v2"
	"strconv"
	"time"

	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// Reinvite sends the offer that a function makes when its time has come, and makes again after a glare, because the peer's own offer
// has been answered meanwhile; nil: there is none to make after all. The result is Answered or Failed with Reinvite set.
func (l *Leg) Reinvite(offer func() []byte) {
	if l.state == legConfirmed || l.state == legAnswered {
		l.offers.queued = append(l.offers.queued, offer)
		l.next()
	}
}

// next sends the re-INVITE that waits, when no other INVITE is under way.
func (l *Leg) next() {
	if l.state != legConfirmed || l.out != nil || l.asked() || len(l.offers.queued) == 0 {
		return
	}
	offer := l.offers.queued[0]
	l.offers.queued = l.offers.queued[1:]
	l.reoffer(&outbound{invitation: invitation{offer: offer}})
}

// reoffer sends a re-INVITE with a fresh offer.
func (l *Leg) reoffer(out *outbound) {
	l.out, out.acks = out, map[ackKey]ack{}
	if out.body = out.offer(); out.body == nil {
		l.inviteFailed(out, Failed{Code: 500, Reason: "Server Internal Error", Local: true})
		return
	}
	l.dialog.LocalSeq++
	l.invite(out, nil)
}

// asked reports whether an offer of the peer is not over: ours has to wait (14.1, RFC 3311 5.1).
func (l *Leg) asked() bool {
	if l.in != nil {
		return true
	}
	for _, tx := range l.pending {
		if tx.Req.Method == sip.UPDATE {
			return true
		}
	}
	return false
}

// glareWait is how long to wait after a 491 (14.1): the side that made the Call-ID waits longer, so that the two do not meet again.
func (l *Leg) glareWait() time.Duration {
	if l.incoming {
		return time.Duration(rand.IntN(201)) * 10 * time.Millisecond
	}
	return 2100*time.Millisecond + time.Duration(rand.IntN(191))*10*time.Millisecond
}

// retry sends a re-INVITE again after a glare, when the peer's own has ended.
func (l *Leg) retry(out *outbound) {
	if l.out != out {
		return
	}
	if l.asked() {
		l.after(l.glareWait(), func() { l.retry(out) })
		return
	}
	l.reoffer(out)
}

// offered is a re-INVITE or UPDATE in the dialog d, an early one that our INVITE has made or the leg's own.
func (l *Leg) offered(tx *siptx.Server, d *sipdialog.Dialog, early *fork) {
	req := tx.Req
	if least := sipdialog.TooShort(req); least != "" {
		l.respond(tx, 422, "", nil, "", []sipmsg.Header{{Name: "Min-SE", Value: least}})
		return
	}
	if req.Method == sip.UPDATE && len(req.Body) == 0 { // a session refresh, or a new Contact: nothing for the call to decide
		d.Refresh(&req.Message)
		h := l.dialogHeaders(&l.dialog)
		if l.state == legConfirmed || l.state == legAnswered {
			h = append(h, l.sessionAccept(req)...)
		}
		l.respond(tx, 200, "", nil, "", h)
		l.refreshed()
		return
	}
	switch l.outOfTurn(req, early) {
	case 491:
		l.respond(tx, 491, "", nil, "", nil)
		return
	case 500:
		l.respond(tx, 500, "", nil, "", []sipmsg.Header{{Name: "Retry-After", Value: strconv.Itoa(rand.IntN(11))}})
		return
	}
	d.Refresh(&req.Message)
	if tx.Invite {
		if l.in != nil { // its ACK is missing, but a peer that goes on has seen our 200
			l.in.stop()
			l.in.tx.Finish()
			if l.state == legAnswered {
				l.enter(legConfirmed)
			}
			if l.byeWanted != nil {
				l.respond(tx, 487, "", nil, "", nil)
				l.hangUp(l.byeWanted)
				return
			}
		}
		l.in = &inbound{tx: tx, seq: req.Seq}
		tx.OnCancel(func(string) { l.post(func() { l.offerWithdrawn(tx) }) })
	}
	l.ask(tx, Offered{ID: RequestID(tx.Key), Method: string(req.Method), Body: req.Body, ContentType: req.ContentType})
}

// outOfTurn says why an offer of the peer comes at the wrong moment: 491 while one of ours is not answered, 500 while one of its own is
// not (14.2, RFC 3311 5.2). 0: it does not.
func (l *Leg) outOfTurn(req *sipmsg.Request, early *fork) int {
	in, out := l.in, l.out
	switch {
	case l.state == legInviting && (req.Method != sip.UPDATE || !early.answered):
		return 491 // the offer of our INVITE
	case l.state == legInviting:
	case l.state == legRinging && req.Method == sip.UPDATE && in.rel != nil && in.rel.answered:
	case l.state == legRinging && req.Method == sip.UPDATE && len(in.tx.Req.Body) == 0:
		return 491 // the peer has asked for our offer
	case in != nil && in.ok == nil:
		return 500
	case in != nil && len(in.tx.Req.Body) == 0, out != nil && out.state != inviteGlared:
		return 491
	}
	for _, tx := range l.pending {
		if tx.Invite || tx.Req.Method == sip.UPDATE || tx.Req.Method == sip.PRACK {
			return 500
		}
	}
	return 0
}

// offerWithdrawn is a CANCEL for a re-INVITE: the call's answer to it will come to nothing.
func (l *Leg) offerWithdrawn(tx *siptx.Server) {
	if l.pending[RequestID(tx.Key)] == nil {
		return
	}
	delete(l.pending, RequestID(tx.Key))
	l.in = nil
	l.respond(tx, 487, "", nil, "", nil)
	l.next()
}
