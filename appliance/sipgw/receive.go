package sipgw

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/sipcount"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// received handles one message in the read loop of its socket or connection. head and body are the reader's buffer.
func (g *gateway) received(head, body []byte, f sipmsg.Framing, a siptransport.Arrival) {
	m := sipmsg.Parse(head, body, f, a.Source)
	switch {
	case m.Response != nil:
		g.response(m.Response, a)
	case m.Request == nil:
		g.Counters.Malformed.Add(1)
		g.Repeats.Log(slog.LevelInfo, "malformed message", a.Source.Addr().String(), "", "gw", g.name, "peer", a.Source, "err", m.Err)
		g.Dropped(a.Flow.Transport(), a.Source, a.Local, m.Head, fmt.Sprint("malformed: ", m.Err))
	case !a.Trusted:
		g.forbid(m.Request, a)
	case m.Fault != nil:
		g.Counts(a.Source.Addr()).Request(sipcount.Received, string(m.Request.Method))
		g.refuse(m.Request, a, m.Fault)
	default:
		g.Counts(a.Source.Addr()).Request(sipcount.Received, string(m.Request.Method))
		g.Counters.Requests.Add(1)
		if i := g.InterfaceOf(a.Source.Addr()); i != nil && !ofPhones(i) {
			g.stack.health.Heard(i.ID(), a.Source.Addr())
		}
		g.request(m.Request, a)
	}
}

// ofPhones reports whether the peers of an interface are phones; nil is none.
func ofPhones(i *config.SIPInterface) bool { return i != nil && !i.Phones.IsZero() }

// admit asks who sends a request by an interface of phones. False: it has been answered. Nothing is kept of one that is challenged or refused.
func (g *gateway) admit(tx *siptx.Server, i *config.SIPInterface, urgent bool) (identity string, ok bool) {
	if !ofPhones(i) {
		return "", true
	}
	identity, f := g.stack.opts.Phones.Admit(i, tx.Req, tx.From, urgent)
	switch {
	case f == nil:
		return identity, true
	case f.Code == 401 || f.Code == 407:
		g.reply(tx.From, tx.Req, g.responseTo(tx.Req, f.Code, f.Reason, sipmsg.Token(8), nil, "", f.Headers))
	default:
		g.refuse(tx.Req, tx.From, f)
	}
	return "", false
}

// forbid answers a stranger's request where answer-untrusted-hosts is set.
func (g *gateway) forbid(req *sipmsg.Request, a siptransport.Arrival) {
	g.Counters.Untrusted.Add(1)
	if g.Conf().Gateway.AnswerUntrusted && req.Method != sip.ACK {
		g.reply(a, req, g.responseTo(req, 403, "", sipmsg.Token(8), nil, "", nil))
	}
}

// refuse answers a malformed request, without a transaction.
func (g *gateway) refuse(req *sipmsg.Request, a siptransport.Arrival, f *sipmsg.Fault) {
	g.Counters.Refused.Add(1)
	g.Repeats.Log(slog.LevelInfo, "request refused", a.Source.Addr().String(), f.Reason, "gw", g.name, "peer", a.Source, "code", f.Code, "err", f.Reason)
	if req.Method != sip.ACK {
		g.reply(a, req, g.responseTo(req, f.Code, f.Reason, sipmsg.Token(8), nil, "", f.Headers))
	}
}

// surplus refuses a request beyond a limit, and keeps nothing of it.
func (g *gateway) surplus(req *sipmsg.Request, a siptransport.Arrival, why string) {
	g.Counters.Surplus.Add(1)
	g.Repeats.Log(slog.LevelWarn, "request refused", a.Source.Addr().String(), why, "gw", g.name, "peer", a.Source, "code", 503, "err", why)
	g.reply(a, req, g.responseTo(req, 503, "", sipmsg.Token(8), nil, "", []sipmsg.Header{{Name: "Retry-After", Value: "1"}}))
}

// reply sends a response to a request that has no transaction.
func (g *gateway) reply(a siptransport.Arrival, req *sipmsg.Request, m []byte) {
	g.Back(a, req).Send(m)
}

// response matches a response with its client transaction; one without is a late retransmission and dropped.
func (g *gateway) response(res *sipmsg.Response, a siptransport.Arrival) {
	if !res.Check() {
		g.Counters.Malformed.Add(1)
		return
	}
	g.Counts(a.Source.Addr()).Response(sipcount.Received, res.StatusCode)
	tx := g.transactions.Asked(res)
	var settled *siptx.Settled
	var asked siptransport.Origin
	if tx != nil {
		asked = tx.Asked()
	} else if settled = g.transactions.Settled(res); settled != nil {
		asked = settled.Asked()
	} else {
		g.straggler(res, a)
		return
	}
	if !g.Kin(asked, a.Origin()) {
		g.Counters.Refused.Add(1)
		g.Repeats.Log(slog.LevelInfo, "response ignored", a.Source.Addr().String(), "", "gw", g.name, "peer", a.Source, "err", "it comes from a peer that was not asked")
		return
	}
	if settled != nil {
		g.transactions.Receive(settled, res)
		return
	}
	tx.Receive(res)
}

// request matches a request with its transaction or dialog.
func (g *gateway) request(req *sipmsg.Request, a siptransport.Arrival) {
	switch req.Method {
	case sip.ACK:
		g.acknowledged(req, a)
		return
	case sip.CANCEL:
		g.cancel(req, a)
		return
	}
	key := siptx.Key(req, string(req.Method))
	var known interface{ Again() }
	var from siptransport.Origin
	if tx, f := g.transactions.Find(key); tx != nil {
		known, from = tx, tx.From.Origin()
	} else if f != nil {
		known, from = f, f.From
	}
	switch {
	case known == nil:
	case g.Kin(from, a.Origin()):
		g.Counts(a.Source.Addr()).Repeated(sipcount.Received)
		known.Again()
		return
	default:
		g.intruder(req, a)
		return
	}
	dialog := req.ToTag
	if dialog == "" && req.Method == sip.INVITE && g.sheds(req, a, key) {
		return
	}
	if f := req.Check(g.stack.methods.understood); f != nil {
		g.refuse(req, a, f)
		return
	}
	// A request of a call has a limit of its own, and an INVITE is counted as a call.
	if dialog == "" && req.Method != sip.INVITE && !g.AllowsRequest(a.Source.Addr()) {
		g.surplus(req, a, "too many requests of this source")
		return
	}
	if i := g.InterfaceOf(a.Source.Addr()); dialog == "" && req.Method == sip.OPTIONS && i != nil && g.stack.opts.Silent(i.ID()) {
		return
	}
	tx := g.transactions.NewServer(key, req, a)
	if dialog != "" {
		g.inDialog(tx, dialog)
		return
	}
	if first, merged := tx.Merged(); merged && g.Kin(first, a.Origin()) {
		old := tx.Replaced()
		if old == nil {
			g.refuse(req, a, &sipmsg.Fault{Code: 482})
			return
		}
		old.Cancelled("")
	}
	g.outOfDialog(tx)
}

// acknowledged is an ACK: of a 3xx to 6xx it belongs to the transaction, of a 2xx to the dialog.
func (g *gateway) acknowledged(req *sipmsg.Request, a siptransport.Arrival) {
	if req.Check(g.stack.methods.understood) != nil {
		return
	}
	if _, f := g.transactions.Find(siptx.Key(req, "INVITE")); f != nil && g.Kin(f.From, a.Origin()) && g.transactions.Acknowledged(f) {
		return
	}
	if leg := g.legs.Find(req.CallID, req.ToTag); leg != nil && leg.heeds(a.Origin()) {
		leg.post(func() { leg.acknowledged(req) })
	}
}

// cancel is a CANCEL: it is answered here, and its INVITE's leg is told (RFC 3261 9.2).
func (g *gateway) cancel(req *sipmsg.Request, a siptransport.Arrival) {
	if f := req.Check(g.stack.methods.understood); f != nil {
		g.refuse(req, a, f)
		return
	}
	tx, late := g.transactions.Find(siptx.Key(req, "INVITE"))
	var from siptransport.Origin
	var tag string
	switch {
	case tx != nil:
		from, tag = tx.From.Origin(), tx.ToTag
	case late != nil:
		from, tag = late.From, late.ToTag
	default:
		g.reply(a, req, g.responseTo(req, 481, "", sipmsg.Token(8), nil, "", nil))
		return
	}
	if !g.Kin(from, a.Origin()) {
		g.intruder(req, a)
		return
	}
	g.reply(a, req, g.responseTo(req, 200, "", tag, nil, "", nil))
	if tx != nil {
		tx.Cancelled(req.Header("Reason"))
	}
}

// inDialog hands a request to the leg whose dialog it names.
func (g *gateway) inDialog(tx *siptx.Server, tag string) {
	leg := g.legs.Find(tx.Req.CallID, tag)
	tx.ToTag = strings.Clone(tag) // not the whole message
	if leg == nil {
		if !g.AllowsRequest(tx.From.Source.Addr()) {
			g.surplus(tx.Req, tx.From, "too many requests of this source")
			return
		}
		if g.stack.methods.find(tx.Req.Method).stray {
			g.outOfDialog(tx)
			return
		}
		g.answer(tx, 481, nil)
		return
	}
	if !leg.heeds(tx.From.Origin()) {
		g.intruder(tx.Req, tx.From)
		return
	}
	if tx.Req.Method != sip.BYE && !leg.outline.Takes() {
		g.surplus(tx.Req, tx.From, "too many requests in one call")
		return
	}
	tx.Open()
	if tx.Invite {
		tx.Respond(100, g.responseTo(tx.Req, 100, "", "", nil, "", nil))
	}
	leg.post(func() { leg.request(tx) })
}

// responseTo builds a response to a request.
func (g *gateway) responseTo(req *sipmsg.Request, code int, reason, toTag string, body []byte, contentType string, h []sipmsg.Header) []byte {
	return sipmsg.RenderResponse(req, code, reason, toTag, g.stack.opts.UserAgent, body, contentType, h)
}

// A dialog and a transaction belong to the peer that they are with. All peers of a gateway are trusted, but not with each other's
// calls: a peer that has seen the tags or the branch of a message, on a shared LAN or in a log, must not be able to end a call, to take
// its audio, to move its CSeq or to answer for another peer.

// heeds reports whether x may speak in the leg's dialog: it is who answered or began it, or the leg's interface trusts it, or it is a
// proxy of the route set. A phone is nobody but itself. While
// several are asked each of them may speak. It is called in read loops.
func (l *Leg) heeds(x siptransport.Origin) bool {
	if asked, phones := l.outline.IsPhone(x); phones {
		return asked
	}
	if l.dialog.Transport.Secure() && !x.Transport.Secure() {
		return false
	}
	peer, proxies := l.outline.Speakers()
	return x.Addr == peer || l.g.TrustedFor(l.iface, x.Addr) || slices.ContainsFunc(proxies, func(route string) bool {
		return slices.Contains(l.g.Known(sipmsg.SplitURI(sipmsg.ParseNameAddr(route).URI).Host), x.Addr)
	})
}

// intruder refuses a request for a call or transaction of another peer. It changes nothing.
func (g *gateway) intruder(req *sipmsg.Request, a siptransport.Arrival) {
	g.refuse(req, a, &sipmsg.Fault{Code: 403, Reason: "Not Your Dialog"})
}
