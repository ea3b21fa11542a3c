package media

import (
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/media/reports"
)

// counters are the figures of a leg that are not kept elsewhere.
type counters struct {
	Drops
	rtcpReceived, rtcpSent                                  uint64
	received, sent, receivedOctets, sentOctets, sentPayload uint64
}

func (l *leg) figures(base time.Time) Stats {
	c, h := &l.stats, l.in.heard.Totals()
	s := Stats{
		Received: c.received, Sent: c.sent, ReceivedOctets: c.receivedOctets, SentOctets: c.sentOctets,
		Lost: h.Lost, Drops: c.Drops, RTCPReceived: c.rtcpReceived, RTCPSent: c.rtcpSent,
		RoundTrip: l.reports.RoundTrip, Source: l.remote.source[rtp].Netip(), SSRC: l.in.heard.SSRC,
	}
	for _, p := range l.local.ports {
		if p != nil {
			strangers, others := p.dropped()
			s.Foreign, s.KernelDrops = s.Foreign+strangers, s.KernelDrops+others
		}
	}
	if l.formats.rate > 0 {
		s.Jitter = time.Duration(h.Jitter) * time.Second / time.Duration(16*l.formats.rate)
	}
	s.Quality = l.quality(h, s.Jitter)
	s.PeerLost, s.PeerJitter = l.reports.PeerLost, time.Duration(l.reports.PeerJitter)*time.Second/time.Duration(max(l.formats.rate, 1))
	if l.in.last != 0 {
		s.Last = base.Add(l.in.last)
	}
	if l.in.lastRTP != 0 {
		s.LastRTP = base.Add(l.in.lastRTP)
	}
	return s
}

// quality rates the peer's stream.
func (l *leg) quality(h reports.Totals, jitter time.Duration) audio.Quality {
	switch {
	case h.Heard == 0:
		return audio.Quality{}
	case l.formats.loss == audio.Impairment{}:
		return audio.Quality{BurstRatio: h.BurstRatio()}
	}
	return l.formats.loss.Rate(h.Loss(), h.BurstRatio(), l.reports.RoundTrip, jitter)
}

// Stats of a side now.
func (s *Session) Stats(side Side) Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.thread == nil {
		return s.final[side]
	}
	var figures Stats
	s.thread.do(func() { figures = s.legs[side].figures(s.thread.base) })
	return figures
}

// SessionSide is one side of a session.
type SessionSide struct {
	Session *Session
	Side    Side
}

// StatsOf are the figures of many sides now. Each relay thread is asked once, however many sides it has: a thread that is busy answers
// once in its turn, which is a millisecond.
func StatsOf(sides []SessionSide) []Stats {
	list := make([]Stats, len(sides))
	asked := map[*thread][]int{}
	for i, x := range sides {
		x.Session.mu.Lock()
		if list[i] = x.Session.final[x.Side]; !x.Session.closed && x.Session.thread != nil {
			asked[x.Session.thread] = append(asked[x.Session.thread], i)
		}
		x.Session.mu.Unlock()
	}
	for t, indexes := range asked {
		t.do(func() {
			for _, i := range indexes {
				list[i] = sides[i].Session.legs[sides[i].Side].figures(t.base)
			}
		})
	}
	return list
}
