package tunnel

import (
	"errors"
	"fmt"
	"time"
)

// state is how far one end of a connection is.
type state uint8

const (
	opening   state = iota // the other side has not said hello
	open                   // both directions
	sending                // the other side has ended, we may still send
	receiving              // we have ended, the other side may still send
	closed                 // both have ended
	broken                 // it ended before that, see why
)

func (s state) String() string {
	return [...]string{"opening", "open", "sending", "receiving", "closed", "broken"}[s]
}

const (
	window    = 512 << 10 // of ours: what may be under way to us
	minWindow = 64 << 10  // of the other side
	maxWindow = 16 << 20

	// frameCost is what a frame of data takes of the window beside its data: small ones fill queues, too.
	frameCost = 256

	openTime   = 10 * time.Second // for the hello of the other side
	aliveEvery = 15 * time.Second // something is sent at least so often
	silence    = 45 * time.Second // after this without a message the other side is gone
)

// Reasons for which a connection breaks.
var (
	errNoHello = errors.New("the other side does not begin")
	errSilent  = errors.New("nothing comes from the other side any more")
	errLost    = errors.New("a message was lost on the way")
	errRule    = errors.New("the other side breaks the rules of the protocol")
)

// resetError is the reason that the other side has given.
type resetError string

func (e resetError) Error() string { return string(e) }

// stream is one end of a connection: what may be sent, and what a message from the other end means. Both ends are the same. It has no goroutine,
// no clock and no network; whoever has it sends what it returns, in that order, and asks it one thing at a time.
type stream struct {
	state state
	why   error // broken

	began, heard, spoke time.Time

	next     uint64 // sequence number of our next frame
	expected uint64 // of the other side's
	limit    int    // the other side's window
	credit   int    // how much of it is free
	held     int    // of our window is not free
	owed     int    // of our window is free again, and the other side has not been told
}

func newStream(now time.Time) *stream {
	return &stream{began: now, heard: now, spoke: now}
}

// frame numbers a frame of ours.
func (s *stream) frame(f frame, now time.Time) []byte {
	f.sequence = s.next
	s.next++
	s.spoke = now
	return f.append(nil)
}

// hello is our first frame.
func (s *stream) hello(now time.Time) []byte {
	return s.frame(frame{kind: kindHello, number: window}, now)
}

// live reports whether the other side still listens.
func (s *stream) live() bool { return s.state != closed && s.state != broken }

// room is how many octets of data may be sent in one frame. It is 0 while less than a quarter of the window is free: the other side gives it back in
// quarters, and many small frames cost more than they bring.
func (s *stream) room() int {
	if s.state != open && s.state != sending || s.credit < s.limit/4 {
		return 0
	}
	return min(maxData, s.credit-frameCost)
}

// data writes the head of a frame into a buffer whose data stand from headSize on; they are as many as room allows.
func (s *stream) data(buffer []byte, now time.Time) {
	head(buffer, kindData, s.next)
	s.next++
	s.spoke = now
	s.credit -= len(buffer) - headSize + frameCost
}

// end is the frame after our last data.
func (s *stream) end(now time.Time) []byte {
	switch s.state {
	case open:
		s.state = receiving
	case sending:
		s.state = closed
	}
	return s.frame(frame{kind: kindEnd}, now)
}

// consumed gives n of our window back. It returns a frame when the other side should know.
func (s *stream) consumed(n int, now time.Time) []byte {
	s.held -= n
	s.owed += n
	if s.owed < window/4 || s.state != open && s.state != receiving {
		return nil
	}
	f := s.frame(frame{kind: kindCredit, number: uint32(s.owed)}, now)
	s.owed = 0
	return f
}

// fail breaks the connection for a reason of ours. It returns the frame that says so, unless it was over.
func (s *stream) fail(why error, now time.Time) []byte {
	if !s.live() {
		return nil
	}
	s.state, s.why = broken, why
	return s.frame(frame{kind: kindReset, why: why.Error()}, now)
}

// expired says why the connection is over by now, for all that has come from the other side; nil: it is not.
func (s *stream) expired(now time.Time) error {
	switch {
	case !s.live():
		return nil
	case s.state == opening && now.Sub(s.began) >= openTime:
		return errNoHello
	case now.Sub(s.heard) >= silence:
		return errSilent
	}
	return nil
}

// alive returns a frame when the other side has heard nothing for long.
func (s *stream) alive(now time.Time) []byte {
	if !s.live() || now.Sub(s.spoke) < aliveEvery {
		return nil
	}
	return s.frame(frame{kind: kindAlive}, now)
}

// receive takes a message and returns the data in it, which take cost of our window until they are consumed. A message against the rules breaks
// the connection; the other side is to be told with refusal.
func (s *stream) receive(message []byte, now time.Time) (data []byte, cost int, refusal []byte) {
	if !s.live() {
		return nil, 0, nil
	}
	f, err := parse(message)
	if err != nil {
		return nil, 0, s.fail(err, now)
	}
	if f.kind == kindReset { // of whatever number: a side that knows nothing of a connection has none
		s.state, s.why = broken, resetError(f.why)
		return nil, 0, nil
	}
	if f.sequence != s.expected {
		return nil, 0, s.fail(errLost, now)
	}
	s.expected++
	s.heard = now
	if (f.kind == kindHello) != (s.state == opening) {
		return nil, 0, s.fail(fmt.Errorf("%w: hello at the wrong time", errRule), now)
	}
	switch f.kind {
	case kindHello:
		if f.number < minWindow || f.number > maxWindow {
			return nil, 0, s.fail(fmt.Errorf("%w: a window of %d", errRule, f.number), now)
		}
		s.state, s.limit, s.credit = open, int(f.number), int(f.number)
	case kindData:
		cost = len(f.data) + frameCost
		if s.held += cost; s.state == sending || s.held+s.owed > window {
			return nil, 0, s.fail(fmt.Errorf("%w: more data than there may be", errRule), now)
		}
		return f.data, cost, nil
	case kindCredit:
		if uint64(s.credit)+uint64(f.number) > uint64(s.limit) {
			return nil, 0, s.fail(fmt.Errorf("%w: more credit than there may be", errRule), now)
		}
		s.credit += int(f.number)
	case kindEnd:
		switch s.state {
		case open:
			s.state = sending
		case receiving:
			s.state = closed
		default:
			return nil, 0, s.fail(fmt.Errorf("%w: a second end", errRule), now)
		}
	}
	return nil, 0, nil
}
