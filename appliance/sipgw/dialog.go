package sipgw

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

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
}

// hop is a request that waits until it is known where it goes.
type hop struct {
	to   siptransport.Target
	then func(siptransport.Endpoint, error)
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
// one behind NAT is not reachable.
func (l *Leg) hopOf(d *dialog) siptransport.Target {
	if len(d.routes) > 0 {
		u := sipmsg.SplitURI(sipmsg.ParseNameAddr(d.routes[0]).URI)
		return siptransport.Target{Host: u.Host, Port: u.Port, Transport: l.transportOf(u, d.transport)}
	}
	if u := sipmsg.SplitURI(d.target); !d.transport.Secure() {
		if a, ok := siptransport.Literal(u.Host); ok && l.g.TrustedBy(l.iface, a) {
			return siptransport.Target{Host: u.Host, Port: u.Port, Transport: l.transportOf(u, d.transport)}
		}
	}
	return l.g.Peer(l.iface, "")
}

// transportOf is what a URI asks for: its transport parameter, for sips a secure one; else that of the dialog.
func (l *Leg) transportOf(u sipmsg.URI, otherwise siptransport.Transport) siptransport.Transport {
	word, _ := u.Param("transport")
	t, ok := siptransport.ParseTransport(strings.ToLower(word))
	if u.Scheme == "sips" && !t.Secure() {
		t, ok = siptransport.TLS, true
	}
	if ok && l.g.Conf().First(t) != nil {
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
	uri, routes := d.uriAndRoutes()
	list := make([]sipmsg.Header, 0, 12+len(h))
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
	switch method {
	case sip.INVITE, sip.UPDATE:
		list = append(list, l.dialogHeaders()...)
		list = append(list, sipmsg.Header{Name: "Supported", Value: l.extensions()})
	case sip.REFER, sip.SUBSCRIBE, sip.NOTIFY:
		list = append(list, sipmsg.Header{Name: "Contact", Value: d.contact})
	}
	if ua := l.stack.opts.UserAgent; ua != "" {
		list = append(list, sipmsg.Header{Name: "User-Agent", Value: ua})
	}
	return sipmsg.NewRequest(string(method), uri, append(list, h...), body, contentType)
}

// transact sends a request in the dialog other than INVITE and ACK; done is given its final response or an error, on the
// owner's goroutine. A challenge is answered once.
func (l *Leg) transact(d *dialog, method sip.RequestMethod, contentType string, body []byte, h []sipmsg.Header, done func(*sipmsg.Response, error)) {
	l.transactWith(d, method, contentType, body, h, nil, done)
}

func (l *Leg) transactWith(d *dialog, method sip.RequestMethod, contentType string, body []byte, h, credentials []sipmsg.Header, done func(*sipmsg.Response, error)) {
	if d.remoteTag == l.remoteTag {
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

func itoa(n int) string { return strconv.Itoa(n) }
