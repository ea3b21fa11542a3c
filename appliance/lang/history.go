package lang

import (
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/plural"
)

// CallRecord is a call that has ended.
type CallRecord struct {
	ID, CallID                string // CallID: of the caller's leg
	Started, Connected, Ended time.Time
	From, To                  string // interfaces
	Calling, Called           string
	By                        string // who ended it
	Code                      int    // SIP status; 200 for a call that was connected
	Reason                    string
	Attempts                  []CallAttempt
	Media                     []CallMedia // the caller's side first
	JSON                      []byte      // the record as it is kept, one line
}

// CallAttempt is one destination that was tried.
type CallAttempt struct {
	Interface, Calling, Called string
	Code                       int // 0: no answer
	Text                       string
}

// CallMedia are the figures of one side.
type CallMedia struct {
	Codec, Security string
	Received, Sent  uint64
	Lost            int64
	Foreign         uint64 // packets of strangers
	JitterMS        float64
	RoundTripMS     float64 // 0: not known
	BurstRatio, MOS float64 // of what came from the peer; MOS 0: not known
}

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
			c.printf("%s\n", r.JSON)
		}
		return nil
	}
	zone := c.box.Running().Clock.Location()
	rows := [][]string{{"ID", "Started", "Calling", "Called", "From", "To", "Talked", "Result"}}
	for _, r := range records {
		rows = append(rows, []string{r.ID, r.Started.In(zone).Format(time.DateTime), dash(r.Calling), dash(r.Called), r.From, dash(r.To), talked(r), outcome(r)})
	}
	if len(records) > 0 {
		c.columns(rows)
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

func (c *call) printRecord(r CallRecord) {
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
		c.printf("  Media of %s: %s, SRTP %s\n", side, dash(m.Codec), dash(m.Security))
		c.printf("    Packets: %d in, %d out, %d lost, %d from strangers, jitter %.1f ms\n", m.Received, m.Sent, m.Lost, m.Foreign, m.JitterMS)
		c.printf("    Quality: MOS %s, burst ratio %.1f, round trip %s\n", known(m.MOS, "%.2f"), max(m.BurstRatio, 1), known(m.RoundTripMS, "%.1f ms"))
	}
}

// talked is how long a call was connected.
func talked(r CallRecord) string {
	if r.Connected.IsZero() {
		return "-"
	}
	return span(r.Ended.Sub(r.Connected))
}

func outcome(r CallRecord) string {
	text := fmt.Sprintf("%d, ended by %s", r.Code, dash(r.By))
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}
