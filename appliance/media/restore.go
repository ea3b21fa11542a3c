package media

import (
	"fmt"
	"time"

	"viaduct/appliance/media/marks"
	"viaduct/appliance/media/wire"
	"viaduct/appliance/srtp"
)

// A restored session sends nothing under a number that the other box may have used (RFC 3711 section 9.1). How many packets that box sent after its
// last marks is not known; so a stream goes on beyond as many as can have been sent.
const (
	leastPace = 100             // packets a second, of 10 ms
	belated   = 5 * time.Second // marks may have been so old when they came
	longIdle  = time.Minute     // after a pause a source may leave out as many numbers as it would have used
	spareSkip = 64
	mostSkip  = 1 << 14 // a receiver follows 2^15 (RFC 3711 section 3.3.1)
	rtcpSkip  = 1 << 16 // an SRTCP packet tells its index, so that any step will do
	doubted   = 64      // packets of a peer that are tried with two roll-over counters
)

// skip is how many numbers a stream leaves out. since is the age of the marks.
func skipOf(m *marks.Out, since time.Duration) (uint64, bool) {
	pace := max(leastPace, 2*m.Pace)
	need := uint64((max(since, 0)+belated)/time.Millisecond)*pace/1000 + spareSkip
	idle := uint64(min(m.Idle, longIdle)/time.Millisecond) * pace / 1000
	return min(need+idle, mostSkip), need <= mostSkip
}

// Restore makes a session of another box's state, with the same ports, which the box need not have the addresses of yet. since is how long ago the
// marks came, which may be newer or older than the state. The caller sets Notify and, with Set, who else may send: equal Params change nothing else.
//
// It fails with ErrStale when the marks are so old that a number could be used twice under one key, or when they are of keys that the state
// does not have.
func (r *Relay) Restore(state State, m Marks, since time.Duration) (*Session, error) {
	if r.failure != nil {
		return nil, r.failure
	}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	s := r.NewSession()
	if err := s.restore(state, m, since); err != nil {
		s.Close()
		return nil, fmt.Errorf("restore media: %w", err)
	}
	return s, nil
}

func (s *Session) restore(state State, m Marks, since time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next [2]*settings
	for side := range state.Sides {
		from, latest := &state.Sides[side], &m.Sides[side]
		own := &state.Marks.Sides[side]
		if !latest.Open || latest.Sets < own.Sets {
			*latest = *own // the call agreed on something since
		}
		if from.Port == 0 {
			continue
		}
		if latest.Keys != own.Keys {
			return fmt.Errorf("side %s: marks of other keys: %w", Side(side), ErrStale)
		}
		if err := s.reopen(Side(side), from.Ports, from.Port); err != nil {
			return err
		}
		if from.Params == nil {
			continue
		}
		ready, err := s.ready(Side(side), from.Params.Params())
		if err != nil {
			return err
		}
		if _, ok := skipOf(&latest.Out, since); !ok && ready.local != nil {
			return fmt.Errorf("side %s: marks %s old: %w", Side(side), since.Round(time.Second), ErrStale)
		}
		next[side] = &ready
		s.agree(Side(side), ready)
	}
	s.thread.do(func() {
		for side := range s.legs {
			if l := &s.legs[side]; next[side] != nil {
				l.apply(*next[side], s.thread.now)
			}
		}
		for side := range s.legs {
			if state.Sides[side].Port != 0 {
				s.legs[side].resume(state.Sides[side].SSRC, &m.Sides[side], since, s.thread)
			}
		}
	})
	return nil
}

// reopen binds certain ports.
func (s *Session) reopen(side Side, p PortOptions, number uint16) error {
	if !p.Addr.IsValid() || p.Addr.IsUnspecified() {
		return fmt.Errorf("side %s: address %s is not a local address", side, p.Addr)
	}
	p = p.WithDefaults()
	fds, err := s.relay.pools.Take(p, number)
	if err != nil {
		return fmt.Errorf("side %s: %w", side, err)
	}
	return s.adopt(side, p, number, fds)
}

// resume has a leg go on where another box was.
func (l *leg) resume(ssrc uint32, m *marks.Side, since time.Duration, t *thread) {
	l.counts = m.Counts
	l.count(m.Tally)
	for i, from := range m.Source {
		if a := wire.AddressOf(from); a.Known() {
			l.remote.source[i] = wire.Address{}
			l.remote.learn(a, i)
		}
	}
	for i, e := range m.In {
		if e.Used && l.keys.rx != nil {
			l.keys.uses++
			l.keys.streams[i] = inbound{ssrc: e.SSRC, used: l.keys.uses, rtp: before(e.RTP), rtcp: before(e.RTCP)}
			l.keys.doubt = doubted
		}
	}
	l.in.started = m.Started
	if m.Tally.Received > 0 {
		l.in.last, l.in.lastRTP = t.now-since, t.now-since
	}
	l.out.stream.resume(ssrc, &m.Out, since, t.now, l.formats.rate)
	if m.Noise > 0 && l.formats.voice != nil {
		t.startNoise(l, uint8(m.Noise-1))
	}
	l.guard()
}

func before(next uint64) srtp.Window {
	if next == 0 {
		return srtp.Window{}
	}
	return srtp.PassedTo(next - 1)
}

// resume has a stream go on beyond all numbers that another box may have used.
func (o *stream) resume(ssrc uint32, m *marks.Out, since, now time.Duration, rate int64) {
	skip, _ := skipOf(m, since)
	top := m.Top
	if !m.Started {
		top = uint64(uint16(m.Top + 1)) // the first number, which may have been used meanwhile
	}
	top += skip
	o.ssrc, o.sent, o.base, o.odd = ssrc, srtp.PassedTo(top), top+1, 0
	o.lastSeq, o.lastTS, o.lastAt = uint16(top), m.Timestamp+uint32(units(since, rate)), now
	o.rtcpIndex = min(m.RTCP, 1<<31-1-rtcpSkip) + rtcpSkip
	o.underKey, o.counted, o.pace, o.far = m.UnderKey+skip, m.UnderKey+skip, m.Pace, nowhere
	o.from, o.tsDelta, o.restart, o.resumed = m.From, m.TSDelta, m.From == 0, m.From != 0
}

// rejoinable is how far the timestamps of a source that went on may be from what they should be. A long digit has the time of its beginning.
const rejoinable = 10 // seconds

// rejoin lets the source that was under way go on with the same timestamps, so that a digit that is being pressed stays one digit.
func (o *stream) rejoin(ssrc uint32, seq uint16, timestamp uint32, now time.Duration, rate int64) {
	off := int64(int32(timestamp + o.tsDelta - o.nextTS(now, rate)))
	if max(off, -off) > rejoinable*rate {
		o.rebase(ssrc, seq, timestamp, now, rate)
		return
	}
	o.resumed, o.seqDelta = false, o.lastSeq+1-seq
}
