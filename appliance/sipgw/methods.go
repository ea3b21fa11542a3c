package sipgw

import (
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// method says who handles the requests with one SIP method. It is declared once, and all that depends on the method follows: whether it
// is understood at all (501), Allow, and the answer to a request without a handler.
type method struct {
	name sip.RequestMethod
	// offered reports whether Allow names the method towards an interface, which may be nil. nil: towards all.
	offered func(*config.SIPInterface) bool
	// strict: to whom it is not offered it is refused.
	strict bool
	// anybody: a phone may send it without credentials, or its handler asks for them.
	anybody bool
	// optional: Allow names the method only if Stack.Handle has given it a handler.
	optional bool
	// inDialog handles a request in the dialog d of a leg; nil: 405.
	inDialog func(l *Leg, tx *siptx.Server, d *sipdialog.Dialog, early *fork)
	// outside handles a request outside dialogs that has no handler; nil: 405.
	outside func(*gateway, *siptx.Server)
	// stray: a request in a dialog that does not exist is handled like one outside dialogs; without stray it is answered with 481.
	stray bool

	handler func(*ServerRequest) // of Stack.Handle
}

// methods is the table of all methods, in the order of Allow.
type methods []method

func newMethods() methods {
	badEvent := refusal(489, allowEvents)
	noDialog := refusal(481)
	return methods{
		{name: sip.INVITE, inDialog: (*Leg).offered, outside: (*gateway).incoming},
		{name: sip.ACK},    // belongs to the transaction or dialog of its INVITE
		{name: sip.CANCEL}, // likewise
		{name: sip.BYE, inDialog: (*Leg).hungUp, outside: noDialog},
		{name: sip.OPTIONS, inDialog: (*Leg).capabilities, stray: true, anybody: true},
		{name: sip.UPDATE, inDialog: (*Leg).offered, outside: noDialog},
		{name: sip.INFO, inDialog: (*Leg).informed, outside: noDialog},
		{name: sip.NOTIFY, inDialog: (*Leg).notified, stray: true},
		{name: sip.PRACK, offered: notTeams, inDialog: (*Leg).acknowledgedReliably, outside: noDialog},
		// Transfers belong to calls: a REFER outside dialogs would start a call that has no caller.
		{name: sip.REFER, offered: acceptsTransfers, inDialog: (*Leg).referred, outside: refusal(403)},
		{name: sip.SUBSCRIBE, optional: true, offered: notTeams, inDialog: (*Leg).eventless, outside: badEvent, stray: true},
		{name: sip.PUBLISH, optional: true, offered: notTeams, inDialog: (*Leg).eventless, outside: badEvent},
		{name: sip.REGISTER, optional: true, offered: ofPhones, strict: true, anybody: true},
		{name: sip.MESSAGE, optional: true},
	}
}

// allowEvents is what a 489 says of us where nobody handles events.
var allowEvents = sipmsg.Header{Name: "Allow-Events", Value: "refer"}

func notTeams(i *config.SIPInterface) bool { return i == nil || !i.Teams() }

// acceptsTransfers: without call-transfer accept there is no REFER in Allow, on any message. Teams then keeps transfers to itself (A.49).
func acceptsTransfers(i *config.SIPInterface) bool { return i != nil && i.TransferAccept }

// refusal answers requests that belong to no leg.
func refusal(code int, h ...sipmsg.Header) func(*gateway, *siptx.Server) {
	return func(g *gateway, tx *siptx.Server) { g.answer(tx, code, h) }
}

// find returns what is declared of a method; nil: it is not understood.
func (m methods) find(name sip.RequestMethod) *method {
	for i := range m {
		if m[i].name == name {
			return &m[i]
		}
	}
	return nil
}

// understood reports whether a method is in the table.
func (m methods) understood(name sip.RequestMethod) bool { return m.find(name) != nil }

// allow is the Allow header towards an interface.
func (m methods) allow(i *config.SIPInterface) string {
	var b strings.Builder
	b.Grow(96)
	for k := range m {
		x := &m[k]
		if x.optional && x.handler == nil || x.offered != nil && !x.offered(i) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(x.name))
	}
	return b.String()
}

// Handle has f called for the requests with a method outside dialogs. f is called in a read loop and must not block; it calls Respond
// then or later. The method stands in the table. Handle is called before Run and Apply.
func (s *Stack) Handle(name sip.RequestMethod, f func(*ServerRequest)) {
	s.methods.find(name).handler = f
}

// ServerRequest is a request outside dialogs that waits for its response.
type ServerRequest struct {
	*sipmsg.Request
	Interface *config.SIPInterface // of the peer; nil: it has just been removed
	Identity  string               // of the phone that sent it; "": another peer, or it was not asked (OPTIONS, REGISTER, a request with a tag in To)

	g  *gateway
	tx *siptx.Server
}

// Arrival says how the request came.
func (r *ServerRequest) Arrival() siptransport.Arrival { return r.tx.From }

// Respond sends the final response.
func (r *ServerRequest) Respond(code int, h ...sipmsg.Header) {
	r.tx.Respond(code, r.g.responseTo(r.tx.Req, code, "", r.tx.ToTag, nil, "", h))
}

// Capabilities are the headers that say who we are and what we can do.
func (r *ServerRequest) Capabilities() []sipmsg.Header {
	from := r.tx.From
	transport := from.Flow.Transport()
	return []sipmsg.Header{
		{Name: "Contact", Value: "<" + r.g.Conf().At(transport, from.Local.Addr()).Contact("", transport) + ">"},
		{Name: "Allow", Value: r.g.stack.methods.allow(r.Interface)},
		{Name: "Accept", Value: acceptedBodies},
		{Name: "Supported", Value: sipmsg.Extensions},
	}
}

// acceptedBodies are the kinds of body that we read.
const acceptedBodies = "application/sdp, multipart/mixed"

// Silent reports whether an interface's peer gets no OPTIONS now, and no answers to its own.
func (s *Stack) Silent(id config.InterfaceID) bool { return s.opts.Silent(id) }

// outOfDialog handles a request that begins something.
func (g *gateway) outOfDialog(tx *siptx.Server) {
	i := g.InterfaceOf(tx.From.Source.Addr())
	switch m := g.stack.methods.find(tx.Req.Method); {
	case m != nil && m.handler != nil && (!m.strict || m.offered(i)):
		r := &ServerRequest{Request: tx.Req, Interface: i, g: g, tx: tx}
		if !m.anybody && tx.Req.ToTag == "" {
			var ok bool
			if r.Identity, ok = g.admit(tx, i, false); !ok {
				return
			}
		}
		tx.Open()
		m.handler(r)
	case m != nil && m.outside != nil:
		m.outside(g, tx)
	default:
		g.answer(tx, 405, []sipmsg.Header{{Name: "Allow", Value: g.stack.methods.allow(i)}})
	}
}

// answer responds to a request that belongs to no leg.
func (g *gateway) answer(tx *siptx.Server, code int, h []sipmsg.Header) {
	tx.Open()
	tx.Respond(code, g.responseTo(tx.Req, code, "", tx.ToTag, nil, "", h))
}

// notAllowed refuses a request in the leg's dialog.
func (l *Leg) notAllowed(tx *siptx.Server) {
	l.respond(tx, 405, "", nil, "", []sipmsg.Header{{Name: "Allow", Value: l.allow()}})
}

// allow is the Allow header of what we say in the leg's dialog.
func (l *Leg) allow() string { return l.stack.methods.allow(l.iface) }
