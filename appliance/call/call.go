package call

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"viaduct/appliance/callrecord"
	"viaduct/appliance/callside"
	"viaduct/appliance/callstate"
	"viaduct/appliance/config"
	"viaduct/appliance/disturb"
	"viaduct/appliance/lamps"
	"viaduct/appliance/license"
	"viaduct/appliance/mailbox"
	"viaduct/appliance/media"
	"viaduct/appliance/party"
	"viaduct/appliance/refusal"
	"viaduct/appliance/route"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/status"
)

// call is one call. All of its methods run on its own goroutine, see Manager.OnInvite.
type call struct {
	m    *Manager
	log  *slog.Logger
	id   string
	box  *mailbox.Mailbox
	done chan struct{} // closed when the call has ended
	cfg  *config.Config

	a, b    side         // caller's and callee's
	props   route.Call   // of the caller's INVITE, before routing
	origin  origin       // what else it brought
	hunting              // for the callee
	media   MediaSession // nil before it is needed
	lease

	state    callstate.State
	early    *time.Timer // 183 came, but no voice yet
	handover             // that is under way
	carried  [2]string   // the identity that takes part on each side, see carry
	record   callrecord.Record
	lamps    lamps.Lamps // of the phones that take part
	stale    bool        // the standby knows the call as it was, see keep.go
}

// lease is what the call holds of the licenses.
type lease struct {
	share  license.Share // holds nothing before it is taken, and for an emergency call without
	unwait func() bool   // ends the wait for a license; nil: the call has not waited
}

// handover is a change of one of the legs that is under way.
type handover struct {
	transfer     *transfer  // REFER that is acted upon; nil: none
	coming       *sipgw.Leg // INVITE with Replaces that waits for the other side to change its codec; nil: none
	joined       *joined    // with another call, see joined.go; nil: none
	referredBack bool       // the call was referred back to its peer, see referBack
}

// stayAway is how long a caller who is refused, because something is being taken out of service, is asked to stay away.
const stayAway = time.Minute

func newCall(m *Manager, in *sipgw.Incoming) *call {
	id := newID()
	c := &call{
		m: m, id: id, log: m.log.With("call", id), done: make(chan struct{}), cfg: m.Config(),
		lease:  lease{share: license.None},
		a:      side{Which: media.A, Leg: in.Leg},
		b:      side{Which: media.B},
		record: callrecord.New(id, in.Interface, m.Leg),
		origin: origin{invite: in},
	}
	c.box = mailbox.Under(m.turns, c.dialledEmergency(in))
	c.record.Dialog(in.Request.CallID)
	return c
}

// Post and Event make a call the owner of its legs.
func (c *call) Post(f func()) bool { return c.box.Post(f) }

// do runs f on the call's goroutine, and has the standby keep what it has changed.
func (c *call) do(f func()) bool {
	return c.Post(func() {
		f()
		c.keep()
	})
}

func (c *call) Event(l *sipgw.Leg, e sipgw.Event) {
	defer c.keep()
	defer c.tellLamps()
	c.changes(e)
	switch {
	case c.ended():
	case l == c.a.Leg:
		c.fromLeg(&c.a, &c.b, e)
	case l == c.b.Leg:
		c.fromLeg(&c.b, &c.a, e)
	case c.transfer != nil && l == c.transfer.next.Leg:
		c.fromNext(e)
	case l == c.coming:
		c.coming = nil // the CANCEL of one that wanted to replace a side
	}
	// Any other leg is an attempt that was given up: its failure was expected, and a 200 that crossed our CANCEL is
	// acknowledged and ended by sipgw.
}

// begin routes the call and starts its first attempt.
func (c *call) begin(in *sipgw.Incoming) {
	var sw *config.Switch
	if sw, c.a.Interface = in.Interface.In(c.cfg); c.a.Interface == nil {
		c.refuse(refusal.Failure{Code: 503, Reason: "Service Unavailable", Text: "the interface is no longer configured"})
		return
	}
	c.a.Profile = c.profile(c.a.Interface)
	c.props, c.origin = party.Properties(sw, c.a.Interface, in.Request), originOf(sw, in)
	if !c.a.Interface.Phones.IsZero() {
		c.origin.diverted = party.Diverted{} // a phone that forwards says so in a 3xx; anything else is a claim in the name of others
		party.OfPhone(c.cfg, c.a.Interface, in.Identity, &c.props)
		c.record.Phone, c.a.Line = in.Identity, callside.Line{Identity: in.Identity, Began: true}
	}
	if here := c.a.Leg.LocalAddr(); here.IsValid() {
		c.props.CalledIP = here.String()
	}
	c.a.NoteAllow(in.Request.Headers)
	c.record.Ask(&c.props)
	c.record.CallID, c.record.Peer = in.Request.CallID, c.a.Leg.Info().Peer
	c.record.Licenses = c.m.Licenses.InUse()
	c.log.Info("call", "if", in.Interface, "from", c.props.CallingURI, "to", in.Request.URI)
	c.log.Debug("leg", "if", in.Interface, "call_id", in.Request.CallID)

	if !c.enterRound(in) {
		c.refuse(refusal.Failure{Code: 482, Cause: 25, Reason: "Loop Detected", Text: "the call loops"})
		c.log.Warn("call refused, it loops", "if", in.Interface)
		return
	}
	offer, err := c.described(&c.a, in.Request.ContentType, in.Request.Body, true)
	if err != nil {
		c.refuse(refusal.Unusable(err))
		return
	}
	c.a.TakeOffer(offer) // nil: the caller wants our offer

	c.props.Time = c.record.Started.In(c.cfg.Clock.Location())
	c.plan, c.record.Survival, err = c.m.Route(c.cfg, in.Interface, c.props)
	c.showRoute(c.plan)
	c.record.Routed(c.plan)
	away := c.m.Service.Refuses(in.Interface)
	if err != nil && away == "" {
		c.refuse(refusal.Unroutable(err))
		return
	}
	c.urgency(&c.hunting, c.a.Interface, c.props.CalledE164)
	if away != "" && (err != nil || !c.urgent) { // an emergency call is taken if it has a route
		c.refuse(refusal.Failure{Code: 503, Cause: 41, Reason: "Service Unavailable", Text: away, Retry: stayAway})
		return
	}
	if !c.a.Interface.Phones.IsZero() && in.Identity == "" && !c.urgent {
		c.refuse(refusal.Failure{Code: 403, Cause: 21, Reason: "Forbidden", Text: "the phone has not shown who it is"})
		return
	}
	if c.urgent {
		c.record.Emergency = true
		c.m.room.Urgent(c.id)
	}
	if c.asked = (disturb.Asked{From: c.a.Interface, Call: &c.props}); !c.unwanted() {
		c.makeRoom(c.license, c.licensed, maxTries)
	}
}

// licensed continues when the call has its license. With an error it was refused one.
func (c *call) licensed(err error) {
	if err != nil && c.leased() {
		return
	}
	if err != nil {
		c.m.room.Refused(c.id)
		c.refuse(refusal.Unlicensed(err))
		return
	}
	c.newMedia()
	tries := 0
	if c.urgent {
		tries = maxTries // ports are found, too
	}
	c.makeRoom(func() error { return c.a.Open(c.env()) }, c.portsTaken, tries)
}

// portsTaken continues when the caller's side has its ports. With an error there were none.
func (c *call) portsTaken(err error) {
	if err != nil {
		c.m.room.Refused(c.id)
		c.refuse(refusal.Failure{Code: 503, Reason: "Service Unavailable", Text: err.Error()})
		return
	}
	if err := c.a.Answerable(c.a.Terms()); err != nil {
		c.refuse(refusal.Unusable(err)) // before anybody's phone rings
		return
	}
	c.startHunt(&c.hunting)
	c.next(refusal.Failure{Code: 503, Cause: 38, Reason: "Service Unavailable", Text: "the route has no destination"})
}

// newMedia makes the call's media session.
func (c *call) newMedia() { c.hear(c.m.Media.NewSession()) }

// hear takes a media session as the call's own.
func (c *call) hear(session MediaSession) {
	c.media = session
	if c.m.Voice != nil {
		if f := c.m.Voice(c.id, c.record.Calling, c.record.Called); f != nil {
			session.Listen(f)
		}
	}
	session.Notify(func(e media.Event) {
		c.Post(func() {
			if c.media == session {
				c.fromMedia(e)
			}
		})
	})
}

func (c *call) profile(i *config.SIPInterface) *config.VoIPProfile { return sdp.ProfileOf(c.cfg, i) }

// fromLeg handles an event of leg x; y is the other one.
func (c *call) fromLeg(x, y *side, e sipgw.Event) {
	callee := x == &c.b
	switch e := e.(type) {
	case sipgw.Cancelled:
		c.cancelled(e)
		return
	case sipgw.Ended:
		c.hungUp(x, y, e)
		return
	case sipgw.Progress:
		if callee {
			c.progress(e)
		}
		return
	case sipgw.Answered:
		if callee && !e.Reinvite {
			c.connect(e)
			return
		}
	case sipgw.Failed:
		if callee && !e.Reinvite {
			c.attemptFailed(e)
			return
		}
	}
	c.inDialog(x, y, e)
}

// cancelled is the CANCEL of the caller.
func (c *call) cancelled(e sipgw.Cancelled) {
	c.record.End(status.ByCaller, 487, e.Reason)
	c.record.Told(c.a.Interface, e.Reason)
	if c.b.Leg != nil {
		c.b.Leg.Bye(refusal.Header(refusal.Elsewhere(e.Reason))...) // CANCEL, unless it has just answered
	}
	c.finish()
}

// fromMedia handles an event of the relay.
func (c *call) fromMedia(e media.Event) {
	switch {
	case c.ended():
	case e.Kind == media.Started && c.transfer != nil && c.transfer.x.Which == e.Side:
		c.targetSpeaks(c.transfer)
	case e.Kind == media.Started && e.Side == media.B:
		c.b.Voice = true
		c.earlyMedia()
	case e.Kind == media.KeyUsed:
		c.rekey(c.at(e.Side))
	case e.Kind == media.Moved:
		c.m.keeper.Mark(c.id)
	case e.Kind == media.Pressed:
		c.pressed(c.beyond(c.at(e.Side)), e)
	case e.Kind == media.TimedOut && c.state.Callee() && !c.held() && c.transfer == nil:
		c.log.Warn("call ended, no media", "leg", e.Side.String())
		c.hangUp(nil, `Q.850;cause=102;text="no media"`, status.ByMedia)
	}
}

// hungUp ends the call after side x has hung up.
func (c *call) hungUp(x, y *side, e sipgw.Ended) {
	if c.handsOver(x) {
		return
	}
	who := status.ByCaller
	if x == &c.b {
		who = status.ByCallee
	}
	c.record.Told(x.Interface, e.Reason)
	if e.Code != 0 {
		c.log.Warn("dialog died", "leg", x.Which.String(), "code", e.Code, "err", e.Reason)
		if x == &c.a && !c.up(x) {
			c.record.End(status.ByBox, e.Code, e.Reason)
		}
		c.hangUp(y, "the "+string(who)+" is gone: "+e.Reason, status.ByBox)
		return
	}
	c.hangUp(y, e.Reason, who)
}

// hangUp ends the remaining legs: y alone, or both when y is nil.
func (c *call) hangUp(y *side, reason string, who status.Party) {
	if c.ended() {
		return
	}
	c.record.End(who, 0, reason)
	for _, s := range []*side{&c.a, &c.b} {
		if s.Leg == nil || y != nil && s != y {
			continue
		}
		switch {
		case c.up(s):
			s.Leg.Bye(refusal.Header(refusal.Bare(reason))...)
		case s == &c.a:
			s.Leg.Reject(480, "Temporarily Unavailable", refusal.Header(refusal.Bare(reason))...)
		default:
			s.Leg.Cancel(refusal.Header(refusal.Bare(reason))...)
		}
	}
	c.finish()
}

// refuse ends a call that was not connected.
func (c *call) refuse(f refusal.Failure) {
	c.record.Refused(f.Code, f.Cause, f.Text)
	level := slog.LevelInfo
	if f.Cause == refusal.ResourcesUnavailable {
		level = slog.LevelWarn // licenses, ports: something for the administrator to do
	}
	c.log.Log(context.Background(), level, "call refused", "code", f.Code, "err", f.Text)
	if c.up(&c.a) { // early-connect: the caller has been listening to an announcement
		c.a.Leg.Bye(refusal.Header("SIP;cause=" + strconv.Itoa(f.Code))...)
		c.finish()
		return
	}
	c.a.Leg.Reject(f.Code, f.Reason, f.Headers()...)
	c.finish()
}

// finish ends the call, and writes its record. Its legs end by themselves when their last messages are answered.
func (c *call) finish() {
	if c.ended() {
		return
	}
	c.become(callstate.Ended)
	c.conclude()
}

// conclude does what is to be done at the end of a call.
func (c *call) conclude() {
	c.abortTransfer()
	if l := c.coming; l != nil {
		c.coming = nil
		l.Reject(603, "")
	}
	c.abandon(&c.a)
	c.abandon(&c.b)
	c.endJoined(c.record.Reason)
	if c.media != nil {
		c.record.Measure(c.closeMedia(), c.kept(), time.Now())
	}
	c.record.Close(time.Now())
	c.log.Info("call ended", "code", c.record.Code, "duration", c.record.Duration().Round(time.Second))
	if c.m.Record != nil {
		c.m.Record(c.record.Kept())
	}
	c.m.keeper.Drop(c.id) // after the record: who has that knows that the call has ended
	c.release()
}

// release gives back what the call holds besides its media.
func (c *call) release() {
	c.origin.round.Leave()
	c.carry(media.A, "")
	c.carry(media.B, "")
	c.alive()
	stop(c.early)
	if c.unwait != nil {
		c.unwait()
	}
	c.share.Release()
	close(c.done)
	c.box.End()
}

// vanish ends the call in silence: another box has it.
func (c *call) vanish() {
	if c.ended() {
		return
	}
	c.become(callstate.Ended)
	c.dissolve()
}

// dissolve gives back all that a call holds which nobody hears of any more.
func (c *call) dissolve() {
	c.m.keeper.Forget(c.id)
	if t := c.transfer; t != nil {
		c.stopTone(t)
		t.next.ReleasePorts(t.x)
		c.transfer = nil
	}
	c.coming, c.joined = nil, nil
	if c.media != nil {
		c.closeMedia()
	}
	c.release()
}

// forget drops the memory of a call whose goroutine has ended. Its legs live half a minute longer, because their transactions wait
// for late packets. At hundreds of calls a second, calls that lived as long would fill the memory.
func (c *call) forget() {
	for _, l := range []*sipgw.Leg{c.a.Leg, c.b.Leg} {
		if l != nil {
			l.Leave(c)
		}
	}
	c.a, c.b, c.hunting = side{}, side{}, hunting{}
	c.media, c.cfg, c.share, c.log = nil, nil, nil, nil
	c.props, c.record, c.origin = route.Call{}, callrecord.Record{}, origin{}
}

// after runs f on the call's goroutine when d has passed.
func (c *call) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() { c.do(f) })
}

func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}
