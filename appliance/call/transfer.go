package call

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/route"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
)

// transfer is a REFER that is being acted upon (`call-transfer accept`): the peer of side x wants somebody else in its place.
//
// Who that is called decides the host of Refer-To. Teams, and any PBX that names itself or a stranger, gets a new INVITE back with
// the URI byte for byte: for Teams it names a state of its own that only Teams understands, even when it looks like a telephone
// number, and an SBC that sends it on to the PBX makes loops (teams.md A.50). A PBX that names us means a call through us. And
// one that names another of its calls with us (attended transfer) wants the two callees joined, see union.go.
//
// The call goes on as it is until the new peer has answered; then x is its leg, on the same ports, and the old leg is ended.
type transfer struct {
	x     *side
	by    *sipgw.Leg // who asked, and is told with NOTIFY
	event string     // value of the Event header
	quiet bool
	told  int
	next  side // who is called

	kind string // Content-Type and body of an answer before the 200
	body []byte
}

// refer is a REFER of x's peer.
func (c *call) refer(x, y *side, e sipgw.Refer) {
	list := sipgw.ParseList([]string{e.ReferTo})
	switch {
	case len(list) != 1:
		x.leg.Respond(e.ID, 400, "Malformed Refer-To", nil)
		return
	case c.transfer != nil:
		x.leg.Respond(e.ID, 491, "", nil)
		return
	case y.leg == nil || !y.up || y.choice == nil:
		x.leg.Respond(e.ID, 603, "", nil)
		return
	}
	t := &transfer{x: x, by: x.leg, event: "refer", quiet: e.Quiet}
	if x.referrals++; x.referrals > 1 {
		t.event += ";id=" + strconv.FormatUint(uint64(e.Seq), 10) // RFC 3515 2.4.6
	}
	var h []sipgw.Header
	if e.Quiet {
		h = []sipgw.Header{{Name: "Refer-Sub", Value: "false"}}
	}
	x.leg.Respond(e.ID, 202, "", nil, h...)
	c.transfer = t
	t.notify(100)

	uri, replaces := referTo(list[0].URI)
	c.log.Info("transfer", "if", x.iface.Name, "leg", x.which.String(), "to", uri)
	if replaces != nil {
		if leg := c.m.SIP.Dialog(x.iface.Name, *replaces); leg != nil {
			if other, ok := leg.Owner().(*call); ok && other != c {
				c.joinWith(other, leg)
				return
			}
		}
	}
	invite, i, err := c.referred(t, uri, replaces, e.ReferredBy)
	if err == nil {
		err = c.callNext(t, y, i, invite)
	}
	if err != nil {
		c.log.Warn("transfer failed", "if", x.iface.Name, "to", uri, "err", err)
		c.transferFailed(500)
	}
}

// referTo splits what Refer-To holds into the Request-URI and a Replaces header among its headers (RFC 3261 19.1.5).
func referTo(uri string) (string, *sipgw.Replaces) {
	uri, headers, _ := strings.Cut(uri, "?")
	for h := range strings.SplitSeq(headers, "&") {
		name, value, _ := strings.Cut(h, "=")
		if text, err := url.PathUnescape(value); err == nil && strings.EqualFold(name, "Replaces") {
			if r, ok := sipgw.ParseReplaces(text); ok {
				return uri, &r
			}
		}
	}
	return uri, nil
}

// referred is the INVITE that a REFER asks for, without its offer, and the interface that it goes to.
func (c *call) referred(t *transfer, uri string, replaces *sipgw.Replaces, by string) (r sipgw.Invite, i *config.SIPInterface, err error) {
	props := c.counterpart(t.x)
	host := sipgw.SplitURI(uri).Host
	if i = t.x.iface; isTeams(i) || host != "" && !c.means(i, host) {
		id := identify(c.cfg, i, &route.Attempt{Interface: i.Name, Call: props}, c.m.Resolved)
		r = sipgw.Invite{RequestURI: uri, From: id.From, To: sipgw.NameAddr{URI: uri}, ContactUser: id.ContactUser, Headers: c.headers(i, id), Identity: id.Account}
		if replaces != nil && !isTeams(i) { // Teams refuses it (teams.md A.25)
			r.Headers = append(r.Headers, sipgw.Header{Name: "Replaces", Value: replaces.String()}, sipgw.Header{Name: "Require", Value: "replaces"})
		}
	} else {
		props.CalledURI, props.CalledE164 = uri, number(uri)
		plan, err := route.New(c.cfg, t.x.iface.Name, props)
		if err != nil {
			return r, nil, err
		}
		a := &plan.Attempts[0]
		for n := range plan.Attempts {
			if c.m.SIP.Available(plan.Attempts[n].Interface) {
				a = &plan.Attempts[n]
				break
			}
		}
		ref := config.Ref[config.SIPInterface]{Name: a.Interface}
		if i = ref.In(c.cfg); i == nil {
			return r, nil, &route.Error{Cause: 38, Text: "interface " + a.Interface + " does not exist"}
		}
		id := identify(c.cfg, i, a, c.m.Resolved)
		r = sipgw.Invite{RequestURI: id.RequestURI.String(), From: id.From, To: sipgw.NameAddr{URI: id.To.String()}, ContactUser: id.ContactUser,
			Headers: c.headers(i, id), Identity: id.Account}
	}
	r.Interface, r.Hops = i.Name, c.origin.hops+1
	if by != "" {
		r.Headers = append(r.Headers, sipgw.Header{Name: "Referred-By", Value: by})
	}
	return r, i, nil
}

// counterpart are the properties of a call that the peer beyond x makes: what the peer of x knows it by.
func (c *call) counterpart(x *side) route.Call {
	p := c.props
	if len(c.plan.Attempts) > 0 {
		p = c.plan.Attempts[min(max(c.attempt, 0), len(c.plan.Attempts)-1)].Call
	}
	if x == &c.b {
		return p // the caller, as x has seen it already
	}
	called := c.props.CalledE164
	account := address{User: parseAddress(c.props.CalledURI).User, Host: x.iface.Remote.Host}
	if !isNumber(called) && isNumber(p.CalledE164) {
		called = p.CalledE164
	}
	return route.Call{CallingE164: called, CallingURI: account.String(), CallingName: c.props.CalledName, Time: c.props.Time}
}

// means reports whether a host that a peer names is this box.
func (c *call) means(i *config.SIPInterface, host string) bool {
	if a, err := netip.ParseAddr(host); err == nil && a == c.m.SIP.LocalAddr(i.Name) {
		return true
	}
	names := []string{i.Local.Host}
	if gw := i.Gateway.In(c.cfg); gw != nil {
		for _, g := range gw.Interfaces {
			names = append(names, g.SpoofedContact.Host, g.SpoofedVia.Host)
		}
	}
	for _, n := range names {
		if n != "" && strings.EqualFold(n, host) {
			return true
		}
	}
	return false
}

// callNext sends the INVITE to the new peer. It is offered what y uses, and sendrecv, whatever is on hold now (teams.md A.50).
func (c *call) callNext(t *transfer, y *side, i *config.SIPInterface, r sipgw.Invite) error {
	t.next = side{which: t.x.which, iface: i, profile: c.profile(i)}
	if err := c.place(&t.next, t.x); err != nil {
		return err
	}
	local, err := c.local(&t.next)
	if err != nil {
		return err
	}
	local.Prefer, local.Other = y.choice.Codec.Name, agreed(y)
	if t.next.local, err = sdp.Offer(local); err != nil {
		return err
	}
	r.Body = t.next.local.Marshal()
	c.record.Attempts = append(c.record.Attempts, Attempt{Interface: i.Name, Called: r.RequestURI})
	t.next.leg = c.m.SIP.Invite(c, r)
	return nil
}

// notify tells how it goes on (RFC 3515 2.4.5).
func (t *transfer) notify(code int) {
	if t.quiet || code <= t.told {
		return
	}
	t.told = code
	state := "active;expires=180"
	if code >= 200 {
		state = "terminated;reason=noresource"
	}
	t.by.Request("NOTIFY", "message/sipfrag;version=2.0", []byte("SIP/2.0 "+strconv.Itoa(code)+" "+sipgw.Phrase(code)+"\r\n"),
		sipgw.Header{Name: "Event", Value: t.event}, sipgw.Header{Name: "Subscription-State", Value: state})
}

// fromNext handles an event of the leg to the new peer.
func (c *call) fromNext(e sipgw.Event) {
	t := c.transfer
	switch e := e.(type) {
	case sipgw.Progress:
		if len(e.Body) > 0 {
			t.kind, t.body = e.ContentType, e.Body
		}
		t.notify(e.Code)
	case sipgw.Answered:
		if len(e.Body) > 0 {
			t.kind, t.body = e.ContentType, e.Body
		}
		if !c.answered(&t.next, t.kind, t.body) {
			t.next.leg.Bye(reasonHeader(q850Cause(88))...)
			c.transferFailed(488)
			return
		}
		c.transferred()
	case sipgw.Failed:
		c.log.Info("transfer failed", "code", e.Code, "err", e.Text)
		c.transferFailed(e.Code)
	}
}

// transferred puts the new peer in the place of the one who asked.
func (c *call) transferred() {
	t := c.transfer
	c.transfer = nil
	t.notify(200)
	c.record.attempt(failure{code: 200})
	c.log.Info("transferred", "if", t.next.iface.Name, "leg", t.x.which.String())
	c.takeOver(t.x, t.next)
	c.renegotiate(t.x)
	t.by.Bye()
}

// takeOver makes n the side x; the other side, which the old peer may have put on hold, is talked to again.
func (c *call) takeOver(x *side, n side) {
	n.up = true
	if x.bridge != n.bridge {
		x.unbridge()
	}
	*x = n
	y := &c.b
	if x == &c.b {
		y = &c.a
	}
	c.hold(y, sdp.SendRecv)
}

// transferFailed leaves the call as it was; when the one who asked has hung up meanwhile, it ends.
func (c *call) transferFailed(code int) {
	t := c.transfer
	c.transfer = nil
	t.notify(code)
	c.record.attempt(failure{code: code})
	t.next.unbridge()
	switch {
	case t.x.leg == nil:
		c.hangUp(nil, "", "transfer")
	case t.x.choice != nil:
		if err := c.apply(t.x); err != nil {
			c.log.Warn("media not set", "leg", t.x.which.String(), "err", err)
		}
	}
}

// leaves reports whether x's peer hangs up because it has handed the call over: then the transfer goes on without it.
func (c *call) leaves(x *side) bool {
	if c.transfer == nil || c.transfer.x != x {
		return false
	}
	x.leg = nil
	return true
}

// dropTransfer ends the attempt of a transfer together with its call.
func (c *call) dropTransfer() {
	if t := c.transfer; t != nil {
		c.transfer = nil
		t.notify(487)
		if t.next.leg != nil {
			t.next.leg.Cancel()
		}
		t.next.unbridge()
	}
}
