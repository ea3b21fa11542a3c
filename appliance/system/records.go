package system

import (
	"context"
	"encoding/json"
	"fmt"

	"viaduct/appliance/call"
	"viaduct/appliance/lang"
)

// record hands a call's record to the writer; a call never waits for the flash.
func (s *System) record(r call.Record) {
	select {
	case s.records <- r:
	default:
		s.standing.raise("call records", failure{text: "call records are lost: they come faster than the flash takes them"})
	}
}

// writeRecords writes call records until ctx ends and every record before that is written.
func (s *System) writeRecords(ctx context.Context) error {
	log, err := s.store.Records()
	if err != nil {
		return fmt.Errorf("open call records: %w", err)
	}
	defer s.standing.clear("call records")
	write := func(r call.Record) {
		line, err := json.Marshal(r)
		if err == nil {
			err = log.Append(line)
		}
		if err != nil {
			err = fmt.Errorf("call records are not written: %w", err)
		}
		s.standing.judge("call records", err)
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

// CallRecords returns the records of the last n calls, oldest first. A line that power cut short is left out.
func (s *System) CallRecords(n int) ([]lang.CallRecord, error) {
	log, err := s.store.Records()
	if err != nil {
		return nil, fmt.Errorf("open call records: %w", err)
	}
	defer log.Close()
	lines, err := log.Last(n)
	if err != nil {
		return nil, err
	}
	list := make([]lang.CallRecord, 0, len(lines))
	for _, line := range lines {
		var r call.Record
		if json.Unmarshal(line, &r) == nil {
			list = append(list, callRecord(r, line))
		}
	}
	return list, nil
}

func callRecord(r call.Record, line []byte) lang.CallRecord {
	out := lang.CallRecord{
		ID: r.ID, CallID: r.CallID, Started: r.Started, Connected: r.Connected, Ended: r.Ended,
		From: r.From, To: r.To, Calling: r.Calling, Called: r.Called, By: r.By, Code: r.Code, Reason: r.Reason, JSON: line,
	}
	for _, a := range r.Attempts {
		out.Attempts = append(out.Attempts, lang.CallAttempt(a))
	}
	for _, m := range r.Media {
		out.Media = append(out.Media, lang.CallMedia{
			Codec: m.Codec, Security: m.Suite, Received: m.Received, Sent: m.Sent, Lost: m.Lost, Foreign: m.Foreign,
			JitterMS: m.JitterMS, RoundTripMS: m.TripMS, BurstRatio: m.Burst, MOS: m.MOS,
		})
	}
	return out
}
