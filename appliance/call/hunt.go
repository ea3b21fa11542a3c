package call

import (
	"errors"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/route"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
)

// next goes to the destination that follows a failure f, or gives the caller f when none does. After an 18x nothing is hunted on: the callee's phones would ring again (teams.md A.30).
func (c *call) next(f failure) {
	stop(c.noAnswer)
	for !c.alerted {
		n, ok := 0, c.attempt < 0 && len(c.plan.Attempts) > 0
		if c.attempt >= 0 {
			n, ok = c.following(f)
		}
		if !ok {
			break
		}
		c.attempt = n
		if f = c.try(&c.plan.Attempts[n]); f.code == 0 {
			return
		}
	}
	c.refuse(f)
}

// try starts one attempt; the zero failure means that it is under way.
func (c *call) try(a *route.Attempt) failure {
	ref := config.Ref[config.SIPInterface]{Name: a.Interface}
	i := ref.In(c.cfg)
	switch {
	case i == nil:
		return failure{code: 503, cause: 38, reason: "Service Unavailable", text: "interface " + a.Interface + " does not exist"}
	case !c.urgent && !c.m.SIP.Available(a.Interface):
		c.log.Info("destination skipped, it does not answer OPTIONS", "if", a.Interface)
		return failure{code: 503, cause: 38, reason: "Service Unavailable", text: a.Interface + " does not answer OPTIONS"}
	}
	if err := c.call(i, a); err != nil {
		c.log.Warn("destination not tried", "if", a.Interface, "err", err)
		var e *sdp.Error
		if errors.As(err, &e) {
			return unusable(err)
		}
		return failure{code: 503, cause: 47, reason: "Service Unavailable", text: err.Error()}
	}
	return failure{}
}

// call sends the INVITE of one attempt.
func (c *call) call(i *config.SIPInterface, a *route.Attempt) error {
	c.b.iface, c.b.profile = i, c.profile(i)
	c.b.forget()
	if err := c.open(&c.b); err != nil {
		return err
	}
	local, err := c.local(&c.b)
	if err != nil {
		return err
	}
	if local.Other, err = c.callerCodecs(); err != nil {
		return err
	}
	offer, err := sdp.Offer(local)
	if err != nil {
		return err
	}
	c.b.local = offer

	id := identify(c.cfg, i, a, c.m.Resolved)
	c.record.To = i.Name
	c.record.Attempts = append(c.record.Attempts, Attempt{Interface: i.Name, Calling: a.Call.CallingE164, Called: id.RequestURI.User})
	c.log.Info("calling", "if", i.Name, "to", id.RequestURI.String(), "from", id.From.URI)
	c.b.leg = c.m.SIP.Invite(c, sipgw.Invite{
		Interface: i.Name, RequestURI: id.RequestURI.String(), From: id.From, To: sipgw.NameAddr{URI: id.To.String()},
		ContactUser: id.ContactUser, Headers: c.headers(i, id), Hops: c.origin.hops + 1, Body: offer.Marshal(), Identity: id.Account,
		Urgent: c.urgent,
	})
	if leg := c.b.leg; a.Timeout > 0 {
		c.noAnswer = c.after(a.Timeout, func() { c.silent(leg, a.Timeout) })
	}
	return nil
}

// callerCodecs are the codecs that the caller offers, or would be offered by us when it came without an offer.
func (c *call) callerCodecs() ([]sdp.Codec, error) {
	if c.a.remote != nil {
		return c.a.remote.Audio.Codecs, nil
	}
	local, err := c.local(&c.a)
	if err != nil {
		return nil, err
	}
	offer, err := sdp.Offer(local)
	if err != nil {
		return nil, err
	}
	return offer.Audio.Codecs, nil
}

// silent gives an attempt up that has not answered at all, not even with 100, in time d.
func (c *call) silent(leg *sipgw.Leg, d time.Duration) {
	if c.over || c.b.leg != leg {
		return
	}
	leg.Cancel()
	c.b.leg = nil
	f := failure{code: 503, cause: 41, reason: "Service Unavailable", text: "no answer within " + d.String()}
	c.record.attempt(f)
	c.log.Warn("destination does not answer", "if", c.b.iface.Name)
	c.next(f)
}

// failed reads what a final response means: for 4xx and 6xx the status code decides, a Reason header only refines a 5xx
// (teams.md A.29: Teams says "busy on busy" with 486 and cause 34, and whoever hunts on that rings the callee three times).
func (c *call) failed(e sipgw.Failed) failure {
	// Its reason phrase stays here: it is text of one side and may name things there.
	f := failure{code: e.Code, text: e.Text, retry: e.RetryAfter, cause: route.CauseFromSIP(e.Code)}
	if e.Code >= 500 && e.Code < 600 && e.Cause != 0 {
		f.cause = e.Cause
	}
	if e.Local {
		// DNS, TCP, TLS or a peer that is gone: the next destination at once (trinity.md 2.6).
		f.cause, f.reason = 38, "Service Unavailable"
		if f.code < 500 || f.code >= 600 {
			f.code = 503
		}
		if e.Err != nil {
			f.text = e.Err.Error()
		}
	}
	switch {
	case e.Local && c.alerted:
		// It rang until the time was over. 503 or 408 would make Teams try its next trunk, and the phone ring again.
		f.code, f.reason, f.cause = 480, "Temporarily Unavailable", 19
	case e.Code == 401 || e.Code == 407:
		// The caller cannot answer a challenge that was meant for our account.
		f.code, f.reason = 503, "Service Unavailable"
	case e.Code >= 300 && e.Code < 400:
		f.code, f.reason, f.cause = 480, "Temporarily Unavailable", 23
	}
	c.record.attempt(f)
	c.b.leg = nil
	return f
}

// progress handles a provisional response.
func (c *call) progress(e sipgw.Progress) {
	stop(c.noAnswer) // the peer is alive
	if e.Code < 180 || e.Code > 189 {
		return // 100, and 199: one of several phones has given up (RFC 6228), which says nothing about the others
	}
	c.alerted = true
	if e.Code == 180 && c.record.Alerted.IsZero() {
		c.record.Alerted = time.Now()
	}
	if c.answered(&c.b, e.ContentType, e.Body) {
		if !c.ringing && e.Code != 180 {
			// Voice may follow at once (an announcement); if it does not, the caller should hear ringing and not silence
			// (teams.md A.27).
			c.early = c.after(earlyVoice, func() { c.ring(180, "Ringing", nil) })
		}
		c.earlyMedia()
	}
	switch {
	case e.Code == 180:
		c.ring(180, "Ringing", nil)
	case (e.Code == 181 || e.Code == 182) && !c.ringing && !c.a.up:
		c.a.leg.Provisional(e.Code, "", nil) // on its way elsewhere, or queued: nothing rings yet
	}
}

// earlyVoice is how long a 183 may be silent before the caller hears ringing instead.
const earlyVoice = 500 * time.Millisecond

// ring tells the caller once; a 183 may follow a 180 but not the other way round.
func (c *call) ring(code int, reason string, body []byte) {
	if c.over || c.a.up || c.ringing && code == 180 {
		return
	}
	c.ringing = true
	c.a.leg.Provisional(code, reason, body)
}

// earlyMedia connects the caller to voice that really arrives before the answer.
func (c *call) earlyMedia() {
	if c.a.up || c.a.early || !c.b.voice || c.b.choice == nil || c.a.remote == nil {
		return
	}
	body, err := c.answer(&c.a, &c.b)
	if err != nil {
		c.log.Warn("early media not passed on", "err", err)
		return
	}
	c.a.early = true
	stop(c.early)
	if c.a.iface.EarlyConnect {
		c.a.up = true
		c.a.leg.Answer(body)
		return
	}
	c.ring(183, "Session Progress", body)
}

// connect joins the sides when the callee has answered.
func (c *call) connect(e sipgw.Answered) {
	stop(c.noAnswer)
	stop(c.early)
	c.b.up = true
	fail := func(err error) {
		c.log.Warn("call not connected", "err", err)
		c.b.leg.Bye(reasonHeader(q850Cause(88))...)
		c.b.leg = nil
		c.refuse(unusable(err))
	}
	if !c.answered(&c.b, e.ContentType, e.Body) && c.b.choice == nil {
		fail(&sdp.Error{Code: 488, Text: "the answer holds no usable description"})
		return
	}
	c.b.refers = allows(e.Headers, "REFER")
	if err := c.answerCaller(); err != nil {
		fail(err)
		return
	}
	c.renegotiate(&c.b)
}

// answerCaller connects the caller with the callee, who has answered.
func (c *call) answerCaller() error {
	var body []byte
	var err error
	if c.a.remote == nil {
		body, err = c.offer(&c.a, &c.b) // the caller's answer comes in the ACK
	} else {
		body, err = c.answer(&c.a, &c.b)
	}
	if err != nil {
		return err
	}
	c.a.up = true
	c.settled()
	c.record.Connected = time.Now()
	c.record.attempt(failure{code: 200})
	c.a.leg.Answer(body)
	c.log.Info("connected", "if", c.b.iface.Name)
	c.sameCodec()
	return nil
}

func g711(c *sdp.Choice) bool { return c.Codec.Name == sdp.PCMA || c.Codec.Name == sdp.PCMU }

// sameCodec offers the caller the codec of the callee when a fork that answered chose another one than the fork whose early media the
// caller has been hearing: the relay converts between the laws of G.711 and nothing else.
func (c *call) sameCodec() {
	a, b := &c.a, &c.b
	if a.choice == nil || b.choice == nil || a.choice.Codec.Name == b.choice.Codec.Name || g711(a.choice) && g711(b.choice) {
		return
	}
	offer, err := c.offer(a, b)
	if err != nil {
		c.log.Warn("codec of the callee not offered to the caller", "err", err)
		return
	}
	a.reinvite, a.lastTaken = true, nil
	a.leg.Reinvite(offer)
}
