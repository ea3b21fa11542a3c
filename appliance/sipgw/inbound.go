package sipgw

import (
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// inbound is an INVITE of the peer: the first one, or a re-INVITE.
type inbound struct {
	tx       *siptx.Server
	seq      uint32
	initial  bool
	answered time.Time
	rel      *reliable // nil: provisional responses need no PRACK
	early    bool      // a provisional response has begun what only this box can go on with
	ok       []byte    // our 2xx, repeated until its ACK comes
	interval time.Duration
	repeat   *time.Timer
	giveUp   *time.Timer
}

func (in *inbound) stop() {
	for _, t := range []*time.Timer{in.repeat, in.giveUp} {
		if t != nil {
			t.Stop()
		}
	}
}

// incoming makes a leg of an INVITE that begins a call; it runs in the read loop.
func (g *gateway) incoming(tx *siptx.Server) {
	c, req := g.Conf(), tx.Req
	i := g.InterfaceOf(tx.From.Source.Addr())
	contact := targetOf(req)
	switch {
	case i == nil:
		g.answer(tx, 403, nil)
		return
	case contact == "":
		g.refuse(req, tx.From, &sipmsg.Fault{Code: 400, Reason: "Missing or malformed Contact"})
		return
	}
	urgent := urgentCall(c.Config, i, req)
	if ofPhones(i) && !urgent && !g.AllowsRequest(tx.From.Source.Addr()) {
		g.surplus(req, tx.From, "too many requests of this source")
		return
	}
	identity, ok := g.admit(tx, i, urgent)
	if !ok {
		return
	}
	if why := g.RefusesCall(tx.From.Source.Addr(), urgent, identity != ""); why != "" {
		g.surplus(req, tx.From, why)
		return
	}
	if least := sipdialog.TooShort(req); least != "" {
		g.answer(tx, 422, []sipmsg.Header{{Name: "Min-SE", Value: least}})
		return
	}
	if req.Requires("100rel") && i.Teams() {
		g.refuse(req, tx.From, &sipmsg.Fault{Code: 420, Headers: []sipmsg.Header{{Name: "Unsupported", Value: "100rel"}}})
		return
	}
	replaced, f := g.replaced(req, tx.From.Origin(), i, identity)
	if f == nil && replaced == nil && g.stack.hops(req.CallID) > maxHops {
		f = &sipmsg.Fault{Code: 482}
	}
	if f != nil {
		g.refuse(req, tx.From, f)
		return
	}
	g.begins(tx, i, contact, &Incoming{Interface: i.ID(), Identity: identity, Request: req, Replaces: replaced, Hops: g.stack.hops(req.CallID)}, urgent)
}

// begins makes the leg of an INVITE that passed all checks, and hands it over.
func (g *gateway) begins(tx *siptx.Server, i *config.SIPInterface, contact string, in *Incoming, urgent bool) {
	req := tx.Req
	l := g.newLeg(tx, i, contact)
	if in.Leg = l; !g.legs.Add(l.dialog.CallID, l.dialog.LocalTag, l) {
		g.refuse(req, tx.From, &sipmsg.Fault{Code: 503, Reason: "Service Unavailable"})
		return
	}
	l.counted = g.NewCall(tx.From.Source.Addr(), urgent, func() { l.post(l.giveUp) })
	tx.OnCancel(func(reason string) { l.post(func() { l.cancelled(reason) }) })

	tx.Open()
	tx.Respond(100, g.responseTo(req, 100, "", "", nil, "", nil)) // at once: Teams counts from here (A.37)
	came := time.Now()
	g.stack.overload.Came(came)
	if f := g.stack.opts.OnInvite; f != nil {
		f(in)
	}
	if early, untaken := l.ownership.Abandon(); untaken {
		l.Reject(500, "") // nothing, when OnInvite has rejected it
		for _, f := range early {
			l.post(f)
		}
	}
	l.post(func() { g.stack.overload.Handled(came, time.Now()) })
}

// targetOf is the remote target that an INVITE names; "": none.
func targetOf(req *sipmsg.Request) string {
	if c := req.Target(); c != "" || req.Via.Cookie() || len(req.Contacts) > 0 {
		return c
	}
	return req.From.URI // RFC 2543 asked for none
}

// newLeg is the leg of an INVITE that came in.
func (g *gateway) newLeg(tx *siptx.Server, i *config.SIPInterface, contact string) *Leg {
	c, req := g.Conf(), tx.Req
	side := c.At(tx.From.Flow.Transport(), tx.From.Local.Addr())
	l := &Leg{stack: g.stack, g: g, iface: i, incoming: true, state: legRinging, here: side.Listens(tx.From.Flow.Transport()),
		pending: map[RequestID]*siptx.Server{}}
	user := ""
	if u := sipmsg.SplitURI(req.URI); u.Scheme != "tel" {
		user = u.User
	}
	l.dialog.Began(tx)
	if ofPhones(i) {
		phone := tx.From.Phone()
		l.dialog.Phone = &phone
		l.outline.Phones(tx.From.Origin())
	}
	l.dialog.Target, l.dialog.Contact = contact, "<"+side.Contact(user, l.dialog.Transport)+">"
	l.account = accountOf(c, i, req.To.User())
	l.in = &inbound{tx: tx, seq: req.Seq, initial: true, rel: newReliable(req)}
	l.outline.AnsweredBy(tx.From.Source.Addr())
	l.begin(tx.From.Source.String() + "/" + l.dialog.Transport.String())
	return l
}

// urgentCall reports whether an INVITE is for an emergency number, which no limit of ours refuses. One that takes over another call (Replaces)
// calls nobody.
func urgentCall(cfg *config.Config, i *config.SIPInterface, req *sipmsg.Request) bool {
	return cfg.SwitchOf(i).IsEmergency(sipmsg.SplitURI(req.URI).User) && len(req.Headers("Replaces")) == 0
}

// Provisional sends 180, 181 or 183; body may be nil.
func (l *Leg) Provisional(code int, reason string, body []byte, h ...sipmsg.Header) {
	if l.state != legRinging || code < 101 || code > 199 {
		return
	}
	in := l.in
	if in.early = in.early || in.rel != nil || len(body) > 0; in.rel != nil {
		l.reliably(in, code, reason, body, h)
		return
	}
	m := l.respond(in.tx, code, reason, body, "", append(l.dialogHeaders(&l.dialog), h...))
	in.stop()
	// A proxy on the way gives up after three minutes of silence (13.3.1.1).
	in.repeat = l.after(time.Minute, func() { l.ringOn(in, code, m) })
}

func (l *Leg) ringOn(in *inbound, code int, m []byte) {
	if l.state == legRinging {
		in.tx.Respond(code, m)
		in.repeat = l.after(time.Minute, func() { l.ringOn(in, code, m) })
	}
}

// Answer accepts the call with 200 and sees to it that the 200 arrives; a missing ACK ends the leg after 64*T1 (Ended).
func (l *Leg) Answer(body []byte, h ...sipmsg.Header) {
	if l.state != legRinging || l.in.rel.waits(func() { l.Answer(body, h...) }) {
		return
	}
	l.enter(legAnswered)
	if rel := l.in.rel; rel != nil && rel.renewed != nil {
		body = rel.renewed
	}
	l.accept(body, h)
}

// accept sends the 2xx to the INVITE that waits and repeats it until its ACK comes (13.3.1.4).
func (l *Leg) accept(body []byte, h []sipmsg.Header) {
	in := l.in
	in.stop()
	l.says(body)
	all := append(l.dialogHeaders(&l.dialog), sipmsg.Header{Name: "Supported", Value: l.extensions()})
	all = append(append(all, l.sessionAccept(in.tx.Req)...), h...)
	in.ok = l.respond(in.tx, 200, "", body, "", all)
	in.answered, in.interval = time.Now(), siptx.T1
	if in.initial && !in.tx.From.Flow.Reliable() {
		l.counted.WaitsForACK()
	}
	in.repeat = l.after(siptx.T1, func() { l.repeatOK(in) })
	in.giveUp = l.after(siptx.Timeout, func() { l.unacknowledged(in) })
}

func (l *Leg) repeatOK(in *inbound) {
	if l.in != in {
		return
	}
	in.tx.Respond(200, in.ok)
	in.interval = min(2*in.interval, siptx.T2)
	in.repeat = l.after(in.interval, func() { l.repeatOK(in) })
}

// unacknowledged is the time for an ACK being over: the peer may think that there is no call, so there is none (13.3.1.4).
func (l *Leg) unacknowledged(in *inbound) {
	if l.in != in {
		return
	}
	in.stop()
	l.in = nil
	if l.state == legAnswered {
		l.enter(legConfirmed)
	}
	l.die(408, "no ACK")
}

// unackedAtLeast is how long an ACK is waited for in any case.
const unackedAtLeast = 3 * time.Second

// giveUp makes room for calls of the same sender: the 200 to this one still waits for its ACK.
func (l *Leg) giveUp() {
	if in := l.in; in != nil && in.initial && in.ok != nil && time.Since(in.answered) >= unackedAtLeast {
		l.unacknowledged(in)
	}
}

// acknowledged is an ACK in the dialog.
func (l *Leg) acknowledged(req *sipmsg.Request) {
	in := l.in
	if l.state == legOver || in == nil || in.ok == nil || req.Seq != in.seq || req.FromTag != l.dialog.RemoteTag {
		return // late, or of a stranger who does not know the dialog (12.2.2)
	}
	in.stop()
	l.in = nil
	in.tx.Finish()
	if in.initial {
		l.counted.Acknowledged(true)
	}
	if l.state == legAnswered {
		l.enter(legConfirmed)
		if bye := l.byeWanted; bye != nil {
			l.byeWanted = nil
			l.Bye(bye...)
			return
		}
	}
	l.emit(Acked{Body: req.Body, ContentType: req.ContentType})
	l.next()
}

// Reject refuses the call with a 3xx to 6xx.
func (l *Leg) Reject(code int, reason string, h ...sipmsg.Header) {
	if l.state != legRinging || code < 300 {
		return
	}
	tx := l.in.tx
	l.finish()
	l.respond(tx, code, reason, nil, "", h)
}

// cancelled is a CANCEL for the first INVITE.
func (l *Leg) cancelled(reason string) {
	if l.state != legRinging {
		return // our final response crossed it
	}
	tx := l.in.tx
	l.finish()
	l.respond(tx, 487, "", nil, "", nil)
	l.emit(Cancelled{Reason: reason})
}

// request is a request of the peer in the dialog.
func (l *Leg) request(tx *siptx.Server) {
	req := tx.Req
	if l.state == legOver {
		code := 481
		if req.Method == sip.BYE {
			code = 200 // it crossed ours
		}
		l.respond(tx, code, "", nil, "", nil)
		return
	}
	d, early := &l.dialog, (*fork)(nil)
	switch tag := req.FromTag; {
	case l.state == legInviting && req.Method == sip.BYE: // its 200 may still be on its way, and the tag be new
	case l.state == legInviting:
		if early = l.fork(tag); early == nil || early.Phone != nil && early.Phone.Addr.Addr() != tx.From.Source.Addr() {
			l.respond(tx, 481, "", nil, "", nil)
			return
		}
		d = &early.Dialog
	case tag != l.dialog.RemoteTag:
		l.respond(tx, 481, "", nil, "", nil)
		return
	}
	seq := req.Seq
	if seq < d.RemoteSeq {
		l.respond(tx, 500, "CSeq out of order", nil, "", nil) // 12.2.2
		return
	}
	if d.Phone != nil && (early != nil || l.state != legInviting) {
		if now := tx.From.Phone(); *d.Phone != now {
			*d.Phone = now
			l.refreshed()
		}
	}
	if l.handle(tx, d, early); !tx.Refused() {
		d.RemoteSeq = seq // a request that was refused at once leaves no trace
	}
}

// handle is a request in the dialog d whose tags and CSeq are in order.
func (l *Leg) handle(tx *siptx.Server, d *sipdialog.Dialog, early *fork) {
	if m := l.stack.methods.find(tx.Req.Method); m != nil && m.inDialog != nil {
		m.inDialog(l, tx, d, early)
	} else {
		l.notAllowed(tx)
	}
}

// capabilities answers OPTIONS.
func (l *Leg) capabilities(tx *siptx.Server, _ *sipdialog.Dialog, _ *fork) {
	l.respond(tx, 200, "", nil, "", append(l.dialogHeaders(&l.dialog), sipmsg.Header{Name: "Accept", Value: acceptedBodies}, sipmsg.Header{Name: "Supported", Value: l.extensions()}))
}

// informed is an INFO.
func (l *Leg) informed(tx *siptx.Server, _ *sipdialog.Dialog, _ *fork) {
	l.ask(tx, Info{ID: RequestID(tx.Key), ContentType: tx.Req.ContentType, Body: tx.Req.Body})
}

// ask hands a request to the call, which answers it with Respond.
func (l *Leg) ask(tx *siptx.Server, e Event) {
	l.pending[RequestID(tx.Key)] = tx
	l.emit(e)
}

// hungUp is a BYE.
func (l *Leg) hungUp(tx *siptx.Server, _ *sipdialog.Dialog, _ *fork) {
	reason := tx.Req.Header("Reason")
	l.respond(tx, 200, "", nil, "", nil)
	switch l.state {
	case legRinging:
		l.cancelled(reason)
	case legInviting:
		if l.out.phones != nil {
			l.hungUpEarly(l.out, tx)
			return
		}
		// It overtook the 200 to our INVITE, which came on another connection; that one is acknowledged when it comes.
		l.out.hungUp = true
		l.report(l.out, Failed{Code: 487, Reason: "hung up before the answer", Text: reason})
	default:
		l.finish()
		l.emit(Ended{Reason: reason})
	}
}

// referred is a REFER.
func (l *Leg) referred(tx *siptx.Server, _ *sipdialog.Dialog, _ *fork) {
	to := tx.Req.Headers("Refer-To")
	switch {
	case !acceptsTransfers(l.iface):
		l.notAllowed(tx)
	case len(to) != 1 || strings.TrimSpace(to[0]) == "":
		l.respond(tx, 400, "Refer-To is not there once", nil, "", nil)
	case l.state != legConfirmed && l.state != legAnswered:
		l.respond(tx, 603, "", nil, "", nil)
	default:
		l.ask(tx, Refer{ID: RequestID(tx.Key), ReferTo: to[0], ReferredBy: tx.Req.Header("Referred-By"), Seq: tx.Req.Seq,
			Quiet: strings.EqualFold(tx.Req.Header("Refer-Sub"), "false")})
	}
}
