package sipgw

import (
	"hash/maphash"
	"math/rand/v2"
	"strconv"
	"time"

	"viaduct/appliance/overload"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// A caller that is refused for overload comes again after retryLeast to retryMost seconds: not all at once.
const (
	retryLeast = 2
	retryMost  = 8
)

// sheds refuses an INVITE that would begin a call when more come than the box can carry, before it costs anything. All that belongs to calls in
// progress never comes here, a transfer to the box (Replaces) passes, and so does a call to an emergency number.
func (g *gateway) sheds(req *sipmsg.Request, a siptransport.Arrival, key string) bool {
	s, now := g.stack, time.Now()
	if !a.Flow.Reliable() && s.refused.Has(key, now) { // it repeats itself because our 503 was lost: the answer is the same
		g.shed(req, a, key)
		return true
	}
	if s.overload.State() != status.Shedding {
		return false
	}
	i := g.InterfaceOf(a.Source.Addr())
	if i == nil || req.Header("Replaces") != "" || urgentCall(g.Conf().Config, i, req) {
		return false
	}
	if s.overload.Admits(now) {
		return false
	}
	if !a.Flow.Reliable() {
		s.refused.Add(key, now)
	}
	g.Counters.Shed.Add(1)
	g.shed(req, a, key)
	return true
}

// shed responds without a transaction, so the tag of the response follows from the request: that of a repetition is the same (RFC 3261
// 8.2.7).
func (g *gateway) shed(req *sipmsg.Request, a siptransport.Arrival, key string) {
	tag := strconv.FormatUint(maphash.String(g.stack.seed, key), 36)
	after := strconv.Itoa(retryLeast + rand.IntN(retryMost-retryLeast+1))
	g.reply(a, req, g.responseTo(req, 503, "", tag, nil, "", []sipmsg.Header{{Name: "Retry-After", Value: after}}))
}

// Overload tells whether more calls come than the box can carry.
func (s *Stack) Overload() status.Overload { return s.overload.Figures(time.Now()) }

// overloaded logs when calls begin to be refused, and when that is over.
func (s *Stack) overloaded(e overload.Episode) {
	wait := e.Wait.Round(time.Millisecond)
	if !e.Over {
		s.log.Warn("more calls come than the box can carry, some are refused", "wait", wait, "rate", int(e.Rate))
		return
	}
	s.log.Info("no call is refused for overload any more", "refused", e.Refused, "after", e.Took.Round(time.Second), "wait", wait)
}
