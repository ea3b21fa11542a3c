package call

import (
	"math"
	"slices"
	"strconv"
	"strings"
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

// record is the record of a call while it grows.
type record struct {
	status.Record
	route  []byte    // see route.Pack
	talks  time.Time // since when voice of both sides is expected; zero: it is not
	leg    func(call, callID string)
	course *course.Course // nil: nobody has asked for figures since the call was connected
}

// maxAttempts is how many attempts are kept of a call: a peer can transfer it again and again.
const maxAttempts = 64

// asked notes what the tables are asked with.
func (r *record) asked(p *route.Call) {
	r.Calling, r.Called = p.CallingE164, p.CalledE164
	r.Asked = status.Properties{
		CalledURI: p.CalledURI, CallingURI: p.CallingURI, CalledName: p.CalledName, CallingName: p.CallingName,
		CalledIP: p.CalledIP, CallingIP: p.CallingIP, CallingPI: p.CallingPI, CallingSI: p.CallingSI,
	}
}

// routed notes the way through the tables, and forgets it in the plan: nothing looks at it there any more.
func (r *record) routed(plan *route.Plan) {
	r.route = route.Pack(plan.Trace)
	plan.Trace = nil
}

// begin adds a destination that has its turn.
func (r *record) begin(to config.InterfaceID, why status.Chosen, asked *route.Call) {
	r.giveUp(time.Now())
	if len(r.Attempts) >= maxAttempts { // the first ones and the last ones say most
		r.Attempts = slices.Delete(r.Attempts, maxAttempts/2, maxAttempts/2+1)
	}
	r.Attempts = append(r.Attempts, status.Attempt{
		Interface: to.String(), Calling: asked.CallingE164, Called: asked.CalledE164, Chosen: why, Started: time.Now(),
	})
}

// calls notes whom the destination is asked for.
func (r *record) calls(calling, called, account string) {
	a := r.last()
	a.Calling, a.Called, a.Account = calling, called, account
}

// sent notes the leg of the destination.
func (r *record) sent(l *sipgw.Leg) {
	i := l.Info()
	a := r.last()
	a.Peer, a.CallID = i.Peer, i.CallID
	r.dialog(i.CallID)
}

// dialog tells that there is a dialog of the call.
func (r *record) dialog(callID string) {
	if r.leg != nil {
		r.leg(r.ID, callID)
	}
}

// talk says that voice of both sides is expected from now on, and pause that it is not.
func (r *record) talk()  { r.talks = time.Now() }
func (r *record) pause() { r.talks = time.Time{} }

// rings notes the first ringing of the destination under way.
func (r *record) rings() {
	if a := r.last(); a.Ringing.IsZero() {
		a.Ringing = time.Now()
	}
}

// attempt notes the result of the attempt under way.
func (r *record) attempt(how status.Outcome, text string) {
	a := r.last()
	a.Outcome, a.Text, a.Ended = how, text, time.Now()
	if how == status.Answered {
		a.Code = 200
	}
}

// rejected notes that the attempt under way has failed: by the peer of an interface, or on the way there.
func (r *record) rejected(by *config.SIPInterface, e sipgw.Failed) {
	if e.Local {
		text := e.Reason
		if e.Err != nil {
			text = e.Err.Error()
		}
		r.attempt(status.Unreached, text)
		return
	}
	r.attempt(status.Refused, e.Text)
	a := r.last()
	a.Code, a.Cause = e.Code, e.Cause
	if by.Teams() {
		a.Microsoft = explain.Microsoft(e.Text)
	}
}

// last is the attempt under way.
func (r *record) last() *status.Attempt {
	if n := len(r.Attempts); n > 0 {
		return &r.Attempts[n-1]
	}
	return &status.Attempt{}
}

// replaced notes that another peer has taken the place of one (Replaces).
func (r *record) replaced(n *side) {
	r.begin(n.iface.ID(), status.ChosenPickup, &route.Call{})
	r.sent(n.leg)
	r.attempt(status.Answered, "")
	if !r.Connected.IsZero() { // else it has taken a call that rang
		r.Transfers++
	}
}

// end notes how a call ended. Only the first call counts.
func (r *record) end(who status.Party, code int, reason string) {
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

// refused notes that the call was not connected: by the word of the last peer that was asked, or of the box.
func (r *record) refused(f callFailure) {
	who := status.ByBox
	if r.last().Outcome == status.Refused {
		who = status.ByCallee
	}
	r.end(who, f.code, f.text)
	r.Cause, r.Microsoft = f.cause, r.last().Microsoft
}

// told notes what Microsoft says about the end of a call by the peer of an interface.
func (r *record) told(by *config.SIPInterface, reason string) {
	if by != nil && by.Teams() {
		r.Microsoft = explain.Microsoft(reason)
	}
}

// close notes the end of a call, and of an attempt that was under way.
func (r *record) close(now time.Time) {
	r.Ended = now
	r.giveUp(now)
}

// giveUp notes that the attempt under way, if there is one, is over without a result.
func (r *record) giveUp(now time.Time) {
	if a := r.last(); a.Outcome == "" {
		a.Outcome, a.Ended = status.Cancelled, now
	}
}

// kept is the record as it is kept and shown: numbers, reasons and Call-ID are text of the peers.
func (r record) kept() status.Record {
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

func (r *record) duration() time.Duration {
	if r.Connected.IsZero() {
		return 0
	}
	return r.Ended.Sub(r.Connected)
}

// media notes the final figures of the sides that had media.
func (r *record) media(stats [2]media.Stats, a, b *side, now time.Time) {
	silent := r.silent(stats, a, b, now)
	for n, s := range []*side{a, b} {
		if s.Choice() == nil {
			continue
		}
		m := status.RecordMedia{
			Side: [...]status.Party{status.ByCaller, status.ByCallee}[n], Codec: s.codec(), Suite: s.protection(), SilentS: silent[n],
			Local: s.ports.RTP, Remote: s.Choice().Addr, Media: figures(stats[n]),
		}
		if s.leg != nil {
			m.CallID = s.leg.Info().CallID
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
func (r *record) silent(stats [2]media.Stats, a, b *side, now time.Time) (s [2]int) {
	both := func(ch *sdp.Choice) bool { return ch != nil && ch.Direction == sdp.SendRecv }
	if r.talks.IsZero() || !both(a.Choice()) || !both(b.Choice()) {
		return s
	}
	for n, x := range []*side{a, b} {
		last := stats[n].LastRTP
		if x.Choice().CN != nil && stats[n].Received > 0 {
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

// figures are what the relay has counted on a side.
func figures(s media.Stats) status.Media {
	return status.Media{
		Received: s.Received, Sent: s.Sent, Lost: s.Lost, JitterMS: milliseconds(s.Jitter), RoundTripMS: milliseconds(s.RoundTrip),
		BurstRatio: s.Quality.BurstRatio, MOS: s.Quality.MOS, Foreign: s.Foreign,
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func hundredths(v float64) float64 { return math.Round(v*100) / 100 }

// reasonHeader wraps the value of a Reason header (RFC 3326), none for "".
func reasonHeader(value string) []sipmsg.Header {
	if value == "" {
		return nil
	}
	return []sipmsg.Header{{Name: "Reason", Value: value}}
}

// cause is the Reason header of a failure.
func cause(f callFailure) []sipmsg.Header {
	if f.cause == 0 {
		return nil
	}
	return reasonHeader(q850Cause(f.cause))
}

func q850Cause(cause int) string { return "Q.850;cause=" + strconv.Itoa(cause) }

// q850 keeps protocol and cause of a peer's Reason header. Its text stays behind, because it may name things of that side.
func q850(reason string) string {
	protocol, params, _ := strings.Cut(reason, ";")
	protocol = strings.TrimSpace(protocol)
	if !strings.EqualFold(protocol, "Q.850") && !strings.EqualFold(protocol, "SIP") {
		return ""
	}
	value, _ := sipmsg.Param(params, "cause")
	if n, err := strconv.Atoi(value); err == nil && n > 0 && n < 1000 {
		return protocol + ";cause=" + strconv.Itoa(n)
	}
	return ""
}

// elsewhere is the Reason header of a CANCEL. A PBX that rings several phones says "answered elsewhere" with SIP 200 or Q.850 26.
// Teams shows a missed call unless it is told so in this form (teams.md A.31).
func elsewhere(reason string) string {
	switch r := q850(reason); {
	case strings.EqualFold(r, "SIP;cause=200"), strings.EqualFold(r, "Q.850;cause=26"):
		return `SIP;cause=200;text="Call completed elsewhere"`
	default:
		return r
	}
}

// seconds prints a Retry-After value, at least one.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}
