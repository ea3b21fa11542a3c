package command

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/cdr"
	"viaduct/appliance/cli"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// mostShown limits how many records a search shows.
const mostShown = 10_000

// historyCommand lists calls that have ended. Its number may stand alone.
func historyCommand() cli.Line {
	return withExample("show calls history failed since 08:00", worded(
		command("show calls history [<calls:1..10000>] [failed] [number <number:called>] [to <to:called>] [since <since:moment>] [until <until:moment>] "+
			"[result <result:answered|failed|missed|refused|one-way>] [code <code:100..699>] [interface <interface:peer>] [before <before:record>] [json] [csv] [masked]",
			"The last calls that ended, 20 by default, with the result in words and the quality of both voices", showHistory),
		"failed", "Calls that did not come about, were lost, or had voice of one side only", "number", "Calls from or to this number", "to", "Calls to this number",
		"since", "Calls since this time", "until", "Calls before this time", "result", "Calls with this result",
		"answered", "Calls that were connected", "missed", "Calls that nobody answered, or that the caller gave up", "refused", "Calls that the callee, a peer or the box refused",
		"one-way", "Calls with voice of one side only", "code", "Calls that ended with this SIP status",
		"interface", "Calls that came by this interface sip, or were to go out by it", "before", "Calls before this one", "json", "Their records, one per line, for scripts",
		"csv", "A table for spreadsheets, one record per line", "masked", "Without the last three digits of numbers"))
}

type historyArgs struct {
	Calls             int // 0: as many as a screen shows, all that are selected
	Failed, JSON      bool
	CSV, Masked       bool
	Number, To        string
	Since, Until      string
	Result, Interface string
	Code              int
	Before            string
}

// search is what the words ask for.
func (a *historyArgs) search(now time.Time) (s status.RecordSearch, err error) {
	s = status.RecordSearch{Number: a.Number, Called: a.To, Result: status.RecordResult(a.Result), Code: a.Code, Interface: a.Interface, Before: a.Before}
	if a.Since != "" {
		if s.Since, err = moment(a.Since, now); err != nil {
			return s, err
		}
	}
	if a.Until != "" {
		if s.Until, err = moment(a.Until, now); err != nil {
			return s, err
		}
	}
	if a.Failed {
		if s.Result != "" && s.Result != status.ResultFailed {
			return s, fmt.Errorf("failed and result %s exclude each other", s.Result)
		}
		s.Result = status.ResultFailed
	}
	s.Last = cmp.Or(a.Calls, 20)
	if a.Calls == 0 && s.Selects() {
		s.Last = mostShown
	}
	return s, nil
}

func showHistory(c *Call, a *historyArgs) error {
	page := c.page()
	search, err := a.search(c.now().In(page.Zone))
	if err != nil {
		return err
	}
	found, err := c.Box.FindCalls(search)
	if err != nil {
		return err
	}
	list := found.Records
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
		if found.Older != "" && len(list) < search.Last {
			page.Printf("Not all calls have been looked at: `before %s` goes on with the search\n", found.Older)
		}
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

type alarmsArgs struct{ Alarms int }

func showAlarmHistory(c *Call, a *alarmsArgs) error {
	c.page().AlarmHistory(c.Box.AlarmHistory(cmp.Or(a.Alarms, 50)))
	return nil
}

type alarmArgs struct{ ID, Subject string }

func clearAlarm(c *Call, a *alarmArgs) error {
	n := c.Box.AcknowledgeAlarm(a.ID, a.Subject, cmp.Or(c.Session.User, "nobody"))
	if n == 0 {
		return fmt.Errorf("no such alarm is raised: %s; `show alarms` lists those that are", a.ID)
	}
	c.Printf("%s acknowledged\n", plural.Of(n, "alarm"))
	return nil
}

// looking are the first words of commands that change nothing. All others belong into the trail, new ones too.
var looking = strings.Fields("show what-if ping traceroute nslookup who help exit quit logout end enable configure terminal debug check")

// Looks reports whether a command, by its pattern, changes nothing.
func Looks(pattern string) bool {
	word, _, _ := strings.Cut(strings.TrimPrefix(pattern, "no "), " ")
	return slices.Contains(looking, word)
}

type auditArgs struct {
	Last           int
	Account, Since string
}

func showAudit(c *Call, a *auditArgs) error {
	var since time.Time
	if a.Since != "" {
		var err error
		if since, err = moment(a.Since, c.now().In(c.page().Zone)); err != nil {
			return err
		}
	}
	list, err := c.Box.Audit(cmp.Or(a.Last, 50), func(e status.Audit) bool {
		return (a.Account == "" || e.Account == a.Account) && !e.Time.Before(since)
	})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("nothing of this kind is in the trail")
	}
	c.page().Audit(list)
	return nil
}
