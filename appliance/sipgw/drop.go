package sipgw

import (
	"errors"
	"maps"
	"slices"
)

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
