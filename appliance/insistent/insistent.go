// Package insistent knows which sources keep asking after they were refused.
//
// It owns the refusals of each source, of so many sources, and how they are forgotten. It does not own what they are refused, nor what comes of it.
// Its callers lock. It starts no goroutines and reads no clock.
package insistent

import (
	"net/netip"
	"time"
)

const (
	from    = 10   // refusals of a source
	forgets = 0.5  // so many of them are forgotten in a second
	sources = 1024 // whose refusals are counted
)

// Sources counts the refusals. The zero value knows none.
type Sources struct{ of map[netip.Addr]refusals }

// refusals go down with time.
type refusals struct {
	n    float64
	last time.Time
}

func (r refusals) at(now time.Time) float64 {
	return max(0, r.n-now.Sub(r.last).Seconds()*forgets)
}

// Refused notes that a source was refused.
func (s *Sources) Refused(source netip.Addr, now time.Time) {
	if s.of == nil {
		s.of = map[netip.Addr]refusals{}
	}
	for a, r := range s.of {
		if r.at(now) == 0 || len(s.of) >= sources {
			delete(s.of, a)
		}
	}
	s.of[source] = refusals{min(2*from, s.of[source].at(now)+1), now}
}

// Has reports whether a source keeps asking.
func (s *Sources) Has(source netip.Addr, now time.Time) bool {
	return s.of[source].at(now) >= from
}
