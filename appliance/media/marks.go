package media

import (
	"time"

	"viaduct/appliance/srtp"
)

// Marks are how far the packets of a session have come. They are a value, and small when written: 128 octets or so. They should be taken every few
// seconds, and after an event Moved.
type Marks struct{ sides [2]sideMarks }

// sideMarks are the marks of one side.
type sideMarks struct {
	open    bool
	started bool // the call knows: Started
	noise   int  // level of the comfort noise that goes to the side, plus 1; 0: none does
	counts
	source [2]address // learnt
	out    outMarks
	in     [4]inMarks // of the peer's streams under SRTP
	tally  tally
}

// outMarks are how far the stream to a side has come.
type outMarks struct {
	started   bool
	top       uint64 // the highest index sent; before the first, where the stream begins
	rtcp      uint32 // index of SRTCP
	underKey  uint64
	timestamp uint32        // of a packet that would be sent now
	idle      time.Duration // since the last packet
	pace      uint64        // packets in a second
	from      uint32        // SSRC of the source; 0: the next packet begins a new one
	tsDelta   uint32
}

// inMarks are how far a peer's stream has come.
type inMarks struct {
	ssrc      uint32
	used      bool
	rtp, rtcp uint64 // highest index plus 1; 0: none came
}

// tally are the figures of a side that another box adds to.
type tally struct {
	counters
	ssrc       uint32 // of the peer's stream
	lost       int64
	heard      int64
	gaps       int64
	missing    int64
	jitter     int64
	roundTrip  int64 // in microseconds
	peerLost   int64
	peerJitter int64
}

// Marks of the session now. Any goroutine may ask.
func (s *Session) Marks() Marks { return MarksOf([]*Session{s})[0] }

// MarksOf are the marks of many sessions now. Each relay thread is asked once, as by StatsOf.
func MarksOf(sessions []*Session) []Marks {
	list := make([]Marks, len(sessions))
	asked := map[*thread][]int{}
	for i, s := range sessions {
		if s.thread != nil {
			asked[s.thread] = append(asked[s.thread], i)
		}
	}
	for t, indexes := range asked {
		t.do(func() {
			for _, i := range indexes {
				list[i] = sessions[i].marks()
			}
		})
	}
	return list
}

// marks are those of the session now. It runs on the thread.
func (s *Session) marks() (m Marks) {
	for side := range s.legs {
		if l := &s.legs[side]; l.local.ports[rtp] != nil {
			m.sides[side] = l.marks(s.thread.now)
		}
	}
	return m
}

func (l *leg) marks(now time.Duration) sideMarks {
	m := sideMarks{open: true, started: l.in.started, counts: l.counts, source: l.remote.source, tally: l.tally(),
		out: l.out.stream.marks(now, l.formats.rate)}
	if n := l.out.noise; n != nil && n.active && !n.ring {
		m.noise = int(n.level) + 1
	}
	for i, e := range l.keys.streams {
		if e.used != 0 {
			m.in[i] = inMarks{e.ssrc, true, after(&e.rtp), after(&e.rtcp)}
		}
	}
	return m
}

func after(w *srtp.Window) uint64 {
	if !w.Started() {
		return 0
	}
	return w.Top() + 1
}

func (l *leg) tally() tally {
	h, r := &l.in.heard, &l.reports
	t := tally{counters: l.stats, ssrc: h.ssrc, lost: h.lost(), heard: h.heard + int64(h.received), gaps: h.gaps, missing: h.missing, jitter: h.jitter,
		roundTrip: int64(r.roundTrip / time.Microsecond), peerLost: r.peerLost, peerJitter: int64(r.peerJitter)}
	for _, p := range l.local.ports {
		if p != nil {
			strangers, others := p.dropped()
			t.Foreign, t.KernelDrops = t.Foreign+strangers, t.KernelDrops+others
		}
	}
	return t
}

// count has the figures go on from those of another box. What was lost while nobody listened is not known, and so the peer's stream begins anew.
func (l *leg) count(t tally) {
	l.stats = t.counters
	l.in.heard = reception{ssrc: t.ssrc, before: t.lost, heard: t.heard, gaps: t.gaps, missing: t.missing, jitter: t.jitter}
	l.reports.roundTrip, l.reports.peerLost, l.reports.peerJitter = time.Duration(t.roundTrip)*time.Microsecond, t.peerLost, uint32(t.peerJitter)
}

// How far a stream goes before new marks are asked for, and an index that no stream comes to.
const (
	movedFar = 1 << 12
	nowhere  = ^uint64(0)
)

// marks of a stream. From now on the thread tells when it has moved far from them.
func (o *stream) marks(now time.Duration, rate int64) outMarks {
	m := outMarks{started: o.sent.Started(), top: uint64(o.lastSeq), rtcp: o.rtcpIndex, underKey: o.underKey, idle: now - o.lastAt, pace: o.pace, tsDelta: o.tsDelta}
	m.timestamp = o.lastTS + uint32(units(m.idle, rate))
	if m.started {
		m.top = o.sent.Top()
	}
	if !o.restart {
		m.from = o.from
	}
	o.far = m.top + movedFar
	return m
}

// measure notes how many packets went out in the last second.
func (o *stream) measure() {
	o.pace = max(o.underKey-o.counted, o.pace-(o.pace+7)/8)
	o.counted = o.underKey
}

// tellMoved has the call take new marks.
func (t *thread) tellMoved(l *leg) {
	l.out.stream.far = nowhere
	t.relay.events.post(func() { l.session.hear(Event{Side: l.side, Kind: Moved}) })
}
