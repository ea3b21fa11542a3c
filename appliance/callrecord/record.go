// Package callrecord writes the record of a call while the call goes on: where it came from, its way through the tables, whom it was tried
// with and what came of that, how it ended, and the figures of its voice.
//
// It owns what is noted when, and the bound of a record. It does not own the form of a record (status.Record), what its words mean (package
// explain), nor what happens to it afterwards (package records). It has no goroutines.
package callrecord

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/course"
	"viaduct/appliance/explain"
	"viaduct/appliance/media"
	"viaduct/appliance/printable"
	"viaduct/appliance/route"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/status"
)

// Record is the record of one call while it grows. One goroutine writes it.
type Record struct {
	status.Record
	route  []byte    // see route.Pack
	talks  time.Time // since when voice of both sides is expected; zero: it is not
	leg    func(call, callID string)
	course *course.Course // nil: nobody has asked for figures since the call was connected
}

// New begins the record of a call that comes by an interface. Leg is told of each of its dialogs; nil: nobody is.
func New(id string, from config.InterfaceID, leg func(call, callID string)) Record {
	return Record{Record: status.Record{Version: status.RecordVersion, ID: id, Started: time.Now(), From: from.String()}, leg: leg}
}

// State is a record as a value, for another box that goes on with the call. How its voice went until then is not part of it.
type State struct {
	Record status.Record `json:"record"`
	Route  []byte        `json:"route,omitempty"`
	Talks  time.Time     `json:"talks,omitzero"`
}

// State is the record at this moment. It shares nothing that changes.
func (r *Record) State() State {
	x := r.Record
	x.Attempts = slices.Clone(x.Attempts)
	return State{Record: x, Route: r.route, Talks: r.talks}
}

// Restore makes the record that a State was taken of. Leg is told of each further dialog; nil: nobody is.
func Restore(s State, leg func(call, callID string)) Record {
	return Record{Record: s.Record, route: s.Route, talks: s.Talks, leg: leg}
}

// Course is how the voice of a connected call goes; nil before it is connected.
func (r *Record) Course() *course.Course {
	if r.course == nil && !r.Connected.IsZero() {
		r.course = new(course.Course)
	}
	return r.course
}

// maxAttempts is how many attempts are kept of a call: a peer can transfer it again and again.
const maxAttempts = 64

// Ask notes what the tables are asked with.
func (r *Record) Ask(p *route.Call) {
	r.Calling, r.Called = p.CallingE164, p.CalledE164
	r.Asked = status.Properties{
		CalledURI: p.CalledURI, CallingURI: p.CallingURI, CalledName: p.CalledName, CallingName: p.CallingName,
		CalledIP: p.CalledIP, CallingIP: p.CallingIP, CallingPI: p.CallingPI, CallingSI: p.CallingSI,
	}
}

// Properties are what Ask has noted.
func (r *Record) Properties() route.Call {
	q := &r.Record.Asked
	return route.Call{CalledE164: r.Called, CallingE164: r.Calling, CalledURI: q.CalledURI, CallingURI: q.CallingURI, CalledName: q.CalledName,
		CallingName: q.CallingName, CalledIP: q.CalledIP, CallingIP: q.CallingIP, CallingPI: q.CallingPI, CallingSI: q.CallingSI}
}

// Routed notes the way through the tables, and forgets it in the plan: nothing looks at it there any more.
func (r *Record) Routed(plan *route.Plan) {
	r.route = route.Pack(plan.Trace)
	plan.Trace = nil
}

// Begin adds a destination that has its turn.
func (r *Record) Begin(to config.InterfaceID, why status.Chosen, asked *route.Call) {
	r.giveUp(time.Now())
	if len(r.Attempts) >= maxAttempts { // the first ones and the last ones say most
		r.Attempts = slices.Delete(r.Attempts, maxAttempts/2, maxAttempts/2+1)
	}
	r.Attempts = append(r.Attempts, status.Attempt{
		Interface: to.String(), Calling: asked.CallingE164, Called: asked.CalledE164, Chosen: why, Started: time.Now(),
	})
}

// Calls notes whom the destination is asked for.
func (r *Record) Calls(calling, called, account string) {
	a := r.last()
	a.Calling, a.Called, a.Account = calling, called, account
}

// Sent notes the leg of the destination.
func (r *Record) Sent(i sipgw.LegInfo) {
	a := r.last()
	a.Peer, a.CallID = i.Peer, i.CallID
	r.Dialog(i.CallID)
}

// Answers notes which peer of the destination has answered: of several phones that rang, one.
func (r *Record) Answers(i sipgw.LegInfo) {
	r.last().Peer = i.Peer
	r.Attempt(status.Answered, "")
}

// Dialog tells that there is a dialog of the call.
func (r *Record) Dialog(callID string) {
	if r.leg != nil {
		r.leg(r.ID, callID)
	}
}

// Talk says that voice of both sides is expected from now on, and pause that it is not.
func (r *Record) Talk()  { r.talks = time.Now() }
func (r *Record) Pause() { r.talks = time.Time{} }

// Rings notes the first ringing of the destination under way.
func (r *Record) Rings() {
	if a := r.last(); a.Ringing.IsZero() {
		a.Ringing = time.Now()
	}
}

// Attempt notes the result of the attempt under way.
func (r *Record) Attempt(how status.Outcome, text string) {
	a := r.last()
	a.Outcome, a.Text, a.Ended = how, text, time.Now()
	if how == status.Answered {
		a.Code = 200
	}
}

// Rejected notes that the attempt under way has failed: by the peer of an interface, or on the way there.
func (r *Record) Rejected(by *config.SIPInterface, e sipgw.Failed) {
	if e.Local {
		text := e.Reason
		if e.Err != nil {
			text = e.Err.Error()
		}
		r.Attempt(status.Unreached, text)
		return
	}
	r.Attempt(status.Refused, e.Text)
	a := r.last()
	a.Code, a.Cause = e.Code, e.Cause
	if by.Teams() {
		a.Microsoft = explain.Microsoft(e.Text)
	}
}

// last is the attempt under way.
func (r *Record) last() *status.Attempt {
	if n := len(r.Attempts); n > 0 {
		return &r.Attempts[n-1]
	}
	return &status.Attempt{}
}

// Replaced notes that another peer has taken the place of one (Replaces).
func (r *Record) Replaced(by config.InterfaceID, leg sipgw.LegInfo) {
	r.Begin(by, status.ChosenPickup, &route.Call{})
	r.Sent(leg)
	r.Attempt(status.Answered, "")
	if !r.Connected.IsZero() { // else it has taken a call that rang
		r.Transfers++
	}
}

// End notes how a call ended. Only the first call counts.
func (r *Record) End(who status.Party, code int, reason string) {
	if r.By != "" {
		return
	}
	if code == 0 && !r.Connected.IsZero() {
		code = 200
	} else if code == 0 {
		code = 480
	}
	r.By, r.Code, r.Reason, r.Cause = who, code, reason, sipmsg.Q850(reason)
}

// Refused notes that the call was not connected: by the word of the last peer that was asked, or of the box.
func (r *Record) Refused(code, cause int, text string) {
	who := status.ByBox
	if r.last().Outcome == status.Refused {
		who = status.ByCallee
	}
	r.End(who, code, text)
	r.Cause, r.Microsoft = cause, r.last().Microsoft
}

// Told notes what Microsoft says about the end of a call by the peer of an interface.
func (r *Record) Told(by *config.SIPInterface, reason string) {
	if by != nil && by.Teams() {
		r.Microsoft = explain.Microsoft(reason)
	}
}

// Close notes the end of a call, and of an attempt that was under way.
func (r *Record) Close(now time.Time) {
	r.Ended = now
	r.giveUp(now)
}

// giveUp notes that the attempt under way, if there is one, is over without a result.
func (r *Record) giveUp(now time.Time) {
	if a := r.last(); a.Outcome == "" {
		a.Outcome, a.Ended = status.Cancelled, now
	}
}

// Kept is the record as it is kept and shown: numbers, reasons and Call-ID are text of the peers.
func (r Record) Kept() status.Record {
	x := r.Record
	for _, s := range route.Unpack(r.route) {
		x.Route = append(x.Route, status.RouteStep(s))
	}
	q := &x.Asked
	for _, word := range []*string{&x.CallID, &x.Calling, &x.Called, &x.CallingMapped, &x.CalledMapped, &x.Reason,
		&q.CalledURI, &q.CallingURI, &q.CalledName, &q.CallingName, &q.CalledIP, &q.CallingIP, &q.CallingPI, &q.CallingSI} {
		*word = printable.Text(*word)
	}
	for n := range x.Route {
		s := &x.Route[n]
		s.Table, s.Entry, s.Before, s.After = printable.Text(s.Table), printable.Text(s.Entry), printable.Text(s.Before), printable.Text(s.After)
	}
	x.Attempts = slices.Clone(x.Attempts)
	for n := range x.Attempts {
		a := &x.Attempts[n]
		a.Calling, a.Called, a.Account, a.Text = printable.Text(a.Calling), printable.Text(a.Called), printable.Text(a.Account), printable.Text(a.Text)
	}
	x.Media = slices.Clone(x.Media)
	for n := range x.Media {
		x.Media[n].CallID = printable.Text(x.Media[n].CallID)
	}
	return x
}

func (r *Record) Duration() time.Duration {
	if r.Connected.IsZero() {
		return 0
	}
	return r.Ended.Sub(r.Connected)
}

// Side is what a record wants to know of a side.
type Side struct {
	Choice *sdp.Choice // what it has agreed; nil: it had no media
	CallID string
	Local  netip.AddrPort
}

// Codec names what a side has agreed, "PCMA/8000", "" before.
func Codec(agreed *sdp.Choice) string {
	if agreed == nil {
		return ""
	}
	return fmt.Sprintf("%s/%d", agreed.Codec.Name, agreed.Codec.Rate)
}

// Suite is the one of SRTP that a side has agreed, "" without.
func Suite(agreed *sdp.Choice) string {
	if agreed == nil || agreed.Local == nil {
		return ""
	}
	return agreed.Local.Suite
}

// Measure notes the final figures of the sides that had media.
func (r *Record) Measure(stats [2]media.Stats, sides [2]Side, now time.Time) {
	silent := r.silent(stats, sides, now)
	for n, s := range sides {
		if s.Choice == nil {
			continue
		}
		m := status.RecordMedia{
			Side: [...]status.Party{status.ByCaller, status.ByCallee}[n], CallID: s.CallID, Codec: Codec(s.Choice), Suite: Suite(s.Choice), SilentS: silent[n],
			Local: s.Local, Remote: s.Choice.Addr, Media: Figures(stats[n]),
		}
		for _, f := range []*float64{&m.JitterMS, &m.RoundTripMS, &m.BurstRatio, &m.MOS} {
			*f = hundredths(*f)
		}
		if r.course != nil {
			r.course.Add(n, now.Sub(r.Started), m.Codec, m.Media)
			m.Course = r.course.Of(n)
		}
		r.Media = append(r.Media, m)
	}
}

// oneWay is the longest silence of one side at the end of a call that is no one-way voice.
const oneWay = 10 * time.Second

// silent is, for each side, for how many seconds before the end nothing came from it while the other one was heard. A call on hold has no
// such sides. A peer that suppresses silence sends at least RTCP.
func (r *Record) silent(stats [2]media.Stats, sides [2]Side, now time.Time) (s [2]int) {
	both := func(ch *sdp.Choice) bool { return ch != nil && ch.Direction == sdp.SendRecv }
	if r.talks.IsZero() || !both(sides[0].Choice) || !both(sides[1].Choice) {
		return s
	}
	for n, x := range sides {
		last := stats[n].LastRTP
		if x.Choice.CN != nil && stats[n].Received > 0 {
			last = stats[n].Last
		}
		if last.Before(r.talks) {
			last = r.talks
		}
		if quiet := now.Sub(last); quiet > oneWay && now.Sub(stats[1-n].LastRTP) <= oneWay {
			s[n] = int(quiet.Seconds())
		}
	}
	return s
}

// Figures are what the relay has counted on a side.
func Figures(s media.Stats) status.Media {
	return status.Media{
		Received: s.Received, Sent: s.Sent, Lost: s.Lost, JitterMS: milliseconds(s.Jitter), RoundTripMS: milliseconds(s.RoundTrip),
		BurstRatio: s.Quality.BurstRatio, MOS: s.Quality.MOS, Foreign: s.Foreign,
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func hundredths(v float64) float64 { return math.Round(v*100) / 100 }
