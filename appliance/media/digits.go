package media

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"viaduct/appliance/audio"
)

// pressing is a telephone-event of a peer whose other side has agreed on none. The call hears of it once, with its length.
type pressing struct {
	known     bool // timestamp holds something
	active    bool // its end has not come
	event     uint8
	timestamp uint32 // of its beginning, in all its packets (RFC 4733 section 2.2.1)
	duration  uint16 // in timestamp units, up to now
	seen      time.Duration
}

// pressed notes a packet of a telephone-event from l.
func (t *thread) pressed(l *leg, p []byte, timestamp uint32) {
	k := &l.in.pressing
	if len(p) < 4 || p[0] > audio.LastEvent {
		l.stats.Invalid++
		return
	}
	if !k.known || timestamp != k.timestamp {
		if k.known && int32(timestamp-k.timestamp) < 0 {
			return // a late packet of the event before
		}
		t.released(l) // the end of the event before was lost
		*k = pressing{known: true, active: true, event: p[0], timestamp: timestamp}
	}
	k.duration, k.seen = max(k.duration, binary.BigEndian.Uint16(p[2:])), t.now
	if p[1]&0x80 != 0 {
		t.released(l)
	}
}

// released tells the call that an event of l has ended.
func (t *thread) released(l *leg) {
	if k := &l.in.pressing; l.in.pressing.active {
		l.in.pressing.active = false
		e := Event{Side: l.side, Kind: Pressed, Digit: k.event, Length: time.Duration(k.duration) * time.Second / time.Duration(l.formats.rate)}
		t.relay.events.post(func() { l.session.hear(e) })
	}
}

// goneQuiet is how long after the last packet of an event voice shows that it has ended, although its end was lost.
const goneQuiet = 100 * time.Millisecond

// A digit that the other side sent in SIP INFO is played to a side as a telephone-event (RFC 4733), in place of voice. It is a source of its
// own in the stream that goes to the side: sequence numbers and timestamps go on.
const (
	digitStep  = 20 * time.Millisecond // between two packets of an event
	digitLeast = 60 * time.Millisecond
	digitMost  = 5 * time.Second
	digitPause = 60 * time.Millisecond // between two digits, or they are taken for one
	digitEnds  = 3                     // packets that say that the event has ended (RFC 4733 2.5.1.4)
	digitQueue = 32
)

// digits wait to be played to one side. The session's lock guards them.
type digits struct {
	queue  []digit
	timer  *time.Timer
	source uint32 // SSRC of the events, before they join the stream
	began  time.Time
	seq    uint16
}

type digit struct {
	event    uint8
	length   time.Duration
	at       time.Duration // of the first packet, from digits.began
	step     int
	finished int // end packets sent
}

// Press plays a telephone-event (0 to 9 the digits, 10 *, 11 #, 12 to 15 A to D, 16 flash) to a side, after the digits that
// are still being played. The length is kept between 60 ms and 5 s. It fails when no payload type was agreed with that side.
func (s *Session) Press(to Side, event uint8, length time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := &s.digits[to]
	switch {
	case s.closed:
		return ErrClosed
	case event > audio.LastEvent:
		return fmt.Errorf("telephone-event %d: there is none", event)
	case s.opened[to] == nil || s.events[to] == NoPT:
		return fmt.Errorf("media side %s: no telephone-event was agreed", to)
	case len(d.queue) >= digitQueue:
		return fmt.Errorf("media side %s: too many digits are waiting", to)
	}
	if d.source == 0 {
		d.source, d.began = rand.Uint32()|1, time.Now()
	}
	d.queue = append(d.queue, digit{event: event, length: min(max(length, digitLeast), digitMost)})
	if d.timer == nil {
		d.timer = time.AfterFunc(0, func() { s.playDigit(to) })
	}
	return nil
}

// playDigit sends the next packet of the digit that is being played.
func (s *Session) playDigit(to Side) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := &s.digits[to]
	if s.closed || len(d.queue) == 0 {
		d.timer = nil
		return
	}
	e := &d.queue[0]
	if e.step == 0 {
		e.at = time.Since(d.began)
	}
	passed := time.Duration(e.step+1) * digitStep
	over := passed >= e.length
	l, last, next := &s.legs[to], over && e.finished+1 == digitEnds, digitStep
	s.thread.do(func() { s.thread.event(l, *e, min(passed, e.length), over, last, d.source, d.seq) })
	d.seq++
	switch {
	case last:
		d.queue = d.queue[1:]
		next = digitPause
	case over:
		e.finished++
		next = time.Millisecond // the repetitions follow at once
	default:
		e.step++
	}
	d.timer.Reset(next)
}

// event sends one packet of an event to a side. Until the last one no voice goes there.
func (t *thread) event(o *leg, e digit, passed time.Duration, over, last bool, source uint32, seq uint16) {
	o.other.in.muted = !last
	if !o.out.allowed || !o.remote.dest[rtp].Known() || o.formats.wanted.DTMF == NoPT {
		return
	}
	p := t.slotOfOurs()
	const header, n = 12, 16
	p[0], p[1] = 0x80, 0
	if e.step == 0 && e.finished == 0 {
		p[1] = 0x80
	}
	p[12], p[13] = e.event, 10 // -10 dBm0
	if over {
		p[13] |= 0x80
	}
	binary.BigEndian.PutUint16(p[14:], uint16(min(units(passed, o.formats.rate), 0xffff)))
	t.sendInStream(o.other, p, n, header, source, seq, uint32(units(e.at, o.formats.rate)), o.formats.wanted.DTMF)
	t.flush()
}
