package system

import (
	"log/slog"
	"net/netip"
	"time"

	"viaduct/appliance/audit"
	"viaduct/appliance/health"
	"viaduct/appliance/plural"
	"viaduct/appliance/source"
	"viaduct/appliance/status"
)

// newTrail opens the trail of who did what.
func (s *System) newTrail() *audit.Trail {
	log := slog.New(slog.DiscardHandler)
	if s.o.Syslog != nil {
		log = slog.New(s.o.Syslog.Audit())
	}
	return audit.New(audit.Options{Open: s.store.Trail, Log: log, Fail: func(err error) {
		why := ""
		if err != nil {
			why = err.Error()
		}
		s.judge(health.AuditLost, why)
	}})
}

// Note adds an entry to the trail.
func (s *System) Note(e status.Audit, more func(*status.Audit)) { s.trail.Note(e, more) }

// Audit returns the last n entries of the trail that are wanted, oldest first.
func (s *System) Audit(n int, wanted func(status.Audit) bool) ([]status.Audit, error) {
	return s.trail.Last(n, wanted)
}

// noteBox tells the trail what happened to the box.
func (s *System) noteBox(text string) {
	s.trail.Note(status.Audit{What: status.AuditBox}, func(e *status.Audit) { e.Line = text })
}

// WrongPassword counts a wrong password, and returns for how long the source is shut out from now on.
func (s *System) WrongPassword(from netip.Addr, account string) time.Duration {
	now := time.Now()
	before := s.bans.Left(from, now)
	left := s.bans.Wrong(from, account, now)
	if before == 0 && left > 0 {
		s.trail.Note(status.Audit{What: status.AuditBanned, Account: account, From: source.Name(source.Of(from))}, func(e *status.Audit) {
			e.Line = "for " + plural.Of(int(left.Minutes()), "minute") + ", after too many wrong passwords"
		})
	}
	return left
}

// AlarmHistory returns the last n alarms that were raised, oldest first.
func (s *System) AlarmHistory(n int) []health.Episode { return s.history.Last(n) }

// AcknowledgeAlarm acknowledges the raised alarms of a kind, or the one with this subject, and returns how many those are.
func (s *System) AcknowledgeAlarm(id, subject, by string) int {
	return s.health.Acknowledge(id, subject, by)
}
