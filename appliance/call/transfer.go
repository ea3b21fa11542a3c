package call

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"viaduct/appliance/callstate"
	"viaduct/appliance/config"
	"viaduct/appliance/disturb"
	"viaduct/appliance/party"
	"viaduct/appliance/refusal"
	"viaduct/appliance/route"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/status"
)

// transfer is a REFER that the box acts on (`call-transfer accept`): the peer of side x wants another peer in its place.
//
// The host of Refer-To decides which one, except where a phone of the box asks: it can only mean a call through the box. Teams, and any PBX that names itself or a host we do not know, gets a new INVITE back with
// the URI byte for byte. For Teams the URI names a state of its own, even if it looks like a telephone number; an SBC that sends it
// to the PBX makes loops (teams.md A.50). A PBX that names the box means a call through it. A PBX that names another of its calls
// with the box (attended transfer) wants the two callees joined, see joined.go.
//
// The new INVITE is hunted through like that of any call. The call stays as it is until the new peer rings or is heard; from then on
// the other side, the transferee, hears that (see tone.go). When the new peer has answered, its leg becomes that of side x, on the
// same ports, and the old leg is ended. If no peer answers, everything is as before.
type transfer struct {
	hunting
	state callstate.Target
	x     *side
	by    *sipgw.Leg // the peer that asked; NOTIFY tells it the result
	event string     // value of the Event header
	quiet bool
	told  int
	next  side // who is called

	uri        string           // of Refer-To
	replaces   *sipmsg.Replaces // of its headers; nil: none
	referredBy string           // byte for byte
	back       bool             // the INVITE goes back to the peer that asked

	wait *time.Timer // 183 came, but no voice yet
}

// refer handles a REFER of x's peer.
func (c *call) refer(x, y *side, e sipgw.Refer) {
	list := sipmsg.ParseList([]string{e.ReferTo})
	switch {
	case len(list) != 1:
		x.Leg.Respond(e.ID, 400, "Malformed Refer-To", nil)
		return
	case c.transfer != nil:
		x.Leg.Respond(e.ID, 491, "", nil)
		return
	case y.Leg == nil || !c.up(y) || y.Choice() == nil:
		x.Leg.Respond(e.ID, 603, "", nil)
		return
	}
	t := &transfer{x: x, by: x.Leg, event: "refer", quiet: e.Quiet, referredBy: e.ReferredBy}
	if !x.Interface.Phones.IsZero() {
		t.referredBy = "" // what a phone claims goes nowhere
	}
	if x.Referrals++; x.Referrals > 1 {
		t.event += ";id=" + strconv.FormatUint(uint64(e.Seq), 10) // RFC 3515 2.4.6
	}
	var h []sipmsg.Header
	if e.Quiet {
		h = []sipmsg.Header{{Name: "Refer-Sub", Value: "false"}}
	}
	x.Leg.Respond(e.ID, 202, "", nil, h...)
	c.transfer = t
	t.notify(100)

	t.uri, t.replaces = sipmsg.ReferTo(list[0].URI)
	c.log.Info("transfer", "if", x.Interface.ID(), "leg", x.Which.String(), "to", t.uri)
	if t.replaces != nil {
		if leg := c.m.SIP.Dialog(x.Interface.ID(), *t.replaces); leg != nil {
			if other, ok := leg.Owner().(*call); ok && other != c {
				c.joinCalls(other, leg)
				return
			}
		}
	}
	if err := c.aim(t); err != nil {
		c.log.Warn("transfer failed", "if", x.Interface.ID(), "to", t.uri, "err", err)
		c.transferFailed(refusal.Unroutable(err).Code)
		return
	}
	c.startHunt(&t.hunting)
	c.nextTarget(refusal.Failure{Code: 503})
}

// aim finds the destinations of a transfer.
func (c *call) aim(t *transfer) (err error) {
	props := c.counterpart(t.x)
	host := sipmsg.SplitURI(t.uri).Host
	if i := t.x.Interface; i.Teams() || i.Phones.IsZero() && host != "" && !party.IsOurHost(c.cfg, i, host) {
		t.back, t.plan = true, c.backTo(i, props)
		return nil
	}
	sw := switchOf(c.cfg, t.x.Interface)
	props.CalledURI, props.CalledE164 = party.PlainURI(sw, t.uri), party.Number(sw, t.uri)
	props.Time = time.Now().In(c.cfg.Clock.Location())
	t.plan, _, err = c.m.Route(c.cfg, t.x.Interface.ID(), props)
	c.showRoute(t.plan)
	if err != nil {
		return err
	}
	c.urgency(&t.hunting, t.x.Interface, props.CalledE164)
	t.asked = disturb.Asked{From: t.x.Interface, Call: &props}
	return nil
}

// backTo is the way back to the peer of an interface. Teams is tried by each of its names, as a hunt group has them.
func (c *call) backTo(i *config.SIPInterface, props route.Call) *route.Plan {
	sw := switchOf(c.cfg, i)
	for _, h := range sw.HuntGroups {
		if !i.Teams() || !slices.ContainsFunc(h.Routes, func(r config.HuntRoute) bool { return r.Dest.Interface.Name == i.Name }) {
			continue
		}
		plan, err := route.DryRun(sw, config.Dest{Service: config.ServiceRef{Name: h.Name}}, props)
		if err != nil {
			continue
		}
		for n := range plan.Attempts {
			plan.Attempts[n].Call, plan.Attempts[n].Written = props, nil
		}
		return plan
	}
	return &route.Plan{Attempts: []route.Attempt{{Interface: i.ID(), Call: props}}}
}

// referred is the INVITE that a REFER asks for, without its offer.
func (c *call) referred(t *transfer, i *config.SIPInterface, a *route.Attempt) sipgw.Invite {
	id := party.Identify(c.cfg, i, a, c.m.Resolved)
	r := sipgw.Invite{Interface: i.ID(), RequestURI: id.RequestURI.String(), From: id.From, To: sipmsg.NameAddr{URI: id.To.String()},
		ContactUser: id.ContactUser, Headers: c.headers(i, id), Identity: id.Account, Hops: c.origin.hops + 1, Urgent: t.urgent}
	if t.back {
		r.RequestURI, r.To = t.uri, sipmsg.NameAddr{URI: t.uri}
		if t.replaces != nil && !i.Teams() { // Teams refuses it (teams.md A.25)
			r.Headers = append(r.Headers, sipmsg.Header{Name: "Replaces", Value: t.replaces.String()}, sipmsg.Header{Name: "Require", Value: "replaces"})
		}
	}
	if t.referredBy != "" {
		r.Headers = append(r.Headers, sipmsg.Header{Name: "Referred-By", Value: t.referredBy})
	}
	return r
}

// counterpart are the properties of a call made by the peer beyond x, as the peer of x knows it.
func (c *call) counterpart(x *side) route.Call {
	p := c.props
	if len(c.plan.Attempts) > 0 {
		p = c.plan.Attempts[min(max(c.attempt, 0), len(c.plan.Attempts)-1)].Call
	}
	if x == &c.b {
		return p // the caller, as x has seen it already
	}
	called := c.props.CalledE164
	account := party.Address{User: party.ParseAddress(c.props.CalledURI).User, Host: x.Interface.Remote.Host}
	if !x.Interface.Phones.IsZero() {
		account.Host = party.Host(c.cfg, x.Interface)
	}
	if !party.IsNumber(called) && party.IsNumber(p.CalledE164) {
		called = p.CalledE164
	}
	return route.Call{CallingE164: called, CallingURI: account.String(), CallingName: c.props.CalledName, Time: c.props.Time}
}

// nextTarget tries the destination that follows a failure f. When there is none, the transfer ends.
func (c *call) nextTarget(f refusal.Failure) {
	t := c.transfer
	invite := func(i *config.SIPInterface, a *route.Attempt) error { return c.inviteTarget(t, i, a) }
	if f, ok := c.hunt(&t.hunting, f, invite); !ok {
		c.log.Warn("transfer failed", "if", t.x.Interface.ID(), "to", t.uri, "code", f.Code, "err", f.Text)
		c.transferFailed(f.Code)
	}
}

// inviteTarget sends the INVITE to the new peer. It offers the codecs that the transferee uses or could use, and sendrecv whatever
// is on hold now (teams.md A.50).
func (c *call) inviteTarget(t *transfer, i *config.SIPInterface, a *route.Attempt) error {
	y := c.beyond(t.x)
	t.next.ReleasePorts(t.x)
	t.next = side{Which: t.x.Which, Interface: i, Profile: c.profile(i)}
	if t.back && t.x.Interface.Teams() && !i.Teams() {
		return errForTeams
	}
	if err := c.channel(t.next.Channels(), t.urgent); err != nil {
		return err
	}
	if err := c.takePorts(&t.next, t.x); err != nil {
		return err
	}
	local, err := t.next.Draft(t.next.Terms())
	if err != nil {
		return err
	}
	local.Prefer, local.Other = y.Choice().Codec.Name, y.Able()
	offer, err := t.next.Offer(local)
	if err != nil {
		return err
	}
	r := c.referred(t, i, a)
	r.Body, r.Targets = offer, t.phones.now
	c.record.Calls(sipmsg.SplitURI(r.From.URI).User, r.RequestURI, r.Identity)
	c.log.Info("calling", "if", i.ID(), "to", r.RequestURI, "from", r.From.URI)
	t.next.Leg = c.m.SIP.Invite(c, r)
	t.next.Line.Identity = t.phones.identity
	c.record.Sent(t.next.Leg.Info())
	if t.urgent {
		c.rescue(c.carried[y.Which], "")
	}
	c.limitSilence(&t.hunting, &t.next, c.nextTarget)
	c.limitRinging(&t.hunting, &t.next, c.nextTarget)
	return nil
}

var errForTeams = errors.New("only Teams can be called for a transfer by Teams")

// notify tells the peer that asked how far the transfer has come (RFC 3515 2.4.5).
func (t *transfer) notify(code int) {
	if t.quiet || code <= t.told {
		return
	}
	t.told = code
	state := "active;expires=180"
	if code >= 200 {
		state = "terminated;reason=noresource"
	}
	t.by.Request("NOTIFY", "message/sipfrag;version=2.0", []byte("SIP/2.0 "+strconv.Itoa(code)+" "+sipmsg.Phrase(code)+"\r\n"),
		sipmsg.Header{Name: "Event", Value: t.event}, sipmsg.Header{Name: "Subscription-State", Value: state})
}

// fromNext handles an event of the leg to the new peer.
func (c *call) fromNext(e sipgw.Event) {
	t := c.transfer
	switch e := e.(type) {
	case sipgw.Progress:
		t.hunting.alive()
		t.notify(e.Code)
		c.targetProgress(t, e)
	case sipgw.Answered:
		t.hunting.alive()
		t.next.NoteAllow(e.Headers)
		done := func(ok bool) {
			switch {
			case c.transfer != t:
			case ok:
				c.transferred()
			default:
				c.record.Attempt(status.Unusable, "no codec in common with the other side")
				c.transferFailed(488)
			}
		}
		if _, err := c.answered(&t.next, e.ContentType, e.Body); err != nil || t.next.Choice() == nil {
			done(false)
			return
		}
		c.alignCodec(c.beyond(t.x), t.next.Choice(), done)
	case sipgw.Failed:
		f := c.follow(&t.hunting, &t.next, e, c.rejection(&t.next, t.state != callstate.TargetCalled, e))
		t.next.Leg = nil
		c.nextTarget(f)
	case sipgw.Ended: // while the transferee changes its codec
		t.next.Leg = nil
		c.transferFailed(480)
	default:
		c.inDialog(&t.next, c.beyond(t.x), e)
	}
}

// transferred puts the new peer in the place of the one that asked.
func (c *call) transferred() {
	t := c.transfer
	c.stopTone(t)
	c.transfer = nil
	t.notify(200)
	c.record.Answers(t.next.Leg.Info())
	c.record.Transfers++
	c.log.Info("transferred", "if", t.next.Interface.ID(), "leg", t.x.Which.String())
	c.urgent = c.urgent || t.urgent
	if t.whom.Identity != "" { // else the PBX still takes the call for one of whom Teams has handed on
		c.carry(t.x.Which, t.whom.Identity)
	}
	c.record.Emergency = c.urgent
	c.takeOver(t.x, t.next)
	if t.x == &c.a {
		c.acknowledged() // its leg has been answered by the new peer: no ACK is to come
	}
	c.renegotiate(t.x)
	c.tellLamps()
	t.by.Bye()
}

// takeOver makes n the side x. The other side, which the old peer may have held, is resumed.
func (c *call) takeOver(x *side, n side) {
	if x.Hop != n.Hop {
		x.CloseHop()
	}
	c.changed()
	waiting := x.AbandonReinvite()
	*x = n
	x.AbandonReinvite()
	for _, tell := range waiting {
		tell()
	}
	c.releaseChannel()
	c.record.Talk()
	c.hold(c.beyond(x), sdp.SendRecv)
	c.noteHold()
}

// releaseChannel gives the channel back when no side has SRTP any more.
func (c *call) releaseChannel() {
	if err := c.channel(0, c.urgent); err != nil {
		c.log.Warn("a side has SRTP without a license", "err", err)
	}
}

// transferFailed leaves the call as it was. If the peer that asked has hung up meanwhile, the call ends.
func (c *call) transferFailed(code int) {
	t := c.transfer
	c.stopTone(t)
	c.transfer = nil
	t.notify(code)
	if t.next.Leg != nil {
		t.next.Leg.Bye(refusal.Header(refusal.Q850(88))...)
	}
	t.next.ReleasePorts(t.x)
	if t.x.Leg == nil {
		c.hangUp(nil, "", status.ByTransfer)
		return
	}
	c.releaseChannel()
	if t.x.Choice() != nil {
		if err := c.apply(t.x); err != nil {
			c.log.Warn("media not set", "leg", t.x.Which.String(), "err", err)
		}
	}
	y := c.beyond(t.x)
	c.alignSides(y)
	if t.state.Heard() {
		c.hold(y, holdDirection(t.x.PeerHolds(), y.Interface.HoldMethod))
	}
}

// handsOver reports whether x's peer hangs up because it has transferred the call. The transfer then goes on without it.
func (c *call) handsOver(x *side) bool {
	if c.transfer == nil || c.transfer.x != x {
		return false
	}
	x.Leg = nil
	return true
}

// abortTransfer ends a transfer together with its call.
func (c *call) abortTransfer() {
	if t := c.transfer; t != nil {
		c.stopTone(t)
		c.transfer = nil
		t.notify(487)
		if t.next.Leg != nil {
			t.next.Leg.Bye()
		}
		t.next.ReleasePorts(t.x)
	}
}
