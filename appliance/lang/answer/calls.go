package answer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/cdr"
	"viaduct/appliance/explain"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
	"viaduct/appliance/route"
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
			pg.Folded("  ", l.Interface+" with "+dash(l.Peer))
			pg.Folded("    Call-ID: ", l.CallID)
			pg.Folded("    Media: ", fmt.Sprintf("%s, SRTP %s, %s to %s", dash(l.Codec), cmp.Or(l.Suite, "none"), endpoint(l.Local), endpoint(l.Remote)))
			pg.Printf("    Digits to it: %s\n", l.Digits)
			if level > 1 {
				pg.Printf("    Packets: %d in, %d out, %d lost, jitter %.1f ms\n", l.Received, l.Sent, max(l.Lost, 0), l.JitterMS)
				pg.Printf("    Quality: MOS %s, burst ratio %.1f, round trip %s\n", known(l.MOS, "%.2f"), max(l.BurstRatio, 1), known(l.RoundTripMS, "%.1f ms"))
			}
		}
	}
	pg.Printf("%s\n", plural.Of(len(calls), "call"))
}

// historyWidth is the width of a list of past calls, in which a call has one line.
const historyWidth = 100

// Records lists past calls, the latest at the end: with the number that was called in the end, what came of the call, and how both voices were.
func (pg Page) Records(records []status.Record) {
	const number = 16 // E.164 with its +
	rows := [][]string{{"ID", "Started", "Calling", "Called", "Talked", "Voice", "Result"}}
	oneWay := false
	for _, r := range records {
		rows = append(rows, []string{
			r.ID, r.Started.In(pg.Zone).Format("01-02 15:04:05"), dash(printable.Short(r.Calling, number)), dash(printable.Short(cmp.Or(r.CalledMapped, r.Called), number)), talked(r), voices(r),
			explain.Brief(r),
		})
		oneWay = oneWay || r.OneWay() != ""
	}
	if len(records) > 0 {
		pg.columns(rows, historyWidth)
	}
	if oneWay {
		pg.Printf("Voice: MOS from the caller and from the callee; ! nothing came at the end\n")
	}
	pg.Printf("%s\n", plural.Of(len(records), "call"))
}

// voices are the scores of both voices, the caller's first.
func voices(r status.Record) string {
	if r.Connected.IsZero() || len(r.Media) == 0 {
		return "-"
	}
	score := [2]string{"-", "-"}
	for n, m := range r.Media {
		side := min(n, 1)
		if m.Side != "" && len(r.Media) == 1 {
			side = map[status.Party]int{status.ByCallee: 1}[m.Side]
		}
		switch {
		case m.SilentS > 0:
			score[side] = "!"
		case m.MOS > 0:
			score[side] = fmt.Sprintf("%.1f", m.MOS)
		}
	}
	return score[0] + "/" + score[1]
}

// RecordsJSON writes records as they are stored, one per line.
func (pg Page) RecordsJSON(records []status.Record) error {
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("record of call %s: %w", r.ID, err)
		}
		if err := pg.JSON(line); err != nil {
			return err
		}
	}
	return nil
}

// RecordsCSV writes records as a table for spreadsheets.
func (pg Page) RecordsCSV(records []status.Record) {
	pg.Printf("%s\n", cdr.Header())
	for _, r := range records {
		pg.Printf("%s\n", cdr.Row(r))
	}
}

// CallRecords tells what is kept of call records, and how far they have been sent.
func (pg Page) CallRecords(a status.CallRecords, now time.Time) {
	kept := fmt.Sprintf("Kept: %s, %s of at most %s", plural.Of(a.Days, "day"), octets(a.Octets), octets(a.Limit))
	if a.First != "" {
		kept += ", since " + a.First
	}
	pg.Printf("%s\n", kept)
	if a.Waiting > 0 {
		pg.Printf("Not written yet: %s\n", plural.Of(a.Waiting, "record"))
	}
	pg.Printf("Syslog: %s\n", cmp.Or(a.Syslog, "no"))
	if a.Post == nil {
		pg.Printf("Posted to: no server\n")
		return
	}
	pg.Printf("Posted to: %s\n", a.Post.URL)
	if !a.Post.Accepted.IsZero() {
		pg.Printf("Last accepted: %s ago\n", span(now.Sub(a.Post.Accepted)))
	}
	if a.Post.Waiting > 0 {
		pg.Printf("Waiting: %s\n", octets(a.Post.Waiting))
	}
	if a.Post.Failing != "" {
		pg.Folded("Failing: ", fmt.Sprintf("for %s: %s", span(now.Sub(a.Post.Since)), a.Post.Failing))
	}
	if a.Post.Deleted {
		pg.Printf("The oldest that waited have been deleted unsent.\n")
	}
	if a.Post.Refused > 0 {
		pg.Printf("Refused: %d\n", a.Post.Refused)
	}
}

// Record shows the full record of a past call.
func (pg Page) Record(r status.Record) {
	pg.Printf("Call %s\n", r.ID)
	pg.Printf("  Call-ID: %s\n", dash(r.CallID))
	pg.Printf("  %s calls %s\n", dash(r.Calling), dash(r.Called))
	if r.CallingMapped != "" || r.CalledMapped != "" {
		pg.Printf("  After mapping: %s calls %s\n", dash(r.CallingMapped), dash(r.CalledMapped))
	}
	pg.Folded("  From ", withPeer(r.From, r.Peer)+" to "+dash(r.To))
	pg.Printf("  Started: %s\n", pg.time(r.Started))
	pg.Printf("  Talked: %s\n", talked(r))
	pg.Folded("  Result: ", outcome(r))
	if r.Emergency {
		pg.Printf("  Emergency call\n")
	}
	if l := r.Licenses; l.SessionsTotal > 0 {
		pg.Printf("  Licenses before it: %d of %d sip-sessions, %d of %d srtp-channels in use\n", l.Sessions, l.SessionsTotal, l.Channels, l.ChannelsTotal)
	}
	for _, s := range r.Route {
		pg.Folded("  Route: ", route.Step(s).String())
	}
	for _, t := range r.Attempts {
		verb := "Tried"
		if t.Outcome == status.Skipped || t.Outcome == status.Declined {
			verb = "Passed over"
		}
		pg.Folded("  "+verb+" ", fmt.Sprintf("%s, %s calling %s: %s", withPeer(t.Interface, t.Peer), dash(t.Calling), dash(t.Called), came(t)))
	}
	if r.Transfers+r.Holds+r.Rekeys > 0 {
		pg.Printf("  Changes: %s, %s, %s\n", plural.Of(r.Transfers, "transfer"), plural.Of(r.Holds, "hold"), plural.Of(r.Rekeys, "new SRTP key"))
	}
	for n, m := range r.Media {
		side := r.From
		if m.Side == status.ByCallee || m.Side == "" && n > 0 {
			side = dash(r.To)
		}
		pg.Folded("  Media of ", fmt.Sprintf("%s: %s, SRTP %s", side, dash(m.Codec), dash(m.Suite)))
		pg.Printf("    Packets: %d in, %d out, %d lost, %d from unknown sources, jitter %.1f ms\n", m.Received, m.Sent, m.Lost, m.Foreign, m.JitterMS)
		pg.Printf("    Quality: MOS %s, burst ratio %.1f, round trip %s\n", known(m.MOS, "%.2f"), max(m.BurstRatio, 1), known(m.RoundTripMS, "%.1f ms"))
		if m.SilentS > 0 {
			pg.Printf("    One-way voice: nothing from it in the last %s\n", span(time.Duration(m.SilentS)*time.Second))
		}
	}
}

// Explanation tells what became of a call.
func (pg Page) Explanation(r status.Record, now time.Time) {
	pg.Printf("Call %s: %s\n", r.ID, explain.Brief(r))
	head := ""
	for _, l := range explain.Record(r, pg.Zone, now) {
		if l.Head == head {
			pg.Folded("           ", l.Text)
			continue
		}
		head = l.Head
		pg.Folded(fmt.Sprintf("  %-9s", head), l.Text)
	}
}

// withPeer names an interface with the address beyond it.
func withPeer(name, peer string) string {
	if peer == "" {
		return name
	}
	return name + " (" + peer + ")"
}

// came is what came of an attempt.
func came(t status.Attempt) string {
	var words []string
	if t.Outcome != "" {
		words = append(words, string(t.Outcome))
	}
	switch {
	case t.Code > 0:
		words = append(words, strconv.Itoa(t.Code))
	case t.Outcome == "":
		words = append(words, "no answer")
	}
	if t.Text != "" {
		words = append(words, t.Text)
	}
	return strings.Join(words, " ")
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
