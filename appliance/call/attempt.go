package call

import (
	"strconv"
	"time"

	"viaduct/appliance/callstate"
	"viaduct/appliance/config"
	"viaduct/appliance/media"
	"viaduct/appliance/party"
	"viaduct/appliance/refusal"
	"viaduct/appliance/route"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/status"
)

// next tries the destination that follows a failure f. When there is none, the caller gets f.
func (c *call) next(f refusal.Failure) {
	if f, ok := c.hunt(&c.hunting, f, c.invite); !ok {
		c.refuse(f)
	}
}

// invite sends the INVITE of one attempt.
func (c *call) invite(i *config.SIPInterface, a *route.Attempt) error {
	c.b.Interface, c.b.Profile = i, c.profile(i)
	c.b.Forget()
	if err := c.openCallee(); err != nil {
		return err
	}
	local, err := c.b.Draft(c.b.Terms())
	if err != nil {
		return err
	}
	if local.Other, err = c.callerCodecs(); err != nil {
		return err
	}
	offer, err := c.b.Offer(local)
	if err != nil {
		return err
	}

	id := party.Identify(c.cfg, i, a, c.m.Resolved)
	c.record.To = i.ID().String()
	c.record.Calls(a.Call.CallingE164, id.RequestURI.User, id.Account)
	c.record.CallingMapped, c.record.CalledMapped = a.Call.CallingE164, id.RequestURI.User
	c.log.Info("calling", "if", i.ID(), "to", id.RequestURI.String(), "from", id.From.URI)
	where := c.origin.location.ToldTo(i)
	c.b.Leg = c.m.SIP.Invite(c, sipgw.Invite{
		Interface: i.ID(), RequestURI: id.RequestURI.String(), From: id.From, To: sipmsg.NameAddr{URI: id.To.String()},
		ContactUser: id.ContactUser, Headers: append(c.headers(i, id), where.Headers...), Hops: c.origin.hops + 1,
		Body: offer, Parts: where.Parts, Identity: id.Account, Targets: c.phones.now, Urgent: c.urgent,
	})
	c.b.Line.Identity = c.phones.identity
	c.record.Sent(c.b.Leg.Info())
	if c.carry(media.B, c.whom.Identity); c.a.Interface.Teams() {
		c.carry(media.A, id.Account)
	}
	if c.urgent {
		c.rescue(id.Account, party.International(switchOf(c.cfg, c.a.Interface), c.props.CallingE164))
	}
	c.log.Debug("leg", "if", i.ID(), "call_id", c.b.Leg.Info().CallID)
	c.limitSilence(&c.hunting, &c.b, c.next)
	c.limitRinging(&c.hunting, &c.b, c.next)
	return nil
}

// headers are the headers of our INVITE to interface i, apart from those that every INVITE has. None of the caller's headers is
// copied: what belongs to one side (X-, User-Agent, route and charging headers) stays there.
func (c *call) headers(i *config.SIPInterface, id party.Identity) []sipmsg.Header {
	h := append([]sipmsg.Header{{Name: "Max-Forwards", Value: strconv.Itoa(c.origin.forwards)}}, id.Headers()...)
	if !i.Teams() { // Teams does not read it (teams.md A.34)
		h = append(h, c.origin.diverted.Header(c.cfg, i, id)...)
	}
	return h
}

// openCallee opens the media ports towards the callee. An attempt may leave from another address of the box than the one before, for
// example to a PBX behind the hubs of Teams in a hunt group. It then gets a new session: no peer has been told the ports of the old
// one. If the caller has, because a phone has rung before it forwarded the call, they stay.
func (c *call) openCallee() error {
	if c.b.Opened() && c.b.Ports.RTP.Addr() != c.m.SIP.LocalAddr(c.b.Interface.ID()) {
		if c.a.Local() != nil {
			return c.b.MovePorts(c.env(), c.hearHop)
		}
		c.media.Close()
		c.newMedia()
		c.a.Ports, c.b.Ports = media.Ports{}, media.Ports{}
	}
	if err := c.a.Open(c.env()); err != nil { // a new session, or ports ran out for the attempt before
		return err
	}
	return c.b.Open(c.env())
}

// callerCodecs are the codecs of the caller's offer. For a caller without an offer they are those that we would offer.
func (c *call) callerCodecs() ([]sdp.Codec, error) {
	if c.a.Remote() != nil {
		return c.a.Tonal(), nil
	}
	return c.a.Codecs(c.a.Terms())
}

// progress handles a provisional response.
func (c *call) progress(e sipgw.Progress) {
	c.alive() // the peer is alive
	if e.Code < 180 || e.Code > 189 {
		return // 100, and 199: one of several phones has given up (RFC 6228), which says nothing about the others
	}
	c.rang = true
	if c.state == callstate.Routing {
		c.become(callstate.Alerted)
	}
	c.record.Rings()
	if e.Code == 180 && c.record.Alerted.IsZero() {
		c.record.Alerted = time.Now()
	}
	if ok, _ := c.answered(&c.b, e.ContentType, e.Body); ok {
		if c.state == callstate.Alerted && e.Code != 180 {
			// Voice may follow at once (an announcement); if it does not, the caller should hear ringing and not silence
			// (teams.md A.27).
			c.early = c.after(earlyVoice, c.ring)
		}
		c.earlyMedia()
	}
	switch {
	case e.Code == 180:
		c.ring()
	case (e.Code < 183 || c.b.Choice() == nil) && c.state == callstate.Alerted:
		c.a.Leg.Provisional(e.Code, "", nil) // on its way elsewhere, queued, or getting on: nothing rings yet, and no voice can come
	}
}

// earlyVoice is how long a 183 may stay silent. After that the caller hears ringing.
const earlyVoice = 500 * time.Millisecond

// ring tells the caller once that the callee rings. A 183 may follow a 180, but not the other way round.
func (c *call) ring() {
	if c.state != callstate.Alerted || c.ringback() {
		return
	}
	c.become(callstate.Ringing)
	c.a.Leg.Provisional(180, "Ringing", nil)
}

// earlyMedia connects the caller to the callee before the answer, once voice has arrived.
func (c *call) earlyMedia() {
	if c.state != callstate.Alerted && c.state != callstate.Ringing || !c.b.Voice || c.b.Choice() == nil || c.a.Remote() == nil {
		return
	}
	body, err := c.answer(&c.a, &c.b)
	if err != nil {
		c.log.Warn("early media not passed on", "err", err)
		return
	}
	stop(c.early)
	if c.a.Interface.EarlyConnect {
		c.become(callstate.Announced)
		c.a.Leg.Answer(body)
		return
	}
	c.become(callstate.EarlyMedia)
	c.a.Leg.Provisional(183, "Session Progress", body)
}

// connect joins the two sides when the callee has answered.
func (c *call) connect(e sipgw.Answered) {
	c.alive()
	stop(c.early)
	fail := func(err error) {
		c.log.Warn("call not connected", "err", err)
		c.record.Attempt(status.Unusable, err.Error())
		c.b.Leg.Bye(refusal.Header(refusal.Q850(88))...)
		c.b.Leg = nil
		c.refuse(refusal.Unusable(err))
	}
	if _, err := c.answered(&c.b, e.ContentType, e.Body); err != nil || c.b.Choice() == nil {
		fail(&sdp.Error{Code: 488, Text: "the answer holds no usable description"})
		return
	}
	c.b.NoteAllow(e.Headers)
	if err := c.answerCaller(); err != nil {
		fail(err)
		return
	}
	c.renegotiate(&c.b)
}

// answerCaller connects the caller with the callee that has answered.
func (c *call) answerCaller() error {
	var body []byte
	var err error
	if c.a.Remote() == nil {
		body, err = c.offer(&c.a, &c.b) // the caller's answer comes in the ACK
	} else {
		body, err = c.answer(&c.a, &c.b)
	}
	if err != nil {
		return err
	}
	c.stopRingback()
	if c.state == callstate.Listening {
		c.become(callstate.Connected)
	} else {
		c.become(callstate.Answered)
	}
	c.origin.round.Leave()
	c.decided()
	c.origin.invite = nil
	c.record.Connected = time.Now()
	c.record.Talk()
	c.record.Answers(c.b.Leg.Info())
	c.a.Leg.Answer(body)
	c.log.Info("connected", "if", c.b.Interface.ID())
	c.releaseChannel()
	c.alignSides(&c.a)
	if c.a.Choice() != nil && c.b.Choice() != nil && sdp.Joinable(c.a.Choice().Codec, c.b.Choice().Codec) {
		c.alignSides(&c.b) // which may have agreed on more than the caller has
	}
	c.hold(&c.a, c.a.Wanted()) // an UPDATE before the answer may have said so
	c.hold(&c.b, c.b.Wanted())
	c.noteHold()
	return nil
}

// attemptFailed handles a final refusal of the callee.
func (c *call) attemptFailed(e sipgw.Failed) {
	f := c.follow(&c.hunting, &c.b, e, c.rejection(&c.b, c.state != callstate.Routing, e))
	c.b.Leg = nil
	c.next(f)
}
