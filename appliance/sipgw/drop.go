package sipgw

import "errors"

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
