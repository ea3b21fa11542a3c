package registrar

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pair"
	"viaduct/appliance/printable"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// flowTimer is how long a phone may be silent on its connection (RFC 5626 4.4.1); its keep-alives come before.
const flowTimer = 120 * time.Second

const notOpen = "No phone may register as this identity"

// registered answers a REGISTER, in a read loop.
func (r *Registrar) registered(q *sipgw.ServerRequest) {
	a, fresh, fault := r.register(q.Interface, q.Request, q.Arrival(), time.Now())
	if fault == nil {
		fault = &sipmsg.Fault{Code: 200, Headers: r.bindings(a, q.Request, q.Arrival().Flow.Reliable(), time.Now())}
	}
	h := fault.Headers
	if fault.Code == 404 || fault.Reason == notOpen {
		r.often.Log(slog.LevelInfo, "phone refused", q.Arrival().Source.Addr().String(), fault.Reason, "peer", q.Arrival().Source, "code", fault.Code, "err", fault.Reason)
	}
	if fault.Reason != "" {
		h = append(h, sipmsg.Header{Name: "Warning", Value: "399 " + sipmsg.JoinHostPort(q.Arrival().Local.Addr().String(), 0) + " " + sipmsg.Quote(fault.Reason)})
	}
	q.Respond(fault.Code, h...)
	if fresh && r.o.Registered != nil {
		r.o.Registered(a.location, a.identity)
	}
}

// register does what a REGISTER asks for, all of it or, with a fault, nothing (RFC 3261 10.3). fresh: a phone has come that was not there.
func (r *Registrar) register(i *config.SIPInterface, req *sipmsg.Request, from siptransport.Arrival, now time.Time) (a aor, fresh bool, fault *sipmsg.Fault) {
	licensed, brief := r.o.Licensed(), r.o.Emergency()
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.location(i)
	if l == nil {
		return a, false, &sipmsg.Fault{Code: 403}
	}
	if !ours(l, sipmsg.SplitURI(req.URI).Host, from) || !ours(l, req.To.Host(), from) {
		return a, false, &sipmsg.Fault{Code: 404, Reason: "Domain unknown here"}
	}
	if len(req.CallID) > maxID {
		return a, false, bad("Call-ID is too long")
	}
	at := from.Phone()
	who := l.Named(req.To.User())
	if fault := r.authenticate(l, who, req, at, false, now); fault != nil {
		return a, false, fault
	}
	if who == nil {
		return a, false, &sipmsg.Fault{Code: 404, Reason: "There is no such identity"}
	}
	a = aor{l.Name, who.Name}
	f, ok := open(r.cfg, a)
	if !ok {
		return a, false, &sipmsg.Fault{Code: 403, Reason: notOpen}
	}
	list, all, fault := wishes(req, f.Inbound, at.Transport.Secure(), brief)
	if fault != nil {
		return a, false, fault
	}
	if proxied(req) && slices.ContainsFunc(list, func(w wish) bool { return w.reg != "" }) {
		return a, false, &sipmsg.Fault{Code: 439} // RFC 5626 6: a proxy between us would have to keep the flow
	}
	stays := func(w wish) bool { return w.lifetime > 0 }
	if !licensed && slices.ContainsFunc(list, stays) {
		r.o.Health.Set(health.PhonesUnlicensed, health.Args{"name": a.identity})
		return a, false, &sipmsg.Fault{Code: 403, Reason: "The license sip-registrar is missing"}
	}
	c := change{r: r, aor: a, iface: i.ID(), req: req, at: at, now: now, rules: f.Inbound}
	if fault := c.plan(list, all); fault != nil {
		return a, false, fault
	}
	return a, c.commit(), nil
}

// proxied reports whether a request came through a proxy.
func proxied(req *sipmsg.Request) bool {
	hops := 0
	for _, v := range req.Headers("Via") {
		hops += len(sipmsg.SplitList(v))
	}
	return hops > 1
}

// location is the location service of an interface of phones.
func (r *Registrar) location(i *config.SIPInterface) *config.LocationService {
	if i == nil || r.cfg == nil || i.Phones.IsZero() {
		return nil
	}
	return i.Phones.In(r.cfg)
}

// ours reports whether a host is a domain of the location service, or the address of ours that the phone has written to.
func ours(l *config.LocationService, host string, from siptransport.Arrival) bool {
	if host == "" {
		return false
	}
	if a, ok := siptransport.Literal(host); ok && a == from.Local.Addr() {
		return true
	}
	return l.MatchAny || slices.ContainsFunc(l.Domains, func(d config.Domain) bool { return strings.EqualFold(d.Host, host) })
}

// change is what a REGISTER changes.
type change struct {
	r     *Registrar
	aor   aor
	iface config.InterfaceID
	req   *sipmsg.Request
	at    siptransport.PhoneTarget
	now   time.Time
	rules *config.RegistrationInbound

	drop []dropped
	keep []kept
}

type dropped struct {
	b   *binding
	why string
}

// kept is a wish and the binding that it renews; nil: it is a new one.
type kept struct {
	wish
	old *binding
}

// plan finds out what changes, and whether it may.
func (c *change) plan(list []wish, all bool) *sipmsg.Fault {
	present := slices.DeleteFunc(slices.Clone(c.r.phones.of[c.aor]), func(b *binding) bool { return b.over(c.now) })
	for _, b := range c.r.phones.of[c.aor] {
		if b.over(c.now) {
			c.drop = append(c.drop, dropped{b, "it did not come back in its time"})
		}
	}
	if all {
		for _, b := range present {
			list = append(list, wish{contact: b.contact})
		}
	}
	for n, w := range list {
		if slices.ContainsFunc(list[n+1:], func(later wish) bool { return later.same(&w.contact) }) {
			continue // the last word counts
		}
		k := kept{wish: w}
		if i := slices.IndexFunc(present, func(b *binding) bool { return b.same(&w.contact) }); i >= 0 {
			k.old = present[i]
			if k.old.callID == c.req.CallID && c.req.Seq <= k.old.seq { // 10.3, 7
				return &sipmsg.Fault{Code: 500, Reason: "CSeq is not higher than that of an earlier REGISTER"}
			}
			present = slices.Delete(present, i, i+1)
		}
		switch {
		case w.lifetime > 0:
			c.keep = append(c.keep, k)
		case k.old != nil:
			c.drop = append(c.drop, dropped{k.old, "it has signed off"})
		}
	}
	return c.room(present)
}

// room looks after the limit of phones at once. present are those that the request does not name.
func (c *change) room(present []*binding) *sipmsg.Fault {
	fresh := 0
	for _, k := range c.keep {
		if k.old == nil {
			fresh++
		}
	}
	if fresh > 0 && c.r.phones.n+fresh-len(c.drop) > mostPhones {
		return &sipmsg.Fault{Code: 503, Reason: "Too many phones", Headers: []sipmsg.Header{{Name: "Retry-After", Value: "60"}}}
	}
	surplus := len(present) + len(c.keep) - c.rules.MaxContacts
	if surplus <= 0 || fresh == 0 {
		return nil
	}
	waiting := func(b *binding) int {
		if b.state == status.BindingWaiting {
			return 0
		}
		return 1
	}
	staying := 0
	for _, b := range present {
		staying += waiting(b)
	}
	if surplus > len(present) || c.rules.Refuse && surplus > len(present)-staying {
		c.r.often.Log(slog.LevelWarn, "phone refused, the identity has as many phones as it may", c.at.Addr.Addr().String(), c.aor.identity, "name", c.aor.identity, "peer", c.at.Addr)
		return &sipmsg.Fault{Code: 403, Reason: "The identity has as many phones as it may"}
	}
	slices.SortFunc(present, func(a, b *binding) int { return cmp.Or(waiting(a)-waiting(b), a.since.Compare(b.since)) })
	for _, b := range present[:surplus] {
		c.drop = append(c.drop, dropped{b, "another phone took its place"})
	}
	return nil
}

// commit does it. True: a phone has come that was not there.
func (c *change) commit() (fresh bool) {
	for _, d := range c.drop {
		c.r.gone(d.b, d.why)
	}
	for _, k := range c.keep {
		b := c.binding(k)
		if c.r.phones.hasEnded(b.target.Flow) {
			if k.old != nil {
				c.r.gone(k.old, "its connection has ended")
			}
			continue
		}
		moved, came := false, k.old == nil || k.old.state == status.BindingWaiting
		if k.old != nil {
			if k.old.target != b.target || k.old.iface != b.iface || k.old.contact != b.contact || k.old.lifetime != b.lifetime {
				c.r.unsaved, moved = true, true
			}
			c.r.phones.remove(k.old)
			if k.old.uri != b.uri || k.old.instance != b.instance || k.old.reg != b.reg {
				c.r.o.Pair.Drop(pair.Phones, k.old.id())
			}
		}
		c.r.phones.add(b)
		c.r.remember(b, c.now)
		if came || moved {
			c.r.tell(b)
		}
		if came {
			fresh, c.r.unsaved = true, true
			c.r.moved(b.aor, "phone registered", "name", b.identity, "peer", b.target.Addr, slog.Duration("for", b.lifetime))
		}
	}
	return fresh
}

// binding is what becomes of a wish. It holds nothing of the message.
func (c *change) binding(k kept) *binding {
	b := &binding{aor: c.aor, contact: k.contact, iface: c.iface, target: c.at, since: c.now, refreshed: c.now, lifetime: k.lifetime, seq: c.req.Seq,
		callID: strings.Clone(c.req.CallID), agent: strings.Clone(printable.Short(c.req.Header("User-Agent"), maxText))}
	if k.old != nil {
		b.since = k.old.since
		if k.old.agent == b.agent {
			b.agent = k.old.agent
		}
		if k.old.callID == b.callID {
			b.callID = k.old.callID
		}
	}
	b.target.URI = b.uri
	if via := c.req.Via; b.target.Flow == 0 && !via.RPort {
		// It does not say that it hears where it speaks from, so what it says of its port counts; its address is where it is.
		u := sipmsg.SplitURI(b.uri)
		b.target.Addr = netip.AddrPortFrom(b.target.Addr.Addr(), cmp.Or(u.Port, siptransport.UDP.DefaultPort()))
	}
	return b
}

// bindings are the headers of a 200.
func (r *Registrar) bindings(a aor, req *sipmsg.Request, connected bool, now time.Time) (h []sipmsg.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	outbound := false
	for _, b := range r.phones.of[a] {
		if b.over(now) || b.state == status.BindingWaiting {
			continue
		}
		v := "<" + b.uri + ">;expires=" + strconv.Itoa(int((b.expires().Sub(now)+time.Second-1)/time.Second))
		if b.q < 1000 {
			v += ";q=" + strconv.FormatFloat(float64(b.q)/1000, 'f', -1, 64)
		}
		if b.instance != "" {
			v += `;+sip.instance="` + b.instance + `"`
		}
		if b.reg != "" {
			v += ";reg-id=" + b.reg
			outbound = outbound || b.callID == req.CallID
		}
		h = append(h, sipmsg.Header{Name: "Contact", Value: v})
	}
	if outbound && req.Supports("outbound") { // RFC 5626 6
		h = append(h, sipmsg.Header{Name: "Require", Value: "outbound"})
		if connected {
			h = append(h, sipmsg.Header{Name: "Flow-Timer", Value: strconv.Itoa(int(flowTimer / time.Second))})
		}
	}
	// Phones set their clocks by it. A box that has not heard the time yet had better say nothing.
	if now.Year() >= 2025 {
		h = append(h, sipmsg.Header{Name: "Date", Value: now.UTC().Format(http.TimeFormat)})
	}
	return h
}
