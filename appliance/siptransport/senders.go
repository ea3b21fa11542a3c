package siptransport

import (
	"cmp"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/source"
)

// These are the limits of one address. A trusted peer can still do harm: over UDP its address can be forged, and a peer can be broken.
// No PBX comes near these limits. Messages beyond them are refused or dropped before they cost anything.
const (
	messagesPerRequest = 4     // messages of every kind for each new request of the limit: responses, ACKs, repetitions
	messagesPerCall    = 8     // and for each call that it may begin: INVITE, ACK and BYE of ours or theirs, responses, some repetitions
	mostForCalls       = 20000 // messages a second for calls, more than a processor carries
	maxSources         = 4096  // that are told apart
	strangeRequests    = 2000  // new requests a second of all who are neither a configured peer nor in a call; calls: as one source
	leastUnanswered    = 500   // unanswered calls of one source; of all twice as many
	maxUnacked         = 16    // answered calls of one source without an ACK, over UDP
	leastCalls         = 20    // new calls a second of one source, where there are few sessions
	manyCalls          = 500
)

// Bucket is a token bucket with room for so many seconds.
type Bucket struct {
	tokens float64
	last   time.Time
}

// Take takes a token of a bucket that is filled at a rate, and has room for so many seconds; false: it is empty.
func (b *Bucket) Take(perSecond, seconds float64, now time.Time) bool {
	if b.last.IsZero() {
		b.tokens = perSecond * seconds
	}
	b.tokens = min(perSecond*seconds, b.tokens+now.Sub(b.last).Seconds()*perSecond)
	if b.last = now; b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// sender is an address that sends messages.
type sender struct {
	messages, requests, calls, urgent, connections Bucket
	heard                                          time.Time

	talking           int     // calls that it has acknowledged: whoever forges an address has none
	legs              int     // in calls now
	ringing, pressing int     // of these, calls without a final response; emergency calls among them are counted apart
	unacked           []*Call // answered over UDP, in their order
}

// senders are the addresses that send to one gateway.
type senders struct {
	mu                    sync.Mutex
	by                    map[netip.Addr]*sender
	ringing               int
	all                   Bucket // calls of all together
	strange, strangeCalls Bucket // of all who are neither a configured peer nor in a call
}

func newSenders() senders { return senders{by: map[netip.Addr]*sender{}} }

// of finds or makes the entry of a source. If there are too many, a source without calls gives way. The caller holds the lock.
func (s *senders) of(a netip.Addr, now time.Time) *sender {
	a = source.Of(a)
	x := s.by[a]
	if x == nil {
		if len(s.by) >= maxSources {
			s.makeRoom()
		}
		x = &sender{}
		s.by[a] = x
	}
	x.heard = now
	return x
}

// makeRoom drops a source without calls. It looks at a few, in the order of the map, and drops the one that has been silent longest.
func (s *senders) makeRoom() {
	var victim netip.Addr
	var since time.Time
	looked := 0
	for a, x := range s.by {
		if x.legs > 0 {
			continue
		}
		if looked == 0 || x.heard.Before(since) {
			victim, since = a, x.heard
		}
		if looked++; looked == 16 {
			break
		}
	}
	delete(s.by, victim)
}

// limit is the configured limit, or its default.
func limit(configured, otherwise int) float64 { return float64(cmp.Or(configured, otherwise)) }

// allowsMessage reports whether the gateway reads one more message of an address.
func (g *Gate) allowsMessage(a netip.Addr) bool {
	now := time.Now()
	rate := g.messagesPerSource() // asked before our lock is taken: the licenses have one, too
	g.senders.mu.Lock()
	defer g.senders.mu.Unlock()
	return g.senders.of(a, now).messages.Take(rate, 2, now)
}

// messagesPerSource has room for the calls that a source may begin: what is held back here is a queue that nobody sees, and over UDP it
// is lost.
func (g *Gate) messagesPerSource() float64 {
	gw := g.conf.Load().Gateway
	calls := limit(gw.CallsPerSource, g.callsPerSource())
	return max(messagesPerRequest*limit(gw.RequestsPerSource, config.RequestsPerSource), min(messagesPerCall*calls, mostForCalls))
}

// unread counts and logs a message that is dropped unread.
func (g *Gate) unread(transport Transport, from netip.AddrPort) {
	g.Counters.Surplus.Add(1)
	g.Repeats.Log(slog.LevelWarn, "messages dropped", from.Addr().String(), "", "gw", g.name, "peer", from, "transport", transport.String(), "err", "too many of this source")
}

// isPeer reports whether an address is the remote of an interface.
func (g *Gate) isPeer(a netip.Addr) bool {
	return slices.ContainsFunc(g.conf.Load().interfaces, func(i *config.SIPInterface) bool { return g.isRemote(i, a) })
}

// allowsConnection reports whether the gateway takes one more connection of an address.
func (g *Gate) allowsConnection(a netip.Addr, perSecond int) bool {
	now := time.Now()
	g.senders.mu.Lock()
	defer g.senders.mu.Unlock()
	return g.senders.of(a, now).connections.Take(float64(perSecond), 2, now)
}

// AllowsRequest reports whether the gateway takes one more request of an address.
func (g *Gate) AllowsRequest(a netip.Addr) bool {
	now := time.Now()
	peer := g.isPeer(a)
	rate := limit(g.conf.Load().Gateway.RequestsPerSource, config.RequestsPerSource)
	s := &g.senders
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.of(a, now)
	return x.requests.Take(rate, 2, now) && (peer || x.talking > 0 || s.strange.Take(strangeRequests, 2, now))
}

// RefusesCall returns why the gateway refuses a new call of an address, "" if it takes the call. Emergency calls are counted apart, so that
// other calls never stand in their way. proved says that it is no forged address: a phone there has answered a challenge that was sent to it,
// if it needs a password at all. One phone must not keep all others from calling.
func (g *Gate) RefusesCall(a netip.Addr, urgent, proved bool) (why string) {
	now := time.Now()
	peer := g.isPeer(a)
	gw := g.conf.Load().Gateway
	unanswered := g.unansweredPerSource() // asked before our lock is taken: the licenses have one, too
	rate, most := limit(gw.CallsPerSource, g.callsPerSource()), cmp.Or(gw.UnansweredPerSource, unanswered)
	s := &g.senders
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.of(a, now)
	b, waiting, all := &x.calls, x.ringing, s.ringing
	if urgent {
		b, waiting, all = &x.urgent, x.pressing, 0
	}
	switch {
	case !b.Take(rate, 2, now):
		return "too many calls per second of this source"
	case !peer && !urgent && !proved && x.talking == 0 && !s.strangeCalls.Take(rate, 2, now):
		return "too many calls per second of sources that are in no call"
	case waiting >= most:
		return "too many unanswered calls of this source"
	case all >= 2*unanswered:
		return "too many unanswered calls"
	case !urgent && gw.CallsPerSecond > 0 && !s.all.Take(float64(gw.CallsPerSecond), 1, now):
		return "too many calls per second"
	}
	return ""
}

// callsPerSource is the default. No source begins half of all sessions in one second.
func (g *Gate) callsPerSource() int {
	if sessions := g.opts.Sessions; sessions != nil {
		return max(leastCalls, sessions()/2)
	}
	return manyCalls
}

// unansweredPerSource is the default: calls beyond the number of sessions cannot succeed.
func (g *Gate) unansweredPerSource() int {
	if sessions := g.opts.Sessions; sessions != nil {
		return max(leastUnanswered, sessions())
	}
	return leastUnanswered
}

// Call is an incoming call that counts against the limits of its sender.
type Call struct {
	g      *Gate
	from   netip.Addr
	urgent bool
	giveUp func()
	talks  bool // its ACK came; guarded by the senders
}

// NewCall counts an incoming call. urgent says that it goes to an emergency number. giveUp is called if the call has to make room for others,
// because its 200 has no ACK.
func (g *Gate) NewCall(from netip.Addr, urgent bool, giveUp func()) *Call {
	c := &Call{g: g, from: from, urgent: urgent, giveUp: giveUp}
	c.count(func(x *sender, all *senders) {
		if x.legs++; urgent {
			x.pressing++
			return
		}
		x.ringing++
		all.ringing++
	})
	return c
}

// count changes the figures of the sender and of the gateway.
func (c *Call) count(change func(x *sender, all *senders)) {
	s := &c.g.senders
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.of(c.from, time.Now()), s)
}

// Decided ends the count as an unanswered call.
func (c *Call) Decided() {
	c.count(func(x *sender, all *senders) {
		if c.urgent {
			x.pressing--
			return
		}
		x.ringing--
		all.ringing--
	})
}

// Ended ends all counts of the call.
func (c *Call) Ended() {
	c.count(func(x *sender, _ *senders) {
		if x.legs--; c.talks {
			x.talking--
		}
	})
}

// WaitsForACK counts a call whose 200 waits for its ACK. A sender with a forged address never sees the 200 and sends no ACK. If a sender has
// more than a few such calls, the oldest is given up before its time-out.
func (c *Call) WaitsForACK() {
	var giveUp func()
	c.count(func(x *sender, _ *senders) {
		if x.unacked = append(x.unacked, c); len(x.unacked) > maxUnacked {
			giveUp = x.unacked[0].giveUp
		}
	})
	if giveUp != nil {
		giveUp()
	}
}

// Acknowledged ends the count of WaitsForACK. talks says that the ACK came.
func (c *Call) Acknowledged(talks bool) {
	c.count(func(x *sender, _ *senders) {
		if talks && !c.talks {
			c.talks = true
			x.talking++
		}
		if i := slices.Index(x.unacked, c); i >= 0 {
			x.unacked = slices.Delete(x.unacked, i, i+1)
		}
		c.giveUp = nil // which holds the whole leg
	})
}
