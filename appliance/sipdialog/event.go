package sipdialog

import (
	"strings"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// Event is a dialog without a call: that of a subscription (RFC 6665). It belongs to one goroutine, or to who holds a lock.
type Event struct {
	dialog    Dialog
	gate      *siptransport.Gate
	userAgent string
	user      string              // of our Contact
	via       siptransport.Target // where requests go that have no route
	// open: the peer's tag is not settled. The dialog of a subscription is the one that the first NOTIFY is in, and a fork's may come before the
	// 200 of another (RFC 6665 4.1.4).
	open   bool
	theirs bool // the peer began it
}

// Event returns a dialog that has not begun: its first request goes to uri. from and to are URIs, contactUser is the user part of our
// Contact, and via is where requests go that have no route.
func (c Client) Event(uri, from, to, contactUser string, via siptransport.Target) *Event {
	tag := sipmsg.Token(10)
	return &Event{gate: c.gate, userAgent: c.userAgent, user: contactUser, via: via, open: true, dialog: Dialog{
		CallID: sipmsg.Token(24), LocalTag: tag, Local: "<" + from + ">;tag=" + tag, Remote: "<" + to + ">", Target: uri, Transport: via.Transport}}
}

// mostDialog is how much a peer may have us keep of a dialog without a call.
const mostDialog = 4 << 10 // octets

// Asked is the dialog that a request of the peer makes, with a response of ours (RFC 3261 12.1.1). Requests of ours in it go to via, unless a route
// or the Contact is an address of the peer. False: the peer's part of it is too long to be kept.
func (c Client) Asked(tx *siptx.Server, contactUser string, via siptransport.Target) (*Event, bool) {
	e := &Event{gate: c.gate, userAgent: c.userAgent, user: contactUser, via: via, theirs: true}
	d := &e.dialog
	d.Began(tx)
	d.Refresh(&tx.Req.Message)
	size := 0
	for _, s := range append([]*string{&d.CallID, &d.LocalTag, &d.RemoteTag, &d.Local, &d.Remote, &d.Target}, pointers(d.Routes)...) {
		size += len(*s)
		*s = strings.Clone(*s) // not the whole message
	}
	return e, size <= mostDialog && d.Target != ""
}

func pointers(list []string) (p []*string) {
	for n := range list {
		p = append(p, &list[n])
	}
	return p
}

// Confirm takes the dialog that a 2xx to the first request makes, and the peer's Contact of every 2xx. A NOTIFY that has come goes before.
func (e *Event) Confirm(res *sipmsg.Response) {
	if e.open && e.dialog.RemoteSeq == 0 {
		e.dialog.Confirm(res)
		return
	}
	e.dialog.Refresh(&res.Message)
}

// Heard takes a request of the peer. The code is 0, or refuses it: 481 for another dialog, as that of another fork, and 500 for a request that one
// after it has overtaken (RFC 3261 12.2.2).
func (e *Event) Heard(req *sipmsg.Request) (code int) {
	switch {
	case e.open:
		e.open, e.dialog.RemoteTag, e.dialog.Remote, e.dialog.Routes = false, req.FromTag, req.FromText, req.RecordRoute()
	case req.FromTag != e.dialog.RemoteTag:
		return 481
	case req.Seq <= e.dialog.RemoteSeq:
		return 500
	}
	e.dialog.RemoteSeq = req.Seq
	if len(req.Target()) <= mostDialog {
		e.dialog.Refresh(&req.Message)
		e.dialog.Target = strings.Clone(e.dialog.Target)
	}
	return 0
}

// Moves notes by which way a phone has sent a request of the dialog: those of ours go back by the same.
func (e *Event) Moves(from siptransport.Arrival) {
	if e.via.Phone != nil {
		e.via = from.Phone().Target()
	}
}

// Begun reports whether the peer has asked something in the dialog.
func (e *Event) Begun() bool { return !e.open }

// Names are the Call-ID and our tag, by which requests find the dialog.
func (e *Event) Names() (callID, tag string) { return e.dialog.CallID, e.dialog.LocalTag }

// Contact is our Contact header.
func (e *Event) Contact() sipmsg.Header {
	return sipmsg.Header{Name: "Contact", Value: "<" + e.gate.Contact(e.user, e.via) + ">"}
}

// Request builds the next request, and tells where it goes: to the first route, to the peer's Contact if that is an address of the peer and not
// secured by its name, else where the dialog began (as legs do). A phone is reached as it came last. The first request goes there, whatever port its URI has.
func (e *Event) Request(method sip.RequestMethod, contentType string, body []byte, h ...sipmsg.Header) (*sip.Request, siptransport.Target, error) {
	e.dialog.LocalSeq++
	req, err := e.dialog.Write(e.userAgent, method, e.dialog.LocalSeq, []sipmsg.Header{e.Contact()}, contentType, body, h)
	if e.via.Phone != nil {
		return req, e.gate.Present(*e.via.Phone).Target(), err
	}
	to := e.via
	hop := e.dialog.Target
	if len(e.dialog.Routes) > 0 {
		hop = sipmsg.ParseNameAddr(e.dialog.Routes[0]).URI
	}
	u := sipmsg.SplitURI(hop)
	a, literal := siptransport.Literal(u.Host)
	if e.dialog.RemoteTag != "" && !e.dialog.Transport.Secure() && literal && e.gate.Near(e.via, siptransport.Origin{Transport: e.dialog.Transport, Addr: a}) || len(e.dialog.Routes) > 0 && !e.theirs {
		to = siptransport.Target{Host: u.Host, Port: u.Port, Transport: e.gate.TransportOf(u, e.dialog.Transport)}
	}
	return req, to, err
}
