// Package configuration is the page with the configuration: an editor that shows the problems of a text and what it would change before it
// is applied, changes that go back unless they are confirmed, and the versions that were saved.
//
// It owns these pages and the notice of a change that waits, which stands on every page. It holds no configuration: sbcd judges each text,
// applies it as this user, and says who was first when two change it at once.
package configuration

import (
	"cmp"
	"embed"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/client"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

//go:embed *.html
var files embed.FS

// Page is /configuration.
var Page = page.Page{
	Path: "/configuration", Title: "configuration.title", Icon: "configuration", For: page.Operator, Templates: files,
	Routes: map[string]page.Handler{
		"GET /configuration":           edit,
		"GET /configuration/text":      text,
		"POST /configuration/check":    check,
		"POST /configuration/apply":    apply,
		"POST /configuration/conflict": conflict,
		"POST /configuration/help":     help,
		"GET /configuration/history":   history,
		"POST /configuration/confirm":  func(q *page.Request) error { return command(q, "confirm", "configuration.confirmed") },
		"POST /configuration/keep":     func(q *page.Request) error { return command(q, "confirm save", "configuration.kept") },
		"POST /configuration/back":     func(q *page.Request) error { return command(q, "no confirm", "configuration.back") },
		"POST /configuration/save": func(q *page.Request) error {
			return command(q, "copy running-config startup-config", "configuration.saved")
		},
	},
	Topics: map[string]page.Topic{"configuration.pending": pending},
}

// wait is for how long a change may wait.
type wait struct{ Minutes int }

func (w wait) Seconds() int            { return 60 * w.Minutes }
func (w wait) Duration() time.Duration { return time.Duration(w.Minutes) * time.Minute }

// waiting are the times on offer, the usual one first.
var waiting = []wait{{5}, {1}, {10}, {30}, {60}}

// longest is the longest of all that sbcd takes.
const longest = 24 * time.Hour

// view is what the editor shows.
type view struct {
	Text, Tag, Of string // Of: a version that is loaded into the editor
	Change        bool   // this user may change it
	Waiting       []wait
	Keep          time.Duration // 0: it stays
	Result        *result
}

// result is what sbcd says of a text.
type result struct {
	wire.ConfigReply
	Status   int
	Checked  bool // nothing was to be changed
	Stale    bool // the configuration is another one than that which was edited
	Keep     time.Duration
	Why      string // sbcd refuses it
	Lost     []wire.ConfigProblem
	Conflict *both
}

// both are the two differences to the configuration that two have edited.
type both struct{ Theirs, Mine wire.CompareReply }

func newView(q *page.Request) *view {
	return &view{Change: q.Class.May(page.Administrator), Waiting: waiting, Keep: waiting[0].Duration()}
}

func query(q *page.Request, more ...string) url.Values {
	v := url.Values{"user": {q.User}, "tty": {q.TTY}}
	for n := 0; n+1 < len(more); n += 2 {
		v.Set(more[n], more[n+1])
	}
	return v
}

func edit(q *page.Request) error {
	v := newView(q)
	var err error
	if v.Text, v.Tag, err = q.Client().Config(q.Context(), query(q)); err != nil {
		return err
	}
	if of := q.Query("of"); of != "" && v.Change {
		if v.Text, _, err = q.Client().Config(q.Context(), query(q, "of", of)); err != nil {
			return err
		}
		v.Of = of
	}
	return q.Render("edit.html", v)
}

// text is the running configuration with its tag, for the script.
func text(q *page.Request) error {
	text, tag, err := q.Client().Config(q.Context(), query(q))
	if err != nil {
		return err
	}
	return q.JSON(map[string]string{"text": text, "tag": tag})
}

// proposal is a text that was sent, by the script or as a form.
type proposal struct {
	text, tag string
	keep      time.Duration
}

func read(q *page.Request) (p proposal, err error) {
	value := q.Form
	if q.Scripted() {
		value = q.Query
		all, err := io.ReadAll(http.MaxBytesReader(q.Raw(), q.HTTP.Body, wire.MaxConfig))
		if err != nil {
			return p, q.Fail(http.StatusRequestEntityTooLarge, "configuration.large")
		}
		p.text = string(all)
	} else {
		p.text = strings.ReplaceAll(q.Form("text"), "\r\n", "\n") // as forms are sent
	}
	p.tag = value("tag")
	n, err := strconv.Atoi(cmp.Or(value("keep"), "0"))
	if p.keep = time.Duration(n) * time.Second; err != nil || n < 0 || n > int(longest/time.Second) {
		return p, q.Fail(http.StatusBadRequest, "configuration.number")
	}
	return p, nil
}

func check(q *page.Request) error {
	p, err := read(q)
	if err != nil {
		return err
	}
	reply, err := q.Client().PutConfig(q.Context(), query(q, "dry-run", "1"), "", p.text)
	if err != nil {
		return err
	}
	return show(q, p, &result{ConfigReply: reply, Status: http.StatusOK, Checked: true, Stale: p.tag != "" && p.tag != reply.ETag})
}

func apply(q *page.Request) error {
	p, err := read(q)
	if err != nil {
		return err
	}
	if p.tag == "" {
		return q.Fail(http.StatusBadRequest, "configuration.untagged")
	}
	with := query(q)
	if p.keep > 0 {
		with.Set("keep", strconv.Itoa(int(p.keep/time.Second)))
	}
	reply, err := q.Client().PutConfig(q.Context(), with, p.tag, p.text)
	var refused *client.Refused
	if err != nil && (!errors.As(err, &refused) || reply.ETag == "") {
		return err
	}
	r := &result{ConfigReply: reply, Status: http.StatusOK, Keep: p.keep}
	if refused != nil {
		r.Status, r.Stale = refused.Status, refused.Status == http.StatusPreconditionFailed
		if r.Status == http.StatusForbidden || r.Status == http.StatusConflict { // the page says all others itself
			r.Why = reply.Error
		}
	}
	return show(q, p, r)
}

// show answers with what sbcd says of a text: a fragment for the script, else the page.
func show(q *page.Request, p proposal, r *result) error {
	for _, x := range r.Problems {
		if x.Lost {
			r.Lost = append(r.Lost, x)
		}
	}
	if q.Scripted() {
		return q.Fragment("result.html", r)
	}
	v := newView(q)
	v.Text, v.Tag, v.Keep, v.Result = p.text, p.tag, p.keep, r
	if r.Applied {
		q.Toast("ok", q.T("configuration.applied"))
		return q.Redirect("/configuration")
	}
	return q.RenderStatus(r.Status, q.T("configuration.title"), "edit.html", v)
}

// conflict shows what two have changed: the texts are that which both have edited, and that of this user.
func conflict(q *page.Request) error {
	base, mine := q.Form("base"), q.Form("mine")
	compare := func(from, to wire.ConfigRef) (wire.CompareReply, error) {
		return q.Client().CompareConfigs(q.Context(), wire.CompareRequest{User: q.User, TTY: q.TTY, From: from, To: to})
	}
	var b both
	var err error
	if b.Theirs, err = compare(wire.ConfigRef{Text: base}, wire.ConfigRef{Of: "running-config"}); err != nil {
		return err
	}
	if b.Mine, err = compare(wire.ConfigRef{Text: base}, wire.ConfigRef{Text: mine}); err != nil {
		return err
	}
	return q.Fragment("conflict.html", b)
}

// help completes a line.
func help(q *page.Request) error {
	row, err := strconv.Atoi(q.Form("row"))
	cursor, err2 := strconv.Atoi(q.Form("cursor"))
	if err != nil || err2 != nil {
		return q.Fail(http.StatusBadRequest, "configuration.number")
	}
	reply, err := q.Client().ConfigHelp(q.Context(), wire.ConfigHelpRequest{User: q.User, TTY: q.TTY, Text: q.Form("text"), Row: row, Line: q.Form("line"), Cursor: cursor})
	if err != nil {
		return err
	}
	return q.JSON(reply)
}

// versions are the configurations that can be compared.
type versions struct {
	List       []status.SavedConfig
	Names      []string
	From, To   string
	Difference *wire.CompareReply
	Change     bool
}

func history(q *page.Request) error {
	v := versions{From: cmp.Or(q.Query("from"), "startup-config"), To: cmp.Or(q.Query("to"), "running-config"), Change: q.Class.May(page.Administrator)}
	if err := q.Get(wire.PathConfigHistory, nil, &v.List); err != nil {
		return err
	}
	v.Names = append(v.Names, "running-config")
	for _, x := range v.List {
		v.Names = append(v.Names, x.Name)
	}
	v.Names = append(v.Names, "factory-config")
	if slices.Contains(v.Names, v.From) && slices.Contains(v.Names, v.To) {
		d, err := q.Client().CompareConfigs(q.Context(), wire.CompareRequest{User: q.User, TTY: q.TTY, From: wire.ConfigRef{Of: v.From}, To: wire.ConfigRef{Of: v.To}})
		if err != nil {
			return err
		}
		v.Difference = &d
	}
	return q.Render("history.html", v)
}

// command runs a command, and goes back to where the user was.
func command(q *page.Request, line, done string) error {
	out, err := q.Enabled(line, "", false)
	if err != nil {
		return err
	}
	if !out.OK {
		return q.Fail(http.StatusConflict, "configuration.refused", strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(out.Text), "%")))
	}
	q.Toast("ok", q.T(done))
	return q.Redirect(came(q.HTTP.Referer()))
}

// came is the page of ours that a user comes from. It stays as the browser has written it: %5C would become a backslash, which browsers take for a
// slash, and two of them lead to another host.
func came(referer string) string {
	from, err := url.Parse(referer)
	if err != nil || !strings.HasPrefix(from.Path, "/") || strings.HasPrefix(from.Path, "//") {
		return "/configuration"
	}
	return from.EscapedPath()
}

// waits is the notice of a change that goes back unless it is confirmed.
type waits struct {
	status.Commit
	Left   time.Duration
	Change bool
	Recent *status.CommitEnd // one that has just ended
}

// recent is how long the end of a change is told.
const recent = 5 * time.Minute

func pending(q *page.Request) (string, any, error) {
	var v waits
	if err := q.Status("commit", nil, &v.Commit); err != nil {
		return "", nil, err
	}
	v.Left, v.Change = time.Duration(v.Commit.Left)*time.Second, q.Class.May(page.Administrator)
	if e := v.Ended; e != nil && v.State == status.NoCommit && e.How != status.Confirmed && time.Since(e.Time) < recent {
		v.Recent = e
	}
	return "pending.html", v, nil
}
