package system

import (
	"context"
	"time"

	"viaduct/appliance/expiry"
	"viaduct/appliance/status"
)

// newExpiry makes what knows when certificates end.
func (s *System) newExpiry() *expiry.Book {
	return expiry.New(expiry.Options{Log: s.log, Health: &s.health, Store: s.store, Config: s.Running})
}

// Calendar is the calendar in force, sorted by what concerns this box.
func (s *System) Calendar() status.Calendar { return s.ends.Calendar() }

// ImportCalendar takes a signed calendar that is newer than the one in force. With an error nothing has changed.
func (s *System) ImportCalendar(block []byte) (string, error) { return s.ends.Import(block) }

// EraseCalendar returns to the built-in calendar.
func (s *System) EraseCalendar() error { return s.ends.Erase() }

// lookAtDates is how often the expiry of certificates and licenses is checked: soon after the successor of an expired one was imported its
// alarm ends.
const lookAtDates = 15 * time.Second

// calendar checks the expiry of certificates and licenses. Expired licenses give their channels back.
func (s *System) calendar(ctx context.Context) error {
	every := time.NewTicker(lookAtDates)
	defer every.Stop()
	last := time.Now()
	for {
		s.ends.Look(time.Now())
		moved := false
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		case <-s.moved:
			moved = true
		}
		for _, l := range s.licenses.Expire(time.Now()) {
			s.log.Warn("license expired", "name", l.Kind, "serial", l.Serial)
		}
		now := time.Now()
		if moved || jumped(last, now) {
			s.judgeLicenses()
		}
		last = now
	}
}

// jumped reports whether the clock was set between two moments: its reading went on by another span than the time that passed. Licenses
// that expired under a wrong time come into force again.
func jumped(last, now time.Time) bool {
	const slewed = time.Second // in so little time, and more
	return (now.Round(0).Sub(last.Round(0)) - now.Sub(last)).Abs() > slewed
}

// clockMoved hears that the clock was stepped.
func (s *System) clockMoved() {
	select {
	case s.moved <- struct{}{}:
	default:
	}
}
