package system

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
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

// record counts a call and hands its record to the writer; a call never waits for the flash.
func (s *System) record(r status.Record) {
	s.traffic.Count(r)
	s.eye.Ended(r)
	s.ended(&r)
	select {
	case s.records <- r:
	default:
		s.judge(health.RecordsLost, "call records are lost: they come faster than the flash takes them")
	}
}

// writeRecords writes call records until ctx ends and every record before that is written.
func (s *System) writeRecords(ctx context.Context) error {
	log, err := s.store.Records()
	if err != nil {
		return fmt.Errorf("open call records: %w", err)
	}
	defer s.health.Clear(health.RecordsLost, "")
	write := func(r status.Record) {
		line, err := json.Marshal(r)
		if err == nil {
			err = log.Append(line)
		}
		if err != nil {
			s.judge(health.RecordsLost, fmt.Sprintf("call records are not written: %v", err))
			return
		}
		s.health.Clear(health.RecordsLost, "")
	}
	for {
		select {
		case r := <-s.records:
			write(r)
		case <-ctx.Done():
			for len(s.records) > 0 {
				write(<-s.records)
			}
			return log.Close()
		}
	}
}

// CallRecords returns the records of the last n calls, oldest first. It skips a line that a power cut left incomplete.
func (s *System) CallRecords(n int) ([]status.Record, error) {
	log, err := s.store.Records()
	if err != nil {
		return nil, fmt.Errorf("open call records: %w", err)
	}
	defer log.Close()
	lines, err := log.Last(n)
	if err != nil {
		return nil, err
	}
	list := make([]status.Record, 0, len(lines))
	for _, line := range lines {
		if r, err := status.ReadRecord(line); err == nil {
			list = append(list, r)
		}
	}
	return list, nil
}
