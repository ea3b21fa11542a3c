package answer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Calls lists calls in progress. Level 1 adds the legs of each call, level 2 their packets and quality.
func (pg Page) Calls(calls []status.Call, level int, now time.Time) {
	rows := [][]string{{"ID", "State", "Calling", "Called", "From", "To", "Time"}}
	for _, x := range calls {
		since := x.Started
		if !x.Connected.IsZero() {
			since = x.Connected
		}
		rows = append(rows, []string{x.ID, x.State.String(), dash(x.Calling), dash(x.Called), x.From, dash(x.To), span(now.Sub(since))})
	}
	if level == 0 {
		if len(calls) > 0 {
			pg.Columns(rows)
		}
		pg.Printf("%s\n", plural.Of(len(calls), "call"))
		return
	}
	for i, x := range calls {
		pg.Columns([][]string{rows[0], rows[i+1]})
		for _, l := range x.Legs {
			pg.Printf("  %s with %s\n", l.Interface, dash(l.Peer))
			pg.Printf("    Call-ID: %s\n", l.CallID)
			pg.Printf("    Media: %s, SRTP %s, %s to %s\n", dash(l.Codec), cmp.Or(l.Suite, "none"), endpoint(l.Local), endpoint(l.Remote))
			pg.Printf("    Digits to it: %s\n", l.Digits)
			if level > 1 {
				pg.Printf("    Packets: %d in, %d out, %d lost, jitter %.1f ms\n", l.Received, l.Sent, max(l.Lost, 0), l.JitterMS)
				pg.Printf("    Quality: MOS %s, burst ratio %.1f, round trip %s\n", known(l.MOS, "%.2f"), max(l.BurstRatio, 1), known(l.RoundTripMS, "%.1f ms"))
			}
		}
	}
	pg.Printf("%s\n", plural.Of(len(calls), "call"))
}

// Records lists past calls, the latest at the end.
func (pg Page) Records(records []status.Record) {
	rows := [][]string{{"ID", "Started", "Calling", "Called", "From", "To", "Talked", "Result"}}
	for _, r := range records {
		rows = append(rows, []string{r.ID, r.Started.In(pg.Zone).Format(time.DateTime), dash(r.Calling), dash(r.Called), r.From, dash(r.To), talked(r), outcome(r)})
	}
	if len(records) > 0 {
		pg.Columns(rows)
	}
	pg.Printf("%s\n", plural.Of(len(records), "call"))
}

// RecordsJSON writes records as they are stored, one per line.
func (pg Page) RecordsJSON(records []status.Record) error {
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("record of call %s: %w", r.ID, err)
		}
		pg.Printf("%s\n", line)
	}
	return nil
}

// Record shows the full record of a past call.
func (pg Page) Record(r status.Record) {
	pg.Printf("Call %s\n", r.ID)
	pg.Printf("  Call-ID: %s\n", dash(r.CallID))
	pg.Printf("  %s calls %s\n", dash(r.Calling), dash(r.Called))
	pg.Printf("  From %s to %s\n", r.From, dash(r.To))
	pg.Printf("  Started: %s\n", pg.time(r.Started))
	pg.Printf("  Talked: %s\n", talked(r))
	pg.Printf("  Result: %s\n", outcome(r))
	for _, t := range r.Attempts {
		answer := "no answer"
		if t.Code > 0 {
			answer = strings.TrimSpace(fmt.Sprintf("%d %s", t.Code, t.Text))
		}
		pg.Printf("  Tried %s, %s calling %s: %s\n", t.Interface, dash(t.Calling), dash(t.Called), answer)
	}
	for n, m := range r.Media {
		side := r.From
		if n > 0 {
			side = dash(r.To)
		}
		pg.Printf("  Media of %s: %s, SRTP %s\n", side, dash(m.Codec), dash(m.Suite))
		pg.Printf("    Packets: %d in, %d out, %d lost, %d from unknown sources, jitter %.1f ms\n", m.Received, m.Sent, m.Lost, m.Foreign, m.JitterMS)
		pg.Printf("    Quality: MOS %s, burst ratio %.1f, round trip %s\n", known(m.MOS, "%.2f"), max(m.BurstRatio, 1), known(m.RoundTripMS, "%.1f ms"))
	}
}

// talked returns how long a call was connected.
func talked(r status.Record) string {
	if r.Connected.IsZero() {
		return "-"
	}
	return span(r.Ended.Sub(r.Connected))
}

func outcome(r status.Record) string {
	text := fmt.Sprintf("%d, ended by %s", r.Code, dash(string(r.By)))
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}
