package sipgw

import (
	"context"
	"fmt"
	"strconv"

	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// hop is a request that waits until it is known where it goes.
type hop struct {
	to   siptransport.Target
	then func(siptransport.Endpoint, error)
}

// hopOf says where requests in the dialog are sent: to the first route, else to the interface's peer. The Contact decides only
// when it is an address that the interface trusts, over UDP or TCP: Teams' Contact is a name that must not be dialled (A.32), and
// one behind NAT is not reachable. A phone is reached as it came, whatever it says of itself.
func (l *Leg) hopOf(d *sipdialog.Dialog) siptransport.Target {
	if d.Phone != nil {
		return l.g.Present(*d.Phone).Target()
	}
	if len(d.Routes) > 0 {
		u := sipmsg.SplitURI(sipmsg.ParseNameAddr(d.Routes[0]).URI)
		return siptransport.Target{Host: u.Host, Port: u.Port, Transport: l.g.TransportOf(u, d.Transport)}
	}
	if u := sipmsg.SplitURI(d.Target); !d.Transport.Secure() {
		if a, ok := siptransport.Literal(u.Host); ok && l.g.TrustedBy(l.iface, a) {
			return siptransport.Target{Host: u.Host, Port: u.Port, Transport: l.g.TransportOf(u, d.Transport)}
		}
	}
	return l.g.Peer(l.iface, "")
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
func (l *Leg) build(d *sipdialog.Dialog, method sip.RequestMethod, seq uint32, contentType string, body []byte, h []sipmsg.Header) (*sip.Request, error) {
	var own []sipmsg.Header
	switch method {
	case sip.INVITE, sip.UPDATE:
		own = append(l.dialogHeaders(d), sipmsg.Header{Name: "Supported", Value: l.extensions()})
	case sip.REFER, sip.SUBSCRIBE, sip.NOTIFY:
		own = []sipmsg.Header{{Name: "Contact", Value: d.Contact}}
	}
	return d.Write(l.stack.opts.UserAgent, method, seq, own, contentType, body, h)
}

// transact sends a request in the dialog other than INVITE and ACK; done is given its final response or an error, on the
// owner's goroutine. A challenge is answered once.
func (l *Leg) transact(d *sipdialog.Dialog, method sip.RequestMethod, contentType string, body []byte, h []sipmsg.Header, done func(*sipmsg.Response, error)) {
	l.transactWith(d, method, contentType, body, h, nil, done)
}

func (l *Leg) transactWith(d *sipdialog.Dialog, method sip.RequestMethod, contentType string, body []byte, h, credentials []sipmsg.Header, done func(*sipmsg.Response, error)) {
	if d.RemoteTag == l.dialog.RemoteTag && d.Phone == l.dialog.Phone {
		d = &l.dialog // an early dialog that has become the leg's own
	}
	d.LocalSeq++
	req, err := l.build(d, method, d.LocalSeq, contentType, body, append(h[:len(h):len(h)], credentials...))
	if err != nil {
		l.stack.log.Error("request not sent", "gw", l.g.name, "leg", d.CallID, "err", err)
		done(nil, err)
		return
	}
	if credentials == nil && l.account.auth != nil {
		l.account.auth.Authorize(req) // a nonce that the peer has accepted may be good again
	}
	l.reach(l.hopOf(d), func(where siptransport.Endpoint, err error) {
		if err == nil {
			_, err = l.g.transactions.Begin(req, where, func(res *sipmsg.Response, err error) {
				if err == nil && res.StatusCode < 200 {
					return
				}
				l.post(func() {
					if res != nil && (res.StatusCode == 401 || res.StatusCode == 407) && credentials == nil && l.challenged(res) {
						again := l.account.auth.Credentials(string(method), req.Recipient.String(), body)
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
	if l.account.auth == nil {
		return false
	}
	if err := l.account.auth.Challenged(res); err != nil {
		l.stack.log.Warn("challenge not answered", "gw", l.g.name, "if", l.iface.ID(), "leg", l.dialog.CallID, "err", err)
		return false
	}
	return true
}

// Client returns the client of a gateway, for requests outside dialogs; false: the gateway does not run.
func (s *Stack) Client(gateway string) (sipdialog.Client, bool) {
	if g := s.gateway(gateway); g != nil {
		return g.client(), true
	}
	return sipdialog.Client{}, false
}

func (g *gateway) client() sipdialog.Client {
	return sipdialog.NewClient(g.Gate, g.transactions, g.stack.opts.UserAgent)
}

// EventDialog is the dialog without a call that the request makes, with a response of ours. Its requests never leave for somebody else than the
// peer: they go back to where the request came from, over UDP, and to the interface's peer otherwise, unless a route or the Contact is an address
// of the peer. False: the peer's part of it is too long to be kept.
func (r *ServerRequest) EventDialog(contactUser string) (*sipdialog.Event, bool) {
	via := r.Peer()
	if ofPhones(r.Interface) {
		via = r.tx.From.Phone().Target()
	} else if via.Transport.Reliable() && r.Interface != nil && r.Interface.Remote.Host != "" {
		via = r.g.Peer(r.Interface, "") // the port of its connection takes none
	}
	return r.g.client().Asked(r.tx, contactUser, via)
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
	return r.g.Near(peer, r.tx.From.Origin())
}

// eventless refuses a SUBSCRIBE or PUBLISH in the dialog of a call.
func (l *Leg) eventless(tx *siptx.Server, _ *sipdialog.Dialog, _ *fork) {
	l.respond(tx, 489, "", nil, "", []sipmsg.Header{allowEvents})
}

func itoa(n int) string { return strconv.Itoa(n) }
