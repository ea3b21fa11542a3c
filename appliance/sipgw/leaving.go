package sipgw

import (
	"errors"
	"maps"
	"slices"
	"time"
)

// byeTime is how long gateways that close wait for their peers.
const byeTime = 2 * time.Second

// part ends what legs gateways have that are about to close, lets goodbye do the same with registrations, and waits until the peers have
// answered, byeTime at most beyond goodbye. A peer whose BYE never left would stay in a dead call.
func (s *Stack) part(gone []*gateway, goodbye func()) {
	for _, g := range gone {
		g.legs.Close()
		for _, l := range g.open() {
			l.soon(func() { l.endFor("its gateway closes") })
		}
	}
	goodbye()
	const look = 10 * time.Millisecond
	for end := time.Now().Add(byeTime); slices.ContainsFunc(gone, (*gateway).parting) && time.Now().Before(end); {
		time.Sleep(look)
	}
}

// parting reports whether a peer has yet to hear that a leg ends, or to answer.
func (g *gateway) parting() bool {
	return g.unsaid.Load() > 0 || len(g.open()) > 0 || g.transactions.Parting()
}

// endUnreachable ends the legs whose peers have been told an address or a port that the gateway has no more: their requests would come to
// nothing, and so would media for an address that has gone. BYE leaves by the new one.
func (g *gateway) endUnreachable() {
	c := g.Conf()
	for _, l := range g.open() {
		l.soon(func() {
			if l.here.Addr().IsValid() && !c.Serves(l.dialog.Transport, l.here) {
				l.endFor("its gateway listens elsewhere now")
			}
		})
	}
}

// soon has the leg's owner do f, on its goroutine; a gateway that closes waits for it.
func (l *Leg) soon(f func()) {
	l.g.unsaid.Add(1)
	l.post(func() {
		f()
		l.g.unsaid.Add(-1)
	})
}

// endFor ends the leg for a reason of the gateway's, and tells its owner.
func (l *Leg) endFor(why string) {
	reason := reasonOf(503, "gateway closes")
	switch l.state {
	case legOver:
	case legRinging:
		l.Reject(503, "", reason)
		l.emit(Ended{Reason: why, Code: 503})
	case legInviting:
		l.report(l.out, Failed{Code: 503, Reason: "Service Unavailable", Local: true, Err: errors.New(why)})
		l.Cancel(reason)
	default:
		l.Bye(reason)
		l.emit(Ended{Reason: why, Code: 503})
	}
}

var errDropped = errors.New("another box speaks in the place of this one")

// DropAll ends all gateways in silence, because another box has taken their place: no message leaves, no connection says good-bye, legs and
// transactions are gone, and owners are told nothing. The next Apply opens what it says anew. It may be called from any goroutine, and
// does not wait for owners.
func (s *Stack) DropAll() {
	s.mu.Lock()
	gone := s.gateways
	s.gateways = map[string]*gateway{}
	s.mu.Unlock()
	for _, g := range gone {
		g.Silence()
	}
	for _, g := range gone {
		g.legs.Close()
		for _, l := range g.open() {
			l.post(l.vanish)
		}
		g.transactions.Drop(errDropped)
		g.Close()
	}
}

// Disconnect ends all TCP and TLS connections as they should end, and refuses new ones, because another box is about to take over: peers open
// theirs to that one, and lose no message on a connection that it does not know. Legs stay, and so does what goes by UDP. DropAll is next, or
// Reconnect if the other box does not take over after all.
func (s *Stack) Disconnect() { s.each((*gateway).Disconnect) }

// Reconnect lets connections in again.
func (s *Stack) Reconnect() { s.each((*gateway).Reconnect) }

func (s *Stack) each(do func(*gateway)) {
	s.mu.Lock()
	list := slices.Collect(maps.Values(s.gateways))
	s.mu.Unlock()
	for _, g := range list {
		do(g)
	}
}

// vanish ends the leg in silence.
func (l *Leg) vanish() {
	l.state = legOver
	l.outline.Entered(legOver, l.dialog.RemoteTag, l.dialog.Routes)
	l.session.stop()
	if l.in != nil {
		l.in.stop()
	}
	if l.out != nil {
		l.out.stop()
	}
	l.turns.Clear()
	clear(l.pending)
	l.byeWanted, l.turns, l.offers = nil, turns{}, offers{}
}
