package media

import (
	"time"

	"viaduct/appliance/media/marks"
	"viaduct/appliance/media/reports"
	"viaduct/appliance/srtp"
)

// Marks are how far the packets of a session have come. They are a value, and small when written. They should be taken every few seconds, and after an
// event Moved.
type Marks = marks.Marks

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
			m.Sides[side] = l.marks(s.thread.now)
		}
	}
	return m
}

func (l *leg) marks(now time.Duration) marks.Side {
	m := marks.Side{Open: true, Started: l.in.started, Counts: l.counts, Tally: l.tally(), Out: l.out.stream.marks(now, l.formats.rate)}
	for i, a := range l.remote.source {
		m.Source[i] = a.Netip()
	}
	if n := l.out.noise; n != nil && n.active && !n.ring {
		m.Noise = int(n.level) + 1
	}
	for i, e := range l.keys.streams {
		if e.used != 0 {
			m.In[i] = marks.In{SSRC: e.ssrc, Used: true, RTP: after(&e.rtp), RTCP: after(&e.rtcp)}
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

func (l *leg) tally() marks.Tally {
	h, r := l.in.heard.Totals(), &l.reports
	c := &l.stats
	t := marks.Tally{Drops: c.Drops, Received: c.received, Sent: c.sent, ReceivedOctets: c.receivedOctets, SentOctets: c.sentOctets, SentPayload: c.sentPayload,
		RTCPReceived: c.rtcpReceived, RTCPSent: c.rtcpSent, SSRC: l.in.heard.SSRC, Lost: h.Lost, Heard: h.Heard, Gaps: h.Gaps, Missing: h.Missing,
		Jitter: h.Jitter, RoundTrip: int64(r.RoundTrip / time.Microsecond), PeerLost: r.PeerLost, PeerJitter: int64(r.PeerJitter)}
	for _, p := range l.local.ports {
		if p != nil {
			strangers, others := p.dropped()
			t.Foreign, t.KernelDrops = t.Foreign+strangers, t.KernelDrops+others
		}
	}
	return t
}

// count has the figures go on from those of another box.
func (l *leg) count(t marks.Tally) {
	l.stats = counters{Drops: t.Drops, received: t.Received, sent: t.Sent, receivedOctets: t.ReceivedOctets, sentOctets: t.SentOctets,
		sentPayload: t.SentPayload, rtcpReceived: t.RTCPReceived, rtcpSent: t.RTCPSent}
	l.in.heard.Resume(t.SSRC, reports.Totals{Lost: t.Lost, Heard: t.Heard, Gaps: t.Gaps, Missing: t.Missing, Jitter: t.Jitter})
	l.reports.RoundTrip, l.reports.PeerLost, l.reports.PeerJitter = time.Duration(t.RoundTrip)*time.Microsecond, t.PeerLost, uint32(t.PeerJitter)
}

// How far a stream goes before new marks are asked for, and an index that no stream comes to.
const (
	movedFar = 1 << 9 // less than any skip: a source may jump, or begin to send faster, between two rounds of marks
	nowhere  = ^uint64(0)
)

// marks of a stream. From now on the thread tells when it has moved far from them.
func (o *stream) marks(now time.Duration, rate int64) marks.Out {
	m := marks.Out{Started: o.sent.Started(), Top: uint64(o.lastSeq), RTCP: o.rtcpIndex, UnderKey: o.underKey, Idle: now - o.lastAt, Pace: o.pace, TSDelta: o.tsDelta}
	m.Timestamp = o.lastTS + uint32(units(m.Idle, rate))
	if m.Started {
		m.Top = o.sent.Top()
	}
	if !o.restart {
		m.From = o.from
	}
	o.far = m.Top + movedFar
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
