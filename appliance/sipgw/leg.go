package sipgw

import (
	"net/netip"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/siplegs"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// Leg is one SIP dialog of a call, or the attempt at one. All methods are to be called on its owner's goroutine; those that
// make no sense in the present state do nothing, so that a call may hang up without asking.
//
// A leg outlives its owner where SIP wants it to: a 200 that crosses its CANCEL is still acknowledged and ended, a BYE still
// retransmitted. It then runs on the stack's own loop.
type Leg struct {
	stack    *Stack
	g        *gateway // nil: the interface had no gateway, and the leg has ended
	iface    *config.SIPInterface
	incoming bool
	counted  *siptransport.Call // an incoming one, for its sender
	here     netip.AddrPort     // where the peer reaches us; the address is for its media, too; zero: none

	info      LegInfo
	ownership siplegs.Ownership[Owner]
	outline   siplegs.Outline

	dialog    sipdialog.Dialog
	state     legState
	byeWanted []sipmsg.Header // hang up as soon as the ACK comes, or the last NOTIFY has been answered; nil: no
	turns     turns

	in      *inbound  // the peer's INVITE that waits for our response or its ACK
	out     *outbound // our INVITE that waits for its final response or our ACK
	offers  offers
	pending map[RequestID]*siptx.Server
	waiting []hop // requests that wait for a name to be resolved, in their order
	account account
	session session
}

// account answers the challenges of the peer.
type account struct {
	auth     *sipmsg.Authenticator // nil: nothing is answered
	identity string                // whose it is
}

// offers are the descriptions of ourselves.
type offers struct {
	queued []func() []byte // of Reinvite, which wait for the others to end
	last   []byte          // what we said last: a session refresh says it again
}

// LocalAddr is the address of the box towards the peer: media goes the same way.
func (l *Leg) LocalAddr() netip.Addr { return l.here.Addr() }

type legState = siplegs.State

const (
	legRinging   = siplegs.Ringing
	legAnswered  = siplegs.Answered
	legInviting  = siplegs.Inviting
	legConfirmed = siplegs.Confirmed
	legOver      = siplegs.Over
)

// after runs f on the owner's goroutine in d, unless the leg has ended by then.
func (l *Leg) after(d time.Duration, f func()) *time.Timer {
	t := time.AfterFunc(d, func() {
		l.post(func() {
			if l.state != legOver {
				f()
			}
		})
	})
	return t
}

// enter changes the state, for others too.
func (l *Leg) enter(s legState) {
	if l.incoming && l.state == legRinging && s != legRinging {
		l.counted.Decided()
	}
	l.state = s
	l.outline.Entered(s, l.dialog.RemoteTag, l.dialog.Routes)
}

// finish ends the leg: nothing is pending any more. Its dialog stays known for a moment, see bury.
func (l *Leg) finish() {
	if l.state == legOver {
		return
	}
	refused := l.state == legRinging
	l.enter(legOver)
	l.session.stop()
	if l.incoming {
		l.counted.Acknowledged(false)
	}
	if l.in != nil {
		l.in.stop()
		if l.in.ok != nil {
			l.in.tx.Finish()
		}
	}
	if l.out != nil {
		l.out.stop()
		if tx := l.out.tx; !l.out.initial && tx != nil {
			tx.Withdraw() // a re-INVITE that still waits for its connection would come after the end of the dialog
		}
	}
	for id, tx := range l.pending {
		delete(l.pending, id)
		code := 481
		if tx.Invite {
			code = 487
		}
		l.respond(tx, code, "", nil, "", nil)
	}
	l.endTurns()
	if refused {
		l.g.dropLeg(l) // there was no dialog
		return
	}
	l.g.bury(l)
}

// Info tells about the leg. It may be called from any goroutine.
func (l *Leg) Info() LegInfo { return l.info }

// named is how a peer is shown.
func named(t siptransport.Target) string { return t.String() + "/" + t.Transport.String() }

// begin fills in what others may ask, before they know the leg.
func (l *Leg) begin(peer string) {
	l.info = LegInfo{CallID: l.dialog.CallID, Interface: l.iface.ID(), Peer: peer}
	l.outline.Entered(l.state, l.dialog.RemoteTag, l.dialog.Routes)
}

// Bye hangs up, whatever the state: an established leg with BYE, an outgoing one that is not answered with CANCEL, an incoming
// one with 480. No event need be waited for.
func (l *Leg) Bye(h ...sipmsg.Header) {
	switch l.state {
	case legRinging:
		l.Reject(480, "", h...)
	case legInviting:
		l.Cancel(h...)
	case legAnswered:
		// RFC 3261 15: not before the ACK, or before its time has run out.
		if l.byeWanted == nil {
			l.byeWanted = append([]sipmsg.Header{}, h...)
		}
	case legConfirmed:
		if l.turns.Notifies() {
			if l.byeWanted == nil {
				l.byeWanted = append([]sipmsg.Header{}, h...)
			}
			return
		}
		l.hangUp(h)
	}
}

// hangUp sends BYE and ends the leg.
func (l *Leg) hangUp(h []sipmsg.Header) {
	if l.state == legOver {
		return
	}
	if l.out != nil && l.out.answer != nil {
		l.acknowledge(l.out, l.out.answer, nil, "") // the answer that we asked for and no longer want
	}
	l.finish()
	l.transact(&l.dialog, sip.BYE, "", nil, h, func(*sipmsg.Response, error) {})
}

// Respond answers an Offered, Info or Refer.
func (l *Leg) Respond(id RequestID, code int, reason string, body []byte, h ...sipmsg.Header) {
	tx := l.pending[id]
	if tx == nil {
		return
	}
	switch {
	case tx.Invite && code >= 200 && code < 300:
		delete(l.pending, id)
		l.accept(body, h)
	case tx.Invite || tx.Req.Method == sip.UPDATE && code/100 == 2:
		if code >= 200 {
			delete(l.pending, id)
		}
		if code/100 == 2 {
			l.says(body)
			if l.state != legRinging && l.state != legInviting { // the timer begins with the 2xx to the INVITE
				h = append(h, l.sessionAccept(tx.Req)...)
			}
		}
		if tx.Invite && code >= 300 {
			l.in = nil
		}
		l.respond(tx, code, reason, body, "", append(l.dialogHeaders(&l.dialog), h...))
		l.next()
	default:
		delete(l.pending, id)
		if tx.Req.Method == sip.PRACK && code/100 == 2 {
			l.says(body)
		}
		if tx.Req.Method == sip.REFER && code/100 == 2 {
			h = append(l.dialogHeaders(&l.dialog), h...) // it begins a subscription (RFC 3515 2.4.1)
		}
		l.respond(tx, code, reason, body, "", h)
		if tx.Req.Method == sip.PRACK && l.in != nil && l.in.rel != nil {
			l.in.rel.goOn(body)
		}
	}
}

// says notes what we have said of ourselves, if body holds that.
func (l *Leg) says(body []byte) {
	if len(body) > 0 {
		l.offers.last = body
	}
}

// respond sends a response with our tag.
func (l *Leg) respond(tx *siptx.Server, code int, reason string, body []byte, contentType string, h []sipmsg.Header) []byte {
	if err := sipmsg.CheckHeaders(h); err != nil {
		l.stack.log.Error("header left out", "gw", l.g.name, "err", err)
	}
	m := l.g.responseTo(tx.Req, code, reason, tx.ToTag, body, contentType, h)
	tx.Respond(code, m)
	return m
}

// dialogHeaders are those of every response to INVITE and UPDATE that may build or refresh a dialog.
func (l *Leg) dialogHeaders(d *sipdialog.Dialog) []sipmsg.Header {
	return []sipmsg.Header{{Name: "Contact", Value: d.Contact}, {Name: "Allow", Value: l.allow()}}
}

// die ends an established leg because its dialog is no more.
func (l *Leg) die(code int, why string) {
	if l.state != legConfirmed && l.state != legAnswered {
		return
	}
	l.stack.log.Warn("dialog ended", "gw", l.g.name, "if", l.iface.ID(), "leg", l.dialog.CallID, "code", code, "err", why)
	if code == 481 {
		l.finish()
	} else {
		l.hangUp([]sipmsg.Header{reasonOf(code, why)})
	}
	l.emit(Ended{Reason: why, Code: code})
}

// reasonOf is a Reason header (RFC 3326).
func reasonOf(code int, why string) sipmsg.Header {
	return sipmsg.Header{Name: "Reason", Value: "SIP;cause=" + itoa(code) + ";text=" + sipmsg.Quote(why)}
}
