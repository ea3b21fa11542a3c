package report

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"viaduct/appliance/flash"
	"viaduct/appliance/fleet"
	"viaduct/appliance/status"
)

// state is what a spool does.
//
//	sending --- there is nothing --------> idle
//	        --- there is no connection --> away
//	        --- anything else fails -----> pausing
//	idle ------ something was written ---> sending
//	away ------ there is a connection ---> sending
//	pausing --- the pause is over -------> sending
//
// From each of them it goes to sending when the connection is lost or made anew, which finds out what is so now.
type state uint8

const (
	sending state = iota
	idle
	away
	pausing
)

const (
	reach      = 8 // messages refused in a row, of which each may be to blame alone
	patience   = 15 * time.Second
	firstPause = time.Second / 4 // after a failure, doubled with each; a hub that has just started takes nothing for a moment
	lastPause  = time.Minute
	saveEvery  = 5 * time.Second // the position, on flash
	lookEvery  = time.Minute     // for more than may wait
)

var errRefuses = errors.New("the hub refuses the messages")

// source is where the messages of a spool come from. It is asked by the spool's goroutine; waiting by any.
type source interface {
	next() (list []message, gone bool, err error) // the next ones; gone: some before them were deleted
	taken(m message)                              // the hub has it, or is never to have it
	fresh() <-chan struct{}                       // a token: there is more
	waiting() (octets int64, shed bool)           // shed: of those that waited some will not be sent
	limit() (over bool, err error)                // pass over the oldest when too much waits
	cursor() *flash.Cursor
}

// spool sends the messages of a source, in their order, each until the hub has it.
type spool struct {
	o       Options
	what    string
	prefix  string // of the ids
	subject string
	source  source

	// Of run's goroutine.
	state  state
	fails  int // in a row
	looked time.Time

	mu      sync.Mutex
	last    time.Time // when the hub took one
	lost    bool      // some were deleted, or passed over, before they were sent, since the hub had all
	refused uint64    // single ones
	told    time.Time // when a refused one was logged last
	failing string    // why it takes none
}

func newSpool(o Options, what, prefix, subject string, s source) *spool {
	return &spool{o: o, what: what, prefix: prefix, subject: subject, source: s}
}

// run sends what there is until ctx ends.
func (s *spool) run(ctx context.Context) {
	defer func() { s.note(s.source.cursor().Save()) }()
	for ctx.Err() == nil {
		connected, changed := s.o.Link.Changed()
		pause := s.step(ctx, connected)
		s.note(s.source.cursor().SaveEvery(saveEvery))
		fresh, over := (<-chan struct{})(nil), time.NewTimer(pause)
		switch s.state {
		case sending:
			over.Stop()
			continue
		case idle:
			fresh = s.source.fresh()
			if over.Stop(); s.source.cursor().Unsaved() {
				over.Reset(saveEvery)
			}
		case away:
			over.Stop()
		}
		select {
		case <-ctx.Done():
		case <-changed:
			s.fails = 0
		case <-fresh:
		case <-over.C:
		}
		over.Stop()
	}
}

// note logs that the position was not saved.
func (s *spool) note(err error) {
	if err != nil {
		s.o.Log.Debug("position of what the hub has not saved", "what", s.what, "err", err)
	}
}

// step sends what the source has next, and returns how long to pause in the state pausing.
func (s *spool) step(ctx context.Context, connected bool) time.Duration {
	s.limit()
	list, gone, err := s.source.next()
	if gone {
		s.lose("deleted")
	}
	switch {
	case err != nil:
		return s.fail(err)
	case len(list) == 0:
		s.well(idle)
		return 0
	case !connected:
		s.state = away
		s.say(fleet.ErrAway.Error())
		return 0
	}
	s.state = sending
	var refused []message // in a row, behind what the hub has
	for _, m := range list {
		if ctx.Err() != nil {
			return 0
		}
		switch err := s.keep(ctx, m); {
		case ctx.Err() != nil:
			return 0
		case err == nil:
			s.passOver(refused)
			refused = nil
			s.source.taken(m)
			s.well(sending)
			s.note(s.source.cursor().SaveEvery(saveEvery))
		case errors.Is(err, fleet.ErrRefused):
			if refused = append(refused, m); len(refused) > reach {
				return s.fail(errRefuses)
			}
		default:
			return s.fail(err)
		}
	}
	if len(refused) > 0 { // whether they are to blame or the hub takes none, those behind them will show
		return s.fail(errRefuses)
	}
	return 0
}

// keep has the hub take a message.
func (s *spool) keep(ctx context.Context, m message) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.o.Link.Keep(ctx, s.subject, s.prefix+m.id, m.body)
}

// limit passes over the oldest when too much waits. It is looked for now and then.
func (s *spool) limit() {
	if time.Since(s.looked) < lookEvery {
		return
	}
	s.looked = time.Now()
	over, err := s.source.limit()
	if err != nil {
		s.o.Log.Debug("what waits for the hub cannot be measured", "what", s.what, "err", err)
	}
	if over {
		s.lose("passed over")
	}
}

// lose notes that some will never be sent.
func (s *spool) lose(how string) {
	s.mu.Lock()
	before := s.lost
	s.lost = true
	s.mu.Unlock()
	if !before {
		s.o.Log.Warn("the hub does not get the oldest: they have waited for too long", "what", s.what, "they", how)
	}
}

// passOver counts messages that the hub refuses, and logs one an hour.
func (s *spool) passOver(list []message) {
	if len(list) == 0 {
		return
	}
	s.mu.Lock()
	s.refused += uint64(len(list))
	tell := s.told.IsZero() || time.Since(s.told) >= time.Hour
	if tell {
		s.told = time.Now()
	}
	refused := s.refused
	s.mu.Unlock()
	if tell {
		s.o.Log.Warn("refused by the hub, and left out", "what", s.what, "id", list[0].id, "refused", refused)
	}
}

// well notes that the hub takes what it is sent, and in the state idle that it has all.
func (s *spool) well(then state) {
	s.state, s.fails = then, 0
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = ""
	if then == idle {
		s.lost = false
	} else {
		s.last = time.Now()
	}
}

// fail notes a failure, and returns how long to pause. The pauses of boxes that fail together drift apart.
func (s *spool) fail(err error) time.Duration {
	s.state = pausing
	s.say(err.Error())
	pause := lastPause
	if s.fails < 8 {
		pause = firstPause << s.fails
		s.fails++
	}
	return pause*3/4 + rand.N(pause/2)
}

func (s *spool) say(failing string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = failing
}

// status says how far the hub is.
func (s *spool) status() status.FleetSent {
	waiting, shed := s.source.waiting()
	s.mu.Lock()
	defer s.mu.Unlock()
	return status.FleetSent{What: s.what, Waiting: waiting, Last: s.last, Lost: s.lost || shed, Refused: s.refused, Failing: s.failing}
}
