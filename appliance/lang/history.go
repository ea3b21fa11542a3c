package lang

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

type historyArgs struct {
	Calls int // 0: as many as a screen shows
	JSON  bool
}

// showHistory lists calls that have ended, the last one at the end.
func showHistory(c *call, a *historyArgs) error {
	n := a.Calls
	if n == 0 {
		n = 20
	}
	records, err := c.box.CallRecords(n)
	if err != nil {
		return err
	}
	if a.JSON {
		for _, r := range records {
			line, err := json.Marshal(r)
			if err != nil {
				return fmt.Errorf("record of call %s: %w", r.ID, err)
			}
			c.printf("%s\n", line)
		}
		return nil
	}
	zone := c.box.Running().Clock.Location()
	rows := [][]string{{"ID", "Started", "Calling", "Called", "From", "To", "Talked", "Result"}}
	for _, r := range records {
		rows = append(rows, []string{r.ID, r.Started.In(zone).Format(time.DateTime), dash(r.Calling), dash(r.Called), r.From, dash(r.To), talked(r), outcome(r)})
	}
	if len(records) > 0 {
		c.page().Columns(rows)
	}
	c.printf("%s\n", plural.Of(len(records), "call"))
	return nil
}

type recordArgs struct{ ID string }

// recordsSearched is how far back `show calls record` looks.
const recordsSearched = 10_000

func showRecord(c *call, a *recordArgs) error {
	records, err := c.box.CallRecords(recordsSearched)
	if err != nil {
		return err
	}
	found := false
	for _, r := range records {
		if strings.EqualFold(r.ID, a.ID) || r.CallID == a.ID {
			found = true
			c.printRecord(r)
		}
	}
	if !found {
		return fmt.Errorf("no record of a call %q: `show calls history` lists them", a.ID)
	}
	return nil
}

func (c *call) printRecord(r status.Record) {
	c.printf("Call %s\n", r.ID)
	c.printf("  Call-ID: %s\n", dash(r.CallID))
	c.printf("  %s calls %s\n", dash(r.Calling), dash(r.Called))
	c.printf("  From %s to %s\n", r.From, dash(r.To))
	c.printf("  Started: %s\n", c.local(r.Started))
	c.printf("  Talked: %s\n", talked(r))
	c.printf("  Result: %s\n", outcome(r))
	for _, t := range r.Attempts {
		answer := "no answer"
		if t.Code > 0 {
			answer = strings.TrimSpace(fmt.Sprintf("%d %s", t.Code, t.Text))
		}
		c.printf("  Tried %s, %s calling %s: %s\n", t.Interface, dash(t.Calling), dash(t.Called), answer)
	}
	for n, m := range r.Media {
		side := r.From
		if n > 0 {
			side = dash(r.To)
		}
		c.printf("  Media of %s: %s, SRTP %s\n", side, dash(m.Codec), dash(m.Suite))
		c.printf("    Packets: %d in, %d out, %d lost, %d from strangers, jitter %.1f ms\n", m.Received, m.Sent, m.Lost, m.Foreign, m.JitterMS)
		c.printf("    Quality: MOS %s, burst ratio %.1f, round trip %s\n", known(m.MOS, "%.2f"), max(m.BurstRatio, 1), known(m.RoundTripMS, "%.1f ms"))
	}
}

// talked is how long a call was connected.
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
