package sipgw

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

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
		g.refuse(m.Request, a, m.Fault)
	default:
		g.Counters.Requests.Add(1)
		if i := g.InterfaceOf(a.Source.Addr()); i != nil {
			g.stack.health.Heard(i.ID())
		}
		g.request(m.Request, a)
	}
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

// surplus refuses what is beyond a limit, without keeping anything of it.
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
	tx := g.transactions.client(clientKey(res.Via.Branch, string(res.SeqMethod)))
	if tx == nil {
		return
	}
	if !g.Kin(tx.asked(), a.Origin()) {
		g.Counters.Refused.Add(1)
		g.Repeats.Log(slog.LevelInfo, "response ignored", a.Source.Addr().String(), "", "gw", g.name, "peer", a.Source, "err", "it comes from somebody who was not asked")
		return
	}
	tx.receive(res)
}

func clientKey(branch, method string) string { return branch + " " + method }

// serverKey is what a request has in common with its retransmissions, its ACK and its CANCEL (RFC 3261 17.2.3).
func serverKey(req *sipmsg.Request, method string) string {
	sentBy := strings.ToLower(req.Via.Host) + " " + strconv.Itoa(int(req.Via.Port))
	if branch := req.Via.Branch; req.Via.Cookie() && len(branch) > len(sip.RFC3261BranchMagicCookie) {
		return method + " " + branch + " " + sentBy
	}
	// RFC 2543: the ACK has the tag of the response in To, so To cannot be part of it.
	number := ""
	if req.SeqMethod != "" {
		number = strconv.FormatUint(uint64(req.Seq), 10)
	}
	return method + " 2543 " + req.CallID + " " + req.FromTag + " " + number + " " + sentBy + " " + req.Via.Branch
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
	key := serverKey(req, string(req.Method))
	var known interface{ again() }
	var from siptransport.Arrival
	if tx, f := g.transactions.server(key); tx != nil {
		known, from = tx, tx.from
	} else if f != nil {
		known, from = f, f.from
	}
	switch {
	case known == nil:
	case g.Kin(from.Origin(), a.Origin()):
		known.again()
		return
	default:
		g.intruder(req, a)
		return
	}
	if f := req.Check(g.stack.methods.understood); f != nil {
		g.refuse(req, a, f)
		return
	}
	dialog := req.ToTag
	// A request of a call has a limit of its own, and an INVITE is counted as a call.
	if dialog == "" && req.Method != sip.INVITE && !g.Takes(a.Source.Addr()) {
		g.surplus(req, a, "too many requests of this source")
		return
	}
	tx := &serverTx{g: g, key: key, req: req, from: a, invite: req.Method == sip.INVITE, toTag: sipmsg.Token(10)}
	if dialog != "" {
		g.inDialog(tx, dialog)
		return
	}
	tx.merge = req.MergeKey()
	if first, merged := g.transactions.mergedWith(tx.merge); merged && g.Kin(first, a.Origin()) {
		g.refuse(req, a, &sipmsg.Fault{Code: 482})
		return
	}
	g.outOfDialog(tx)
}

// acknowledged is an ACK: of a 3xx to 6xx it belongs to the transaction, of a 2xx to the dialog.
func (g *gateway) acknowledged(req *sipmsg.Request, a siptransport.Arrival) {
	if req.Check(g.stack.methods.understood) != nil {
		return
	}
	if _, f := g.transactions.server(serverKey(req, "INVITE")); f != nil && g.Kin(f.from.Origin(), a.Origin()) && f.acknowledged() {
		if f.from.Flow.Reliable() {
			g.transactions.dropFinished(f) // nothing comes a second time
		}
		return
	}
	if leg := g.dialogs.leg(req.CallID, req.ToTag); leg != nil && leg.heeds(a.Origin()) {
		leg.post(func() { leg.acknowledged(req) })
	}
}

// cancel is a CANCEL: it is answered here, and its INVITE's leg is told (RFC 3261 9.2).
func (g *gateway) cancel(req *sipmsg.Request, a siptransport.Arrival) {
	if f := req.Check(g.stack.methods.understood); f != nil {
		g.refuse(req, a, f)
		return
	}
	tx, late := g.transactions.server(serverKey(req, "INVITE"))
	var from siptransport.Arrival
	var tag string
	switch {
	case tx != nil:
		from, tag = tx.from, tx.toTag
	case late != nil:
		from, tag = late.from, late.toTag
	default:
		g.reply(a, req, g.responseTo(req, 481, "", sipmsg.Token(8), nil, "", nil))
		return
	}
	if !g.Kin(from.Origin(), a.Origin()) {
		g.intruder(req, a)
		return
	}
	g.reply(a, req, g.responseTo(req, 200, "", tag, nil, "", nil))
	if tx != nil {
		tx.cancelled(req.Header("Reason"))
	}
}

// inDialog hands a request to the leg whose dialog it names.
func (g *gateway) inDialog(tx *serverTx, tag string) {
	leg := g.dialogs.leg(tx.req.CallID, tag)
	tx.toTag = strings.Clone(tag) // not the whole message
	if leg == nil {
		if !g.Takes(tx.from.Source.Addr()) {
			g.surplus(tx.req, tx.from, "too many requests of this source")
			return
		}
		if g.stack.methods.find(tx.req.Method).stray {
			g.outOfDialog(tx)
			return
		}
		g.answer(tx, 481, nil)
		return
	}
	if !leg.heeds(tx.from.Origin()) {
		g.intruder(tx.req, tx.from)
		return
	}
	if tx.req.Method != sip.BYE && !leg.outline.takes() {
		g.surplus(tx.req, tx.from, "too many requests in one call")
		return
	}
	tx.open()
	if tx.invite {
		tx.respond(100, g.responseTo(tx.req, 100, "", "", nil, "", nil))
	}
	leg.post(func() { leg.request(tx) })
}

// responseTo builds a response to a request.
func (g *gateway) responseTo(req *sipmsg.Request, code int, reason, toTag string, body []byte, contentType string, h []sipmsg.Header) []byte {
	return sipmsg.RenderResponse(req, code, reason, toTag, g.stack.opts.UserAgent, body, contentType, h)
}
