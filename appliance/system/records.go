package system

import (
	"context"
	"encoding/json"
	"fmt"

	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// record hands a call's record to the writer; a call never waits for the flash.
func (s *System) record(r status.Record) {
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
		var r status.Record
		if json.Unmarshal(line, &r) == nil {
			list = append(list, r)
		}
	}
	return list, nil
}
