package overview

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/console/client"
	"viaduct/appliance/health"
	"viaduct/appliance/web/page"
)

// Alarms is /alarms.
var Alarms = page.Page{
	Path: "/alarms", Title: "alarms.title", Icon: "alarm", For: page.Operator, Templates: files,
	Routes: map[string]page.Handler{
		"GET /alarms": listAlarms, "POST /alarms/acknowledge": acknowledge, "GET /alarms/cure": question, "POST /alarms/cure": cure,
	},
	Topics: map[string]page.Topic{"alarms.now": alarmsNow, "alarms.past": alarmsPast},
}

// list is what is raised.
type list struct {
	All       []alarm
	Open      int    // of them, those that nobody has acknowledged
	Worst     string // kind of the worst of those: "ok" when there is none
	MayChange bool
	Short     bool // no times, and no acknowledgement
}

// alarm is one that is raised.
type alarm struct {
	health.Alarm
	N     int    // its place on the page
	Kind  string // of the badge
	Known bool   // the catalogue has its title
	MayChange,
	Short bool
}

// maxShown bounds the alarms of the first page.
const maxShown = 6

// Lines are those that cure it, as one text.
func (a alarm) Lines() string { return strings.Join(a.Cure, "\n") }

func of(q *page.Request, all []health.Alarm) list {
	l := list{Worst: "ok", MayChange: q.Class.May(page.Administrator)}
	for n, a := range all {
		kind := kindOf(a.Severity)
		if a.Seen == "" && a.Severity > health.Info {
			if l.Open == 0 {
				l.Worst = kind
			}
			l.Open++
		}
		l.All = append(l.All, alarm{Alarm: a, N: n, Kind: kind, Known: q.T(titles+a.ID) != titles+a.ID, MayChange: l.MayChange})
	}
	return l
}

// titles begins the keys of the alarms' titles.
const titles = "alarms.is."

// First are those of the first page.
func (l list) First() (first []alarm) {
	for _, a := range l.All[:min(len(l.All), maxShown)] {
		a.Short = l.Short
		first = append(first, a)
	}
	return first
}

// kindOf is the badge of a severity.
func kindOf(s health.Severity) string {
	switch s {
	case health.Critical, health.Error:
		return "error"
	case health.Warning:
		return "warning"
	}
	return "info"
}

func listAlarms(q *page.Request) error {
	_, now, err := alarmsNow(q)
	if err != nil {
		return err
	}
	_, past, err := alarmsPast(q)
	if err != nil {
		return err
	}
	return q.Render("alarms.html", map[string]any{"Now": now, "Past": past})
}

func alarmsNow(q *page.Request) (string, any, error) {
	all, err := raised(q)
	return "now.html", of(q, all), err
}

func raised(q *page.Request) (all []health.Alarm, err error) {
	return all, q.Status("alarms", nil, &all)
}

// pastShown bounds the history on the page.
const pastShown = "100"

// episode is an alarm of the past.
type episode struct {
	health.Episode
	Kind string
}

func alarmsPast(q *page.Request) (string, any, error) {
	var all []health.Episode
	if err := q.Status("alarms-history", url.Values{"last": {pastShown}}, &all); err != nil {
		return "", nil, err
	}
	list := make([]episode, len(all))
	for n, e := range all {
		list[n] = episode{e, kindOf(e.Severity)}
	}
	slices.SortStableFunc(list, func(a, b episode) int { return b.Raised.Compare(a.Raised) })
	return "past.html", list, nil
}

// acknowledge runs `clear alarm`, as the console would.
func acknowledge(q *page.Request) error {
	line := "clear alarm " + cli.Quote(q.Form("id"))
	if subject := q.Form("subject"); subject != "" {
		line += " " + cli.Quote(subject)
	}
	return done(q, func() (page.Outcome, error) { return q.Enabled(line, "", true) })
}

// question shows the lines that cure an alarm, and asks whether they are to be run.
func question(q *page.Request) error {
	a, err := find(q, q.Query("id"), q.Query("subject"))
	if err != nil {
		return err
	}
	return q.RenderTitled(q.T("alarms.cure.title"), "cure.html", a)
}

// find looks for a raised alarm that has a cure.
func find(q *page.Request, id, subject string) (alarm, error) {
	all, err := raised(q)
	if err != nil {
		return alarm{}, err
	}
	for _, a := range of(q, all).All {
		if a.ID == id && a.Subject == subject && len(a.Cure) > 0 {
			return a, nil
		}
	}
	return alarm{}, q.Fail(http.StatusNotFound, "alarms.over")
}

// cureTime is how long lines may take: some wait for somebody else.
const cureTime = 3 * time.Minute

// cure runs the lines that cure an alarm, if they are still those that the user has seen.
func cure(q *page.Request) error {
	a, err := find(q, q.Form("id"), q.Form("subject"))
	if err != nil {
		return err
	}
	if strings.ReplaceAll(q.Form("lines"), "\r\n", "\n") != a.Lines() {
		return q.Fail(http.StatusConflict, "alarms.changed")
	}
	http.NewResponseController(q.Raw()).SetWriteDeadline(time.Now().Add(cureTime))
	run := func() (page.Outcome, error) { return q.Enabled(a.Lines(), "", true) } // the question that it may ask was answered here
	if len(a.Cure) > 1 {
		run = func() (page.Outcome, error) { return q.Exec(append([]string{"enable"}, a.Cure...)...) }
	}
	return done(q, run)
}

// done runs something, says what came of it, and leads to the alarms. What was refused is shown with all that was said.
func done(q *page.Request, run func() (page.Outcome, error)) error {
	out, err := run()
	if errors.Is(err, client.ErrBroken) { // it restarts, as it was told to
		q.Toast("warning", q.T("alarms.broken"))
		return q.Redirect("/alarms")
	}
	if err != nil {
		return err
	}
	if !out.OK {
		return q.RenderStatus(http.StatusConflict, q.T("alarms.refused"), "refused.html", out.Text)
	}
	q.Toast("ok", q.T("alarms.done"))
	return q.Redirect("/alarms")
}
