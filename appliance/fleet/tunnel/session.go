package tunnel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"viaduct/appliance/fleet"
)

// Side is what stands at one end: a TCP connection, or stdin and stdout. Close ends a Read and a Write that wait.
type Side interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// tickEvery is how often a connection looks at the time.
const tickEvery = 5 * time.Second

// session joins a local connection and the bus by a stream. deliver takes the messages of the other side and never waits; run does the rest.
type session struct {
	link fleet.Link
	to   string               // subject of what is sent
	name string               // of the local side, in reasons
	idle func() time.Duration // without data after which it ends; nil: never

	out chan struct{} // one token: whoever has it numbers frames and sends them; it is taken before mu

	mu       sync.Mutex
	changed  sync.Cond // with mu: any of the below
	stream   *stream
	queue    []chunk // data for the local side
	drained  bool    // all data and their end have been passed to the local side
	last     []byte  // a frame that run sends at the end; nil: none
	over     chan struct{}
	in, gone int64     // octets that have been passed to the local side, and read from it
	moved    time.Time // when the last of them were
}

// chunk is data that have come, and what they take of the window.
type chunk struct {
	data []byte
	cost int
}

func newSession(name string, link fleet.Link, to string) *session {
	now := time.Now()
	s := &session{link: link, to: to, name: name, stream: newStream(now), over: make(chan struct{}), out: make(chan struct{}, 1), moved: now}
	s.out <- struct{}{}
	s.changed.L = &s.mu
	return s
}

// deliver takes a message of the other side. It does not keep it.
func (s *session) deliver(message []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, cost, refusal := s.stream.receive(message, time.Now())
	if refusal != nil {
		s.last = refusal
	}
	if n := len(s.queue); n > 0 && len(s.queue[n-1].data)+len(data) <= maxData {
		s.queue[n-1].data = append(s.queue[n-1].data, data...)
		s.queue[n-1].cost += cost
	} else if len(data) > 0 {
		s.queue = append(s.queue, chunk{bytes.Clone(data), cost})
	}
	s.settle()
}

// settle tells those who wait, and run when the connection is over. mu is held.
func (s *session) settle() {
	if s.stream.state == broken || s.stream.state == closed && s.drained {
		select {
		case <-s.over:
		default:
			close(s.over)
		}
	}
	s.changed.Broadcast()
}

// fail breaks the connection, unless it is over.
func (s *session) fail(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream.state == closed { // nothing is to be said any more, but there are data that the local side did not get
		s.stream.state, s.stream.why = broken, why
	} else if f := s.stream.fail(why, time.Now()); f != nil {
		s.last = f
	}
	s.settle()
}

// say sends the frame that make returns, if any.
func (s *session) say(make func(now time.Time) []byte) {
	<-s.out
	s.sayNow(make)
	s.out <- struct{}{}
}

func (s *session) sayNow(make func(now time.Time) []byte) {
	s.mu.Lock()
	f := make(time.Now())
	s.settle()
	s.mu.Unlock()
	if f == nil {
		return
	}
	if err := s.send(f); err != nil {
		s.fail(fmt.Errorf("send: %w", err))
	}
}

// What the link has no room for is tried again, until the way to the hub must be stuck.
const (
	sendAgain = 10 * time.Millisecond
	sendTime  = 30 * time.Second
)

// send sends a message, and waits while the link has no room for it: more is to be sent than the line to the hub carries. It does not wait for a
// connection that is broken; one that is closed still owes its end to the other side.
func (s *session) send(message []byte) error {
	for until := time.Now().Add(sendTime); ; time.Sleep(sendAgain) {
		err := s.link.Send(s.to, message)
		if connected, _ := s.link.Changed(); !errors.Is(err, fleet.ErrAway) || !connected || s.isBroken() || time.Now().After(until) {
			return err
		}
	}
}

func (s *session) isBroken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.state == broken
}

// run passes data on until the connection is over, and closes the local side. The error is why it ended before its end.
func (s *session) run(ctx context.Context, l Side) error {
	defer context.AfterFunc(ctx, func() { s.stop(context.Cause(ctx)) })() // also while what attend sends waits for room
	s.say(s.stream.hello)
	var pumps sync.WaitGroup
	pumps.Go(func() { s.inbound(l) })
	pumps.Go(func() { s.outbound(l) })
	s.attend()
	l.Close()
	pumps.Wait()
	s.mu.Lock()
	last, err := s.last, s.stream.why
	s.mu.Unlock()
	if last != nil {
		s.link.Send(s.to, last) // or the other side finds out when nothing more comes
	}
	return err
}

// stop breaks the connection, unless it is over and only its last frames are still to be sent.
func (s *session) stop(why error) {
	select {
	case <-s.over:
	default:
		s.fail(why)
	}
}

// attend waits for the end, and keeps to the time.
func (s *session) attend() {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.over:
			return
		case <-tick.C:
			if err := s.expired(time.Now()); err != nil {
				s.fail(err)
				return
			}
			select {
			case <-s.out:
				s.sayNow(s.stream.alive)
				s.out <- struct{}{}
			default: // something is being sent
			}
		}
	}
}

// expired says why the time of the connection is over; nil: it is not.
func (s *session) expired(now time.Time) error {
	limit := time.Duration(0)
	if s.idle != nil {
		limit = s.idle()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle != nil && now.Sub(s.moved) >= limit {
		return fmt.Errorf("nothing has passed for %v", limit)
	}
	return s.stream.expired(now)
}

// inbound passes data to the local side.
func (s *session) inbound(l Side) {
	for {
		c, ok := s.take()
		if !ok {
			return
		}
		if c.data == nil {
			l.CloseWrite() // what is wrong with the connection is found by reading
		} else if _, err := l.Write(c.data); err != nil {
			s.fail(fmt.Errorf("%s takes no more data: %w", s.name, err))
			return
		}
		s.say(func(now time.Time) []byte {
			if c.data == nil {
				s.drained = true
				return nil
			}
			s.in += int64(len(c.data))
			s.moved = now
			return s.stream.consumed(c.cost, now)
		})
		if c.data == nil {
			return
		}
	}
}

// take waits for data for the local side. Without data it is their end; false: the connection is broken.
func (s *session) take() (c chunk, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch state := s.stream.state; {
		case state == broken:
			return chunk{}, false
		case len(s.queue) > 0:
			c = s.queue[0]
			if s.queue = s.queue[1:]; len(s.queue) == 0 {
				s.queue = nil
			}
			return c, true
		case state == sending || state == closed:
			return chunk{}, true
		}
		s.changed.Wait()
	}
}

// outbound reads from the local side.
func (s *session) outbound(l Side) {
	buffer := make([]byte, headSize+maxData)
	for {
		room := s.room()
		if room == 0 {
			return
		}
		n, err := l.Read(buffer[headSize : headSize+room])
		if n > 0 {
			s.say(func(now time.Time) []byte {
				if !s.stream.live() {
					return nil
				}
				s.gone += int64(n)
				s.moved = now
				s.stream.data(buffer[:headSize+n], now)
				return buffer[:headSize+n]
			})
		}
		switch {
		case errors.Is(err, io.EOF):
			s.say(func(now time.Time) []byte {
				if !s.stream.live() {
					return nil
				}
				return s.stream.end(now)
			})
			return
		case err != nil:
			s.fail(fmt.Errorf("%s: %w", s.name, err))
			return
		}
	}
}

// room waits until data may be sent, and returns how many octets; 0: none any more.
func (s *session) room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.stream.state != broken {
		if n := s.stream.room(); n > 0 {
			return n
		}
		s.changed.Wait()
	}
	return 0
}

// octets are how many have been passed to the local side and read from it, and since when there were none.
func (s *session) octets() (in, out int64, idle time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in, s.gone, s.moved
}
