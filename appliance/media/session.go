package media

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/media/wire"
	"viaduct/appliance/srtp"
)

// Session is the media of one call. Its methods may be called from any goroutine, but calls for one session are meant to come
// from one: the call's.
type Session struct {
	relay  *Relay
	thread *thread
	legs   [2]leg      // the thread's
	listen func(Heard) // the thread's; set while legs are tapped

	mu     sync.Mutex
	closed bool
	notify func(Event)
	opened [2]*PortOptions
	agreed [2]*Params                          // that was set last
	keys   [2]struct{ local, peer *srtp.Keys } // that were set last
	final  [2]Stats
	events [2]uint8 // payload type of telephone-events that each side wants, NoPT none
	digits [2]digits
}

// NewSession makes a session without ports. Close must be called even when nothing was opened.
func (r *Relay) NewSession() *Session {
	s := &Session{relay: r, events: [2]uint8{NoPT, NoPT}}
	for _, t := range r.threads {
		if s.thread == nil || t.load.Load() < s.thread.load.Load() {
			s.thread = t
		}
	}
	for side := range s.legs {
		l := &s.legs[side]
		*l = leg{session: s, side: Side(side), other: &s.legs[1-side]}
		l.out.stream, l.in.quiet = newStream(), r.options.Timeout
		l.formats.set(&Params{AudioPT: NoPT, DTMFPT: NoPT, CNPT: NoPT})
	}
	if s.thread != nil {
		s.thread.load.Add(1)
	}
	return s
}

// Notify sets the function that hears the session's events. It is called on a goroutine of the relay and must not block.
func (s *Session) Notify(f func(Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notify = f
}

func (s *Session) hear(e Event) {
	s.mu.Lock()
	f := s.notify
	if s.closed || !s.relay.options.Term.Runs() {
		f = nil
	}
	s.mu.Unlock()
	if f != nil {
		f(e)
	}
}

// Heard is a packet of RTP as it came from the peer of a side, without encryption.
type Heard struct {
	Side     Side
	Time     time.Time
	From, To netip.AddrPort
	Event    bool   // telephone-event (RFC 4733): a digit
	Header   int    // octets before the payload
	Packet   []byte // valid until the listener returns, which must not change it
}

// Listen has f hear every packet that the peers of both sides send, on a thread of the relay: it must not block. nil ends that.
func (s *Session) Listen(f func(Heard)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.thread == nil {
		return
	}
	s.thread.do(func() {
		s.listen = f
		for side := range s.legs {
			s.legs[side].in.tapped = f != nil
		}
	})
}

// overhear passes a packet of l to the listener.
func (t *thread) overhear(l *leg, p []byte, header int, from wire.Address) {
	l.session.listen(Heard{
		Side: l.side, Time: t.base.Add(t.now), From: from.Netip(), To: netip.AddrPortFrom(l.local.addr, l.local.number),
		Event: l.formats.received.DTMF != NoPT && p[1]&0x7f == l.formats.received.DTMF, Header: header, Packet: p,
	})
}

// Open binds the ports of a side, in the network namespace of the calling thread, which is the same for all sessions of a relay. A
// second Open of the same side is an error.
func (s *Session) Open(side Side, p PortOptions) (Ports, error) {
	if s.relay.failure != nil {
		return Ports{}, s.relay.failure
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return Ports{}, ErrClosed
	case s.opened[side] != nil:
		return Ports{}, fmt.Errorf("media ports of side %s: already open", side)
	case !p.Addr.IsValid() || p.Addr.IsUnspecified():
		return Ports{}, fmt.Errorf("media ports of side %s: address %s is not a local wire.Address", side, p.Addr)
	}
	if err := s.relay.prepare(); err != nil {
		return Ports{}, err
	}
	p = p.WithDefaults()
	number, fds, err := s.relay.pools.Bind(p)
	if err != nil {
		return Ports{}, err
	}
	if err := s.adopt(side, p, number, fds); err != nil {
		return Ports{}, err
	}
	return Ports{netip.AddrPortFrom(p.Addr, number), netip.AddrPortFrom(p.Addr, number+1)}, nil
}

// adopt makes bound sockets the ports of a side. It takes them over, and the number, which goes back to its pool when that fails.
func (s *Session) adopt(side Side, p PortOptions, number uint16, fds [2]int) (err error) {
	l := &s.legs[side]
	s.thread.do(func() {
		l.local.addr, l.local.number, l.local.tos = p.Addr, number, byte(p.TOS)
		err = s.thread.openPorts(l, fds)
	})
	if err != nil {
		s.relay.pools.Release(p, number)
		return fmt.Errorf("media ports of side %s: %w", side, err)
	}
	s.opened[side] = &p
	return nil
}

// Set applies what was agreed. It may be called again: an equal RemoteKey goes on with its roll-over counter, and another one starts at 0. An equal
// Remote keeps the latched source.
func (s *Session) Set(side Side, p Params) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.opened[side] == nil {
		return fmt.Errorf("media side %s: not open", side)
	}
	next, err := s.ready(side, p)
	if err != nil {
		return err
	}
	s.agree(side, next)
	l := &s.legs[side]
	s.thread.do(func() { l.apply(next, s.thread.now) })
	return nil
}

// ready makes agreed settings ready for the thread.
func (s *Session) ready(side Side, p Params) (next settings, err error) {
	if (p.LocalKey == nil) != (p.RemoteKey == nil) {
		return next, fmt.Errorf("media side %s: has a key for one direction only", side)
	}
	next = settings{Params: p}
	next.remote[rtp], next.remote[rtcp] = wire.AddressOf(p.Remote), wire.AddressOf(p.RemoteRTCP)
	if !p.RemoteRTCP.IsValid() && next.remote[rtp].Known() && next.remote[rtp].Port < 65535 {
		next.remote[rtcp] = next.remote[rtp]
		next.remote[rtcp].Port++
	}
	old := &s.keys[side]
	if next.local, next.newLocal, err = renew(old.local, p.LocalKey); err != nil {
		return next, fmt.Errorf("media side %s: local %w", side, err)
	}
	if next.peer, next.newKey, err = renew(old.peer, p.RemoteKey); err != nil {
		return next, fmt.Errorf("media side %s: remote %w", side, err)
	}
	return next, nil
}

// agree notes what is applied.
func (s *Session) agree(side Side, next settings) {
	s.keys[side].local, s.keys[side].peer = next.local, next.peer
	s.events[side] = next.DTMFPT
	s.agreed[side] = &next.Params
}

// renew derives keys unless they are the ones that are in use.
func renew(old *srtp.Keys, k *srtp.Key) (now *srtp.Keys, changed bool, err error) {
	switch {
	case k == nil:
		return nil, old != nil, nil
	case old.Equal(*k):
		return old, false, nil
	}
	now, err = srtp.NewKeys(*k)
	return now, true, err
}

// Close frees the ports and returns the final figures of both sides, A's first. A second Close returns the same.
func (s *Session) Close() [2]Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.thread == nil {
		return s.final
	}
	s.closed = true
	for i := range s.digits {
		if t := s.digits[i].timer; t != nil {
			t.Stop()
		}
	}
	s.thread.do(func() {
		for side := range s.legs {
			s.final[side] = s.legs[side].figures(s.thread.base)
		}
		s.shut(s.thread)
	})
	s.thread.load.Add(-1)
	for side, from := range s.opened {
		if from != nil {
			s.relay.pools.Release(*from, s.legs[side].local.number)
		}
	}
	return s.final
}

// shut closes the sockets. It runs on the thread.
func (s *Session) shut(t *thread) {
	for side := range s.legs {
		t.closePorts(&s.legs[side])
	}
}
