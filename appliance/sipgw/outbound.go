package sipgw

import (
	"errors"
	"math/rand/v2"
	"time"

	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

const (
	timerC    = 3*time.Minute + 5*time.Second // silence after a provisional response before we give up (16.6)
	maxTries  = 4                             // INVITEs for challenges and 422
	maxGlares = 6
)

// outbound is an INVITE of ours: the first one, or a re-INVITE.
type outbound struct {
	invitation
	initial, refresh bool // refresh: of the session timer; the call is told only when it changed something
	to               siptransport.Target
	began            time.Time // when the first one was to be sent

	phones   *phones // that are asked; nil: the interface's peer is
	tx       *siptx.Client
	seq      uint32
	state    inviteState
	reported bool             // the owner knows how it ended
	acks     map[ackKey]ack   // to repeat them
	forks    map[string]*fork // early dialogs in which more was said, by remote tag; nil: none
	answer   *sipmsg.Response // a 2xx that waits for Leg.Ack
	after    *aftermath       // this is its ACK to a late fork; nil: it is an INVITE of a leg
	givenUp
	repeats
	inviteTimers
}

// givenUp tells whether an INVITE is wanted no more.
type givenUp struct {
	cancel       cancelState
	cancelHeader []sipmsg.Header
	hungUp       bool // a BYE came before the answer
}

// repeats counts the INVITEs that took the place of one.
type repeats struct {
	tries  int // with credentials, or a longer session
	glares int
}

// inviteTimers end an INVITE that comes to nothing.
type inviteTimers struct {
	waitC *time.Timer // silence after a provisional response
	guard *time.Timer // silence after a CANCEL
}

// invitation is what an INVITE says.
type invitation struct {
	contentType string
	body        []byte
	headers     []sipmsg.Header
	offer       func() []byte // makes body for a re-INVITE
	identity    string        // whose account it carries
}

type inviteState uint8

const (
	inviteSent       inviteState = iota // nothing has come back yet
	inviteProceeding                    // a provisional response came: CANCEL may be sent (9.1)
	inviteGlared                        // 491 came, and it waits to be sent again
	inviteAnswered                      // a 2xx came
)

type cancelState uint8

const (
	cancelUnwanted cancelState = iota
	cancelWanted               // it waits for a provisional response
	cancelSent
)

func (x *inviteTimers) stop() {
	for _, t := range []*time.Timer{x.waitC, x.guard} {
		if t != nil {
			t.Stop()
		}
	}
}

// Invite starts a call leg. It returns at once; everything that happens to it, failures included, comes to o as an event. Once o
// has ended nothing is started.
func (s *Stack) Invite(o Owner, r Invite) *Leg {
	i, g := s.sipInterface(r.Interface)
	l := &Leg{stack: s, g: g, iface: i, state: legOver}
	l.ownership.Take(o)
	if g == nil {
		l.emit(Failed{Code: 503, Reason: "Service Unavailable", Local: true, Err: errNoGateway})
		return l
	}
	if !r.Urgent && len(r.Targets) == 0 {
		if err := s.health.Refusal(i.ID(), r.Identity); err != nil {
			l.emit(Failed{Code: 503, Reason: "Service Unavailable", Local: true, Err: err})
			return l
		}
	}
	l.pending = map[RequestID]*siptx.Server{}
	to := g.Peer(i, r.Identity)
	side := g.Towards(to)
	l.here = side.Listens(to.Transport)
	l.state = legInviting
	tag := sipmsg.Token(10)
	from := r.From
	from.Params = "tag=" + tag
	l.dialog = sipdialog.Dialog{CallID: s.callID(r.Hops), LocalTag: tag, Local: from.String(), Remote: r.To.String(),
		LocalSeq: uint32(rand.IntN(1000)) + 1, Target: r.RequestURI, Transport: to.Transport,
		Contact: "<" + side.Contact(r.ContactUser, to.Transport) + ">"}
	l.account = accountOf(g.Conf(), i, r.Identity)
	l.out = &outbound{initial: true, to: to, began: time.Now(), invitation: invitation{body: r.Body, headers: r.Headers, identity: r.Identity}, acks: map[ackKey]ack{}}
	if len(r.Parts) > 0 {
		l.out.contentType, l.out.body = sipmsg.Attach(r.Body, r.Parts)
	}
	l.offers.last = r.Body
	l.session.Interval = i.SessionTimer
	if len(r.Targets) > 0 {
		to = l.target0(r)
	}
	l.begin(named(to))
	if !g.legs.Add(l.dialog.CallID, l.dialog.LocalTag, l) {
		l.state = legOver
		l.emit(Failed{Code: 503, Reason: "Service Unavailable", Local: true, Err: errNoGateway})
		return l
	}
	if !o.Post(func() { l.invite(l.out, nil) }) {
		l.finish()
	}
	return l
}

// invite builds and sends an INVITE; again carries credentials.
func (l *Leg) invite(out *outbound, again []sipmsg.Header) {
	out.stop()
	out.seq, out.tx, out.state, out.waitC = l.dialog.LocalSeq, nil, inviteSent, nil // nothing was said to this one yet
	h := append(l.session.Offer(), out.headers...)
	if out.initial && out.phones != nil {
		l.inviteAll(out, h)
		return
	}
	req, err := l.build(&l.dialog, sip.INVITE, out.seq, out.contentType, out.body, append(h, again...))
	if err != nil {
		l.inviteFailed(out, Failed{Code: 500, Reason: "Server Internal Error", Local: true, Err: err})
		return
	}
	if again == nil {
		l.account.auth.Authorize(req)
	}
	if !out.initial {
		out.to = l.hopOf(&l.dialog)
	}
	l.reach(out.to, func(where siptransport.Endpoint, err error) {
		if l.state == legOver && !out.initial {
			return // the dialog has ended while its name was looked up
		}
		if out.cancel != cancelUnwanted {
			l.inviteFailed(out, Failed{Code: 487, Reason: "Request Terminated", Local: true})
			return
		}
		if err == nil {
			if out.initial {
				l.correctContact(where, req)
			}
			var tx *siptx.Client // set before anything that is posted here can run
			tx, err = l.g.transactions.Begin(req, where, func(res *sipmsg.Response, err error) {
				l.post(func() { l.inviteResult(out, tx, req, res, err) })
			})
			out.tx = tx
		}
		if err != nil {
			l.inviteFailed(out, l.unreached(err))
		}
	})
}

// correctContact puts the Contact right when the name of the peer was not known before: it is on another side of the gateway then.
func (l *Leg) correctContact(where siptransport.Endpoint, req *sip.Request) {
	side := l.g.Conf().Towards(where.Transport, where.Addrs[0].Addr())
	contact := "<" + side.Contact(sipmsg.SplitURI(sipmsg.ParseNameAddr(l.dialog.Contact).URI).User, l.dialog.Transport) + ">"
	if contact == l.dialog.Contact || side == nil {
		return
	}
	l.dialog.Contact, l.here = contact, side.Listens(l.dialog.Transport)
	req.ReplaceHeader(sip.NewHeader("Contact", contact))
}

// inviteResult is a response to an INVITE of ours, or the end of waiting for one.
func (l *Leg) inviteResult(out *outbound, tx *siptx.Client, req *sip.Request, res *sipmsg.Response, err error) {
	if res != nil {
		l.outline.AnsweredBy(res.Source.Addr())
		l.health().Responded(l.iface.ID())
	}
	switch {
	case err == nil && res.StatusCode/100 == 2:
		l.inviteOK(out, res, &l.dialog)
	case tx != out.tx || out.state == inviteAnswered:
		// an INVITE that was repeated with credentials, or one that has ended
	case err != nil:
		if l.state != legOver && out.cancel == cancelUnwanted {
			if out.initial && errors.Is(err, siptx.ErrTimeout) {
				l.health().Silent(l.iface.ID(), out.began)
			} else {
				l.health().Suspect(l.iface.ID())
			}
		}
		l.inviteFailed(out, l.unreached(err))
	case res.StatusCode < 200:
		l.inviteProgress(out, res)
	default:
		l.inviteRefused(out, req, res)
	}
}

// inviteProgress is a provisional response.
func (l *Leg) inviteProgress(out *outbound, res *sipmsg.Response) {
	out.state = inviteProceeding
	if out.cancel != cancelUnwanted {
		l.sendCancel(out)
		return
	}
	if l.state == legOver {
		return
	}
	if !out.initial {
		if out.waitC == nil { // or an answer that never comes would keep all further offers waiting
			out.waitC = l.after(timerC, func() { l.cancel(out, nil) })
		}
		return
	}
	tag := res.ToTag
	l.outline.Forked(tag)
	if !l.prack(out, res) {
		return
	}
	if res.StatusCode > 100 || out.waitC == nil { // 100 starts it, but only what tells of progress starts it anew
		out.stop()
		out.waitC = l.after(timerC, func() {
			l.report(out, Failed{Code: 408, Reason: "no answer", Local: true, Err: siptx.ErrTimeout})
			l.cancel(out, nil)
		})
	}
	l.emit(Progress{Code: res.StatusCode, Reason: res.Reason, Body: res.Body,
		ContentType: res.ContentType, Headers: res.Headers})
}

// inviteOK is a 2xx: the first one builds the dialog, one with the same tag is a retransmission, one with another tag is a fork
// that is not wanted any more (13.2.2.4). d is the dialog as far as it was before, which is the leg's own when one is confirmed.
func (l *Leg) inviteOK(out *outbound, res *sipmsg.Response, d *sipdialog.Dialog) {
	key := ackKey{d.Phone, res.ToTag}
	if a, ok := out.acks[key]; ok {
		if flow, err := l.g.Flow(a.where); a.raw != nil && err == nil {
			l.g.AcknowledgeAgain(res.Source.Addr(), flow, a.raw)
		}
		return
	}
	if out.state == inviteAnswered {
		if len(out.acks) <= siptx.MaxForks {
			l.endFork(out, res, *d)
		}
		return
	}
	out.state = inviteAnswered
	out.stop()
	l.account.auth.Accepted()
	if out.initial {
		l.confirmed(out, res)
	} else {
		l.dialog.Refresh(&res.Message)
	}
	out.acks[key] = ack{}
	unwanted := out.initial && (out.cancel != cancelUnwanted || out.hungUp || l.state == legOver)
	if unwanted {
		l.acknowledge(out, res, nil, "")
		l.state = legConfirmed
		if out.hungUp {
			l.finish()
		} else {
			l.hangUp(out.cancelHeader) // it crossed our CANCEL
		}
		l.report(out, Failed{Code: 487, Reason: "Request Terminated"})
		return
	}
	if l.state == legOver {
		l.acknowledge(out, res, nil, "") // a re-INVITE that crossed a BYE
		return
	}
	if out.initial {
		l.enter(legConfirmed)
	}
	out.reported = true
	if len(out.body) == 0 {
		out.answer = res // the call's answer goes into the ACK
	} else {
		l.out = nil
		l.acknowledge(out, res, nil, "")
		if !out.initial {
			l.offers.last = out.body
		}
	}
	l.sessionAgreed(res)
	if out.refresh {
		l.refreshed()
	} else {
		l.emit(Answered{Body: res.Body, ContentType: res.ContentType, Reinvite: !out.initial,
			Headers: res.Headers})
	}
	l.next()
}

// Ack sends the ACK of an Answered that came without an offer of ours, with our answer in it.
func (l *Leg) Ack(body []byte) {
	out := l.out
	if out == nil || out.answer == nil {
		return
	}
	res := out.answer
	out.answer, l.out = nil, nil
	l.says(body)
	l.acknowledge(out, res, body, "")
	l.next()
}

// inviteRefused is a 3xx to 6xx.
func (l *Leg) inviteRefused(out *outbound, req *sip.Request, res *sipmsg.Response) {
	out.stop()
	code := res.StatusCode
	wanted := out.cancel == cancelUnwanted && !out.hungUp && l.state != legOver && out.tries < maxTries
	switch {
	case wanted && (code == 401 || code == 407) && l.challenged(res):
		out.tries++
		l.dialog.LocalSeq++
		l.invite(out, l.account.auth.Credentials(string(sip.INVITE), req.Recipient.String(), out.body))
		return
	case wanted && code == 422 && l.session.Longer(res):
		out.tries++
		l.dialog.LocalSeq++
		l.invite(out, nil)
		return
	case wanted && code == 491 && !out.initial && out.glares < maxGlares:
		out.glares++
		out.tx, out.state = nil, inviteGlared
		l.after(l.glareWait(), func() { l.retry(out) })
		return
	}
	f := rejection(res)
	if code == 503 && out.initial && out.phones == nil && out.cancel == cancelUnwanted {
		l.overloaded(out, f)
	}
	if out.initial && out.tries > 0 && (code == 401 || code == 403 || code == 407) {
		l.health().Disowned(l.iface.ID(), out.identity)
	}
	l.inviteFailed(out, f)
}

// inviteFailed ends an INVITE of ours: the first one ends the leg, a re-INVITE only when the dialog is gone.
func (l *Leg) inviteFailed(out *outbound, f Failed) {
	out.stop()
	if out.initial {
		if out.cancel != cancelUnwanted && f.Local {
			f = Failed{Code: 487, Reason: "Request Terminated", Local: true, Err: f.Err}
		}
		l.finish()
		l.report(out, f)
		return
	}
	if l.out == out {
		l.out = nil
	}
	if l.state == legOver {
		return
	}
	if f.Code == 481 || f.Code == 408 {
		l.die(f.Code, "re-INVITE: "+f.Reason) // 12.2.1.2
		return
	}
	if f.Reinvite = true; !out.refresh {
		l.report(out, f)
	} else {
		l.stack.log.Warn("session refresh refused", "gw", l.g.name, "leg", l.dialog.CallID, "code", f.Code, "err", f.Err)
		l.refreshLater(f.RetryAfter)
	}
	l.next()
}

// report tells the owner how an INVITE ended, once.
func (l *Leg) report(out *outbound, f Failed) {
	if !out.reported {
		out.reported = true
		l.emit(f)
	}
}

// Cancel gives up an INVITE of ours that has no final response yet. A 200 that crosses it is acknowledged and ended.
// Events still come: Failed with 487 as a rule; the owner need not wait for it.
func (l *Leg) Cancel(h ...sipmsg.Header) {
	if l.state == legInviting {
		l.cancel(l.out, h)
	}
}

func (l *Leg) cancel(out *outbound, h []sipmsg.Header) {
	if out.cancel != cancelUnwanted || out.state == inviteAnswered {
		return
	}
	if err := sipmsg.CheckHeaders(h); err != nil {
		l.stack.log.Error("header left out", "gw", l.g.name, "err", err)
		h = nil
	}
	out.cancel, out.cancelHeader = cancelWanted, h
	switch {
	case out.initial && out.phones != nil:
		l.verdict(out, out.phones.GiveUp(h))
	case out.state == inviteProceeding:
		l.sendCancel(out)
	case out.tx == nil:
	case out.tx.Withdraw(): // what was never sent needs no CANCEL
		l.inviteFailed(out, Failed{Code: 487, Reason: "Request Terminated", Local: true})
	default:
		l.health().Suspect(l.iface.ID()) // given up without any answer: is the peer there at all?
	}
}

// sendCancel sends the CANCEL; without a final response after 64*T1 the INVITE is given up (9.1).
func (l *Leg) sendCancel(out *outbound) {
	if out.cancel == cancelSent || out.tx == nil {
		return
	}
	out.cancel = cancelSent
	out.stop()
	out.tx.Cancel(out.cancelHeader)
	out.guard = l.after(siptx.Timeout, func() {
		out.tx.Abort()
		l.inviteFailed(out, Failed{Code: 487, Reason: "Request Terminated", Local: true, Err: siptx.ErrTimeout})
	})
}
