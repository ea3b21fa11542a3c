package command

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/cdr"
	"viaduct/appliance/cli"
	"viaduct/appliance/explain"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// recordsSearched limits how many records are searched.
const recordsSearched = 10_000

// historyCommand lists calls that have ended. Its number may stand alone.
func historyCommand() cli.Line {
	return withExample("show calls history failed since 08:00", worded(
		command("show calls history [<calls:1..10000>] [failed] [to <to:called>] [since <since:moment>] [json] [csv] [masked]",
			"The last calls that ended, 20 by default, with the result in words and the quality of both voices", showHistory),
		"failed", "Calls that did not come about, were lost, or had voice of one side only", "to", "Calls to this number",
		"since", "Calls since this time", "json", "Their records, one per line, for scripts",
		"csv", "A table for spreadsheets, one record per line", "masked", "Without the last three digits of numbers"))
}

type historyArgs struct {
	Calls        int // 0: as many as a screen shows, all that are selected
	Failed, JSON bool
	CSV, Masked  bool
	To, Since    string
}

func showHistory(c *Call, a *historyArgs) error {
	selected := a.Failed || a.To != "" || a.Since != ""
	n := cmp.Or(a.Calls, 20)
	search := n
	if selected {
		n, search = cmp.Or(a.Calls, recordsSearched), recordsSearched
	}
	records, err := c.Box.CallRecords(search)
	if err != nil {
		return err
	}
	page := c.page()
	since := time.Time{}
	if a.Since != "" {
		if since, err = moment(a.Since, c.now().In(page.Zone)); err != nil {
			return err
		}
	}
	var list []status.Record
	for _, r := range records {
		if (!a.Failed || explain.Failed(r)) && (a.To == "" || wasCalled(r, a.To)) && !r.Started.Before(since) {
			list = append(list, r)
		}
	}
	list = list[max(0, len(list)-n):]
	if a.Masked {
		for n, r := range list {
			list[n] = cdr.Mask(r)
		}
	}
	switch {
	case a.CSV:
		page.RecordsCSV(list)
	case a.JSON:
		return page.RecordsJSON(list)
	default:
		page.Records(list)
	}
	return nil
}

type eraseRecordsArgs struct {
	Days  int // 0: all
	Force bool
}

// eraseRecords deletes records of calls, and with them what waits to be sent.
func eraseRecords(c *Call, a *eraseRecordsArgs) error {
	what := "all call records"
	if a.Days > 0 {
		what = "the call records that are older than " + plural.Of(a.Days, "day")
	}
	if !c.confirmed(a.Force, "Delete "+what+", also those that have not been sent yet?") {
		return nil
	}
	n, err := c.Box.EraseCallRecords(a.Days)
	if err != nil {
		return fmt.Errorf("erase call-records: %w", err)
	}
	c.Printf("%s erased\n", plural.Of(n, "file"))
	return nil
}

// wasCalled reports whether a call went to a number: as the caller said it, or as a destination was told it. Of a number a part is enough.
func wasCalled(r status.Record, number string) bool {
	number = strings.ToLower(number)
	for _, called := range []string{r.Called, r.CalledMapped} {
		if strings.Contains(strings.ToLower(called), number) {
			return true
		}
	}
	return false
}

// moment reads a time of the day, a date, both, or how long ago.
func moment(text string, now time.Time) (time.Time, error) {
	if n, ok := strings.CutSuffix(text, "d"); ok {
		var days int
		if _, err := fmt.Sscanf(n+".", "%d.", &days); err == nil && days >= 0 && days <= 3650 {
			return now.AddDate(0, 0, -days), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			at := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location())
			if at.After(now) {
				at = at.AddDate(0, 0, -1) // it was yesterday
			}
			return at, nil
		}
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: 08:00, 2006-01-31, 2006-01-31T08:00, 2h or 3d", text)
}
