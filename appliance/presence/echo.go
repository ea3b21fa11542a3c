package presence

import (
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// What the box tells one side comes back from the other: a user whom it has made busy in Teams is busy at the next poll, and an extension that it has
// published as busy may be reported as busy by the PBX. Taken for news, each would keep the other alive for ever. So only the origin of a state
// releases it: as long as the box tells a state, and while what it told last may still be on its way, the same state is an echo of ours.

// span is a time in which the box tells something.
type span struct{ began, ended time.Time }

func (x *span) set(on bool, now time.Time) {
	switch {
	case on && !x.open():
		*x = span{began: now}
	case !on && x.open():
		x.ended = now
	}
}

func (x *span) open() bool { return !x.began.IsZero() && x.ended.IsZero() }

// covers reports whether something that began at a time may be the echo of what was told, which lingers for a while after its end.
func (x *span) covers(since, now time.Time, linger time.Duration) bool {
	if x.began.IsZero() || since.Before(x.began) {
		return false
	}
	return x.open() || now.Before(x.ended.Add(linger))
}

// lineState is what is made of what is told of the extension.
type lineState struct {
	state status.PresenceLine
	since time.Time // it is busy; zero: it is not
	want  time.Time // since when Teams is to be told so; zero: it is not
}

// settle is for how long an extension is busy before Teams is told. A call that the box carries is told by the PBX before the box counts it, or
// for a moment after its end.
const settle = 2 * time.Second

// look takes what is told of a person's extension now, and returns whether Teams is to be told that he is busy.
func (s *service) look(p *person, now time.Time, n *next) bool {
	since, known := s.e.lineOf(p.identity)
	l := &p.line
	l.since = since
	switch {
	case !known:
		l.state = status.LineUnknown
	case since.IsZero():
		l.state = status.LineFree
	case s.e.o.Carries != nil && s.e.o.Carries(p.identity):
		l.state = status.LineCarried
	case p.marked.covers(since, now, 2*s.p.PollInterval):
		l.state = status.LineEcho
		if !p.marked.open() {
			n.at(p.marked.ended.Add(2 * s.p.PollInterval))
		}
	default:
		l.state = status.LineBusy
	}
	if l.state != status.LineBusy || p.leaving || !s.p.ReportCalls {
		l.want = time.Time{}
		return false
	}
	if l.want.IsZero() {
		l.want = now
	}
	if now.Before(l.want.Add(settle)) {
		n.at(l.want.Add(settle))
		return false
	}
	return true
}

// outranks reports whether a state stands above our session: it is stronger, or a user can only have chosen it himself.
func outranks(state config.PresenceState) bool {
	switch state {
	case config.DoNotDisturb, config.Presenting, config.Busy, config.BeRightBack:
		return true
	}
	return false
}

// hears takes a state that Graph tells, in the poll of this number. It reports whether that is what the box has set itself: while Teams may hold a
// session of ours, and for one poll more.
func (x *session) hears(state config.PresenceState, number uint64, began time.Time) (echo bool) {
	prefers := x.chosen != nil && !x.yields
	if (state == config.InACall || prefers && state == config.Busy) && (began.Before(x.until) || number <= x.guard) {
		x.seen = x.seen || prefers && state == config.Busy
		return true
	}
	// Who changes what he prefers while the box prefers for him has chosen himself, and keeps that. Before seen, Graph is behind.
	x.yields = x.yields || prefers && x.seen
	return false
}
