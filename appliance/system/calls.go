package system

import (
	"errors"
	"fmt"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// Calls lists the calls in progress.
func (s *System) Calls() []status.Call { return s.calls.Calls() }

// CallInProgress is the record of one of them as far as it has come.
func (s *System) CallInProgress(id string) (status.Record, bool) { return s.calls.Lookup(id) }

// CallCount counts the calls in progress without asking them.
func (s *System) CallCount() int { return s.calls.Count() }

// ClearCall hangs up one call, or all.
func (s *System) ClearCall(id string) error {
	if !s.calls.Clear(id) && id != "" {
		return fmt.Errorf("there is no call %s", id)
	}
	return nil
}

// Registrations lists the registrations of all identities.
func (s *System) Registrations() []status.Registration { return s.ua.Registrations() }

// Register sends a REGISTER at once for one identity, or for all.
func (s *System) Register(identity string) (int, error) {
	n := s.ua.RegisterNow(identity)
	switch {
	case n == 0 && identity != "":
		return 0, fmt.Errorf("no identity %s registers: see show sip registrations", identity)
	case n == 0:
		return 0, errors.New("no identity registers: registration outbound with register auto is missing")
	}
	return n, nil
}

// Peers lists the peers of all SIP interfaces.
func (s *System) Peers() []status.Peer { return s.ua.Peers() }

// ReleasePeers takes peers out of the penalty box.
func (s *System) ReleasePeers(i config.InterfaceID) int { return s.ua.Release(i) }

// Connections lists the open connections of all gateways.
func (s *System) Connections() []status.Connection { return s.sip.Connections() }

// Gateways lists the configured gateways with their sockets.
func (s *System) Gateways() []status.Gateway { return s.sip.Gateways() }

// Traffic counts the calls that ended in the last time, a day at most.
func (s *System) Traffic(last time.Duration) status.Traffic { return s.traffic.Last(last) }

// TrafficTotals counts the calls since the start.
func (s *System) TrafficTotals() status.TrafficTotals { return s.traffic.Totals() }

// Trend is how the box did over the last day.
func (s *System) Trend() status.Trend { return s.trend.Day(time.Since(s.start), time.Now()) }

// record takes the record of a call that has ended; it does not wait.
func (s *System) record(r status.Record) {
	s.traffic.Count(r)
	s.eye.Ended(r)
	s.ended(&r)
	s.archive.Take(r)
}

// CallRecords returns the records of the last n calls, oldest first.
func (s *System) CallRecords(n int) ([]status.Record, error) { return s.archive.Last(n) }

// FindCalls searches the records of past calls.
func (s *System) FindCalls(q status.RecordSearch) (status.RecordsFound, error) {
	return s.archive.Find(q)
}

// CallArchive describes what is kept of call records, and where they go.
func (s *System) CallArchive() status.CallRecords { return s.archive.Status() }

// EraseCallRecords deletes the call records of the days before the last ones, all for 0, and returns how many files those were.
func (s *System) EraseCallRecords(days int) (int, error) { return s.archive.Erase(days) }
