package sipgw

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// dialog is the state of RFC 3261 12. Everything that the peer gave us is kept as text: Teams' Contact and Record-Route carry
// parameters that must come back byte for byte (A.32).
type dialog struct {
	callID              string
	localTag, remoteTag string
	local, remote       string // From and To of requests of ours, without the remote tag as long as there is none
	localSeq, remoteSeq uint32
	target              string                 // remote target: the Request-URI of requests of ours
	routes              []string               // route set, as Route values
	transport           siptransport.Transport // of the request that began it
	contact             string                 // value of our Contact header

	phone *siptransport.PhoneTarget // of the phone that it is with, as it came last; nil: it is with no phone
}

// hop is a request that waits until it is known where it goes.
type hop struct {
	to   siptransport.Target
	then func(siptransport.Endpoint, error)
}

// began takes the dialog state from a request that begins it (12.1.1), but for its target.
func (d *dialog) began(tx *siptx.Server) {
	req := tx.Req
	*d = dialog{callID: req.CallID, localTag: tx.ToTag, remoteTag: req.FromTag, local: req.ToText + ";tag=" + tx.ToTag, remote: req.FromText,
		remoteSeq: req.Seq, routes: req.RecordRoute(), transport: tx.From.Flow.Transport()}
	if !sipmsg.Bracketed(req.ToText) {
		d.local = "<" + req.To.URI + ">;tag=" + tx.ToTag
	}
}

// confirm takes the dialog state from a response to our INVITE (12.1.2).
func (d *dialog) confirm(res *sipmsg.Response) {
	d.remoteTag = res.ToTag
	d.remote = res.ToText
	d.routes = res.RecordRoute()
	slices.Reverse(d.routes)
	d.refresh(&res.Message)
}

// refresh takes the remote target from the Contact of a request or response (12.2).
func (d *dialog) refresh(m *sipmsg.Message) {
	if c := m.Target(); c != "" {
		d.target = c
	}
}

// uriAndRoutes are the Request-URI and Route values of a request in the dialog (12.2.1.1). A first route without lr is a strict
// router of RFC 2543: it wants itself in the Request-URI and the target at the end of the route.
func (d *dialog) uriAndRoutes() (string, []string) {
	if len(d.routes) == 0 {
		return d.target, nil
	}
	first := sipmsg.ParseNameAddr(d.routes[0]).URI
	if _, lr := sipmsg.SplitURI(first).Param("lr"); lr {
		return d.target, d.routes
	}
	return first, append(slices.Clone(d.routes[1:]), "<"+d.target+">")
}

// hopOf says where requests in the dialog are sent: to the first route, else to the interface's peer. The Contact decides only
// when it is an address that the interface trusts, over UDP or TCP: Teams' Contact is a name that must not be dialled (A.32), and
// one behind NAT is not reachable. A phone is reached as it came, whatever it says of itself.
func (l *Leg) hopOf(d *dialog) siptransport.Target {
	if d.phone != nil {
		return l.g.Present(*d.phone).Target()
	}
	if len(d.routes) > 0 {
		u := sipmsg.SplitURI(sipmsg.ParseNameAddr(d.routes[0]).URI)
		return siptransport.Target{Host: u.Host, Port: u.Port, Transport: l.g.transportOf(u, d.transport)}
	}
	if u := sipmsg.SplitURI(d.target); !d.transport.Secure() {
		if a, ok := siptransport.Literal(u.Host); ok && l.g.TrustedBy(l.iface, a) {
			return siptransport.Target{Host: u.Host, Port: u.Port, Transport: l.g.transportOf(u, d.transport)}
		}
	}
	return l.g.Peer(l.iface, "")
}

// transportOf is what a URI asks for: its transport parameter, for sips a secure one; else that of the dialog.
func (g *gateway) transportOf(u sipmsg.URI, otherwise siptransport.Transport) siptransport.Transport {
	word, _ := u.Param("transport")
	t, ok := siptransport.ParseTransport(strings.ToLower(word))
	if u.Scheme == "sips" && !t.Secure() {
		t, ok = siptransport.TLS, true
	}
	if ok && g.Conf().First(t) != nil {
		return t
	}
	return otherwise
}

// reach calls then with where a target is, now or when its name has been resolved. Requests of a leg leave in the order in which
// they were made.
func (l *Leg) reach(to siptransport.Target, then func(siptransport.Endpoint, error)) {
	if len(l.waiting) == 0 {
		if where, ok := l.g.ResolveNow(to); ok {
			then(where, nil)
			return
		}
	}
	l.waiting = append(l.waiting, hop{to, then})
	l.g.unsaid.Add(1)
	if len(l.waiting) == 1 {
		l.resolveFirst()
	}
}

func (l *Leg) resolveFirst() {
	h := l.waiting[0]
	ok := l.stack.spawn(func() {
		where, err := l.g.Resolve(l.stack.ctx, h.to)
		l.post(func() {
			l.waiting = l.waiting[1:]
			h.then(where, err)
			l.g.unsaid.Add(-1)
			if len(l.waiting) > 0 {
				l.resolveFirst()
			}
		})
	})
	if !ok {
		l.g.unsaid.Add(-int32(len(l.waiting)))
		l.waiting = nil
		h.then(siptransport.Endpoint{}, &siptransport.Error{Op: siptransport.OpResolve, Peer: h.to.Host, Err: fmt.Errorf("look up %s: %w", h.to.Host, context.Canceled)})
	}
}

// build makes a request in the dialog, or the one that begins it.
func (l *Leg) build(d *dialog, method sip.RequestMethod, seq uint32, contentType string, body []byte, h []sipmsg.Header) (*sip.Request, error) {
	var own []sipmsg.Header
	switch method {
	case sip.INVITE, sip.UPDATE:
		own = append(l.dialogHeaders(d), sipmsg.Header{Name: "Supported", Value: l.extensions()})
	case sip.REFER, sip.SUBSCRIBE, sip.NOTIFY:
		own = []sipmsg.Header{{Name: "Contact", Value: d.contact}}
	}
	return d.write(l.stack.opts.UserAgent, method, seq, own, contentType, body, h)
}

// write makes a request: own are the headers in which we say who we are.
func (d *dialog) write(userAgent string, method sip.RequestMethod, seq uint32, own []sipmsg.Header, contentType string, body []byte, h []sipmsg.Header) (*sip.Request, error) {
	uri, routes := d.uriAndRoutes()
	list := make([]sipmsg.Header, 0, 8+len(routes)+len(own)+len(h))
	if !slices.ContainsFunc(h, func(x sipmsg.Header) bool { return x.Name == "Max-Forwards" }) {
		list = append(list, sipmsg.Header{Name: "Max-Forwards", Value: "70"}) // a call that passes through us brings its own, one lower
	}
	for _, r := range routes {
		list = append(list, sipmsg.Header{Name: "Route", Value: r})
	}
	list = append(list,
		sipmsg.Header{Name: "From", Value: d.local},
		sipmsg.Header{Name: "To", Value: d.remote},
		sipmsg.Header{Name: "Call-ID", Value: d.callID},
		sipmsg.Header{Name: "CSeq", Value: strconv.FormatUint(uint64(seq), 10) + " " + string(method)},
	)
	list = append(list, own...)
	if userAgent != "" {
		list = append(list, sipmsg.Header{Name: "User-Agent", Value: userAgent})
	}
	return sipmsg.NewRequest(string(method), uri, append(list, h...), body, contentType)
}

// transact sends a request in the dialog other than INVITE and ACK; done is given its final response or an error, on the
// owner's goroutine. A challenge is answered once.
func (l *Leg) transact(d *dialog, method sip.RequestMethod, contentType string, body []byte, h []sipmsg.Header, done func(*sipmsg.Response, error)) {
	l.transactWith(d, method, contentType, body, h, nil, done)
}

func (l *Leg) transactWith(d *dialog, method sip.RequestMethod, contentType string, body []byte, h, credentials []sipmsg.Header, done func(*sipmsg.Response, error)) {
	if d.remoteTag == l.remoteTag && d.phone == l.phone {
		d = &l.dialog // an early dialog that has become the leg's own
	}
	d.localSeq++
	req, err := l.build(d, method, d.localSeq, contentType, body, append(h[:len(h):len(h)], credentials...))
	if err != nil {
		l.stack.log.Error("request not sent", "gw", l.g.name, "leg", d.callID, "err", err)
		done(nil, err)
		return
	}
	if credentials == nil && l.auth != nil {
		l.auth.Authorize(req) // a nonce that the peer has accepted may be good again
	}
	l.reach(l.hopOf(d), func(where siptransport.Endpoint, err error) {
		if err == nil {
			_, err = l.g.transactions.Begin(req, where, func(res *sipmsg.Response, err error) {
				if err == nil && res.StatusCode < 200 {
					return
				}
				l.post(func() {
					if res != nil && (res.StatusCode == 401 || res.StatusCode == 407) && credentials == nil && l.challenged(res) {
						again := l.auth.Credentials(string(method), req.Recipient.String(), body)
						l.transactWith(d, method, contentType, body, h, again, done)
						return
					}
					done(res, err)
				})
			})
		}
		if err != nil {
			done(nil, err)
		}
	})
}

// challenged takes a 401 or 407 and reports whether it can be answered.
func (l *Leg) challenged(res *sipmsg.Response) bool {
	if l.auth == nil {
		return false
	}
	if err := l.auth.Challenged(res); err != nil {
		l.stack.log.Warn("challenge not answered", "gw", l.g.name, "if", l.iface.ID(), "leg", l.callID, "err", err)
		return false
	}
	return true
}

// EventDialog is a dialog without a call: that of a subscription (RFC 6665). It belongs to one goroutine, or to who holds a lock.
type EventDialog struct {
	dialog
	g    *gateway
	user string              // of our Contact
	via  siptransport.Target // where requests go that have no route
	// open: the peer's tag is not settled. The dialog of a subscription is the one that the first NOTIFY is in, and a fork's may come before the
	// 200 of another (RFC 6665 4.1.4).
	open   bool
	theirs bool // the peer began it
}

// EventDialog returns a dialog that has not begun: its first request goes to uri. from and to are URIs, contactUser is the user part of our
// Contact, and via is where requests go that have no route.
func (c Client) EventDialog(uri, from, to, contactUser string, via siptransport.Target) *EventDialog {
	tag := sipmsg.Token(10)
	return &EventDialog{g: c.g, user: contactUser, via: via, open: true, dialog: dialog{
		callID: sipmsg.Token(24), localTag: tag, local: "<" + from + ">;tag=" + tag, remote: "<" + to + ">", target: uri, transport: via.Transport}}
}

// mostDialog is how much a peer may have us keep of a dialog without a call.
const mostDialog = 4 << 10 // octets

// EventDialog is the dialog that the request makes, with a response of ours (RFC 3261 12.1.1). Its requests never leave for somebody else than the
// peer: they go back to where the request came from, over UDP, and to the interface's peer otherwise, unless a route or the Contact is an address
// of the peer. False: the peer's part of it is too long to be kept.
func (r *ServerRequest) EventDialog(contactUser string) (*EventDialog, bool) {
	d := &EventDialog{g: r.g, user: contactUser, via: r.Peer(), theirs: true}
	if ofPhones(r.Interface) {
		d.via = r.tx.From.Phone().Target()
	} else if d.via.Transport.Reliable() && r.Interface != nil && r.Interface.Remote.Host != "" {
		d.via = r.g.Peer(r.Interface, "") // the port of its connection takes none
	}
	d.began(r.tx)
	d.refresh(&r.Message)
	size := 0
	for _, s := range append([]*string{&d.callID, &d.localTag, &d.remoteTag, &d.local, &d.remote, &d.target}, pointers(d.routes)...) {
		size += len(*s)
		*s = strings.Clone(*s) // not the whole message
	}
	return d, size <= mostDialog && d.target != ""
}

func pointers(list []string) (p []*string) {
	for n := range list {
		p = append(p, &list[n])
	}
	return p
}

// Confirm takes the dialog that a 2xx to the first request makes, and the peer's Contact of every 2xx. A NOTIFY that has come goes before.
func (d *EventDialog) Confirm(res *sipmsg.Response) {
	if d.open && d.remoteSeq == 0 {
		d.confirm(res)
		return
	}
	d.refresh(&res.Message)
}

// Heard takes a request of the peer. The code is 0, or refuses it: 481 for another dialog, as that of another fork, and 500 for a request that one
// after it has overtaken (RFC 3261 12.2.2).
func (d *EventDialog) Heard(req *sipmsg.Request) (code int) {
	switch {
	case d.open:
		d.open, d.remoteTag, d.remote, d.routes = false, req.FromTag, req.FromText, req.RecordRoute()
	case req.FromTag != d.remoteTag:
		return 481
	case req.Seq <= d.remoteSeq:
		return 500
	}
	d.remoteSeq = req.Seq
	if len(req.Target()) <= mostDialog {
		d.refresh(&req.Message)
		d.target = strings.Clone(d.target)
	}
	return 0
}

// Moves notes by which way a phone has sent a request of the dialog: those of ours go back by the same.
func (d *EventDialog) Moves(r *ServerRequest) {
	if d.via.Phone != nil {
		d.via = r.tx.From.Phone().Target()
	}
}

// Begun reports whether the peer has asked something in the dialog.
func (d *EventDialog) Begun() bool { return !d.open }

// Names are the Call-ID and our tag, by which ServerRequest.Names finds the dialog.
func (d *EventDialog) Names() (callID, tag string) { return d.callID, d.localTag }

// Contact is our Contact header.
func (d *EventDialog) Contact() sipmsg.Header {
	return sipmsg.Header{Name: "Contact", Value: "<" + d.g.Contact(d.user, d.via) + ">"}
}

// Request builds the next request, and tells where it goes: to the first route, to the peer's Contact if that is an address of the peer and not
// secured by its name, else where the dialog began (as Leg.hopOf does). A phone is reached as it came last. The first request goes there, whatever port its URI has.
func (d *EventDialog) Request(method sip.RequestMethod, contentType string, body []byte, h ...sipmsg.Header) (*sip.Request, siptransport.Target, error) {
	d.localSeq++
	req, err := d.write(d.g.stack.opts.UserAgent, method, d.localSeq, []sipmsg.Header{d.Contact()}, contentType, body, h)
	if d.via.Phone != nil {
		return req, d.g.Present(*d.via.Phone).Target(), err
	}
	to := d.via
	hop := d.target
	if len(d.routes) > 0 {
		hop = sipmsg.ParseNameAddr(d.routes[0]).URI
	}
	u := sipmsg.SplitURI(hop)
	a, literal := siptransport.Literal(u.Host)
	if d.remoteTag != "" && !d.transport.Secure() && literal && d.g.near(d.via, siptransport.Origin{Transport: d.transport, Addr: a}) || len(d.routes) > 0 && !d.theirs {
		to = siptransport.Target{Host: u.Host, Port: u.Port, Transport: d.g.transportOf(u, d.transport)}
	}
	return req, to, err
}

// Names are the Call-ID and the tag of ours: that of the dialog which the request is in, or of the one that our response begins.
func (r *ServerRequest) Names() (callID, tag string) { return r.CallID, r.tx.ToTag }

// Peer is where the request came from.
func (r *ServerRequest) Peer() siptransport.Target {
	source := r.tx.From.Source
	return siptransport.Target{Host: source.Addr().Unmap().String(), Port: source.Port(), Transport: r.tx.From.Flow.Transport()}
}

// From reports whether the request comes from a peer, or from one that an interface trusts along with it. A peer has no business with the
// subscriptions of another.
func (r *ServerRequest) From(peer siptransport.Target) bool {
	return r.g.near(peer, r.tx.From.Origin())
}

// near reports whether x may speak for a target.
func (g *gateway) near(peer siptransport.Target, x siptransport.Origin) bool {
	if a, ok := siptransport.Literal(peer.Host); ok {
		return g.Kin(siptransport.Origin{Transport: peer.Transport, Addr: a}, x)
	}
	for _, a := range g.Known(peer.Host) {
		if g.Kin(siptransport.Origin{Transport: peer.Transport, Addr: a}, x) {
			return true
		}
	}
	return false
}

// eventless refuses a SUBSCRIBE or PUBLISH in the dialog of a call.
func (l *Leg) eventless(tx *siptx.Server, _ *dialog, _ *fork) {
	l.respond(tx, 489, "", nil, "", []sipmsg.Header{allowEvents})
}

func itoa(n int) string { return strconv.Itoa(n) }
