package users

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

// sessionsView is who is logged in, and who is banned.
type sessionsView struct {
	view
	Sessions []status.Session
	Bans     []status.Ban
}

func sessions(q *page.Request) error {
	_, v, err := now(q)
	if err != nil {
		return err
	}
	return q.Render("sessions.html", v)
}

// now are the sessions and bans of this moment.
func now(q *page.Request) (string, any, error) {
	v := sessionsView{view: newView(q, "sessions")}
	if err := q.Status("sessions", nil, &v.Sessions); err != nil {
		return "", nil, err
	}
	err := q.Status("bans", nil, &v.Bans)
	return "sessions-now.html", v, err
}

// lift forgets the wrong passwords of a source.
func lift(q *page.Request) error {
	out, err := q.Enabled("clear bans "+cli.Quote(plain(q.Form("source"))), "", false)
	switch {
	case err != nil:
		return err
	case !out.OK:
		return &page.Problem{Status: page.RefusedStatus, Text: why(out)}
	}
	q.Toast("ok", q.T("users.ban.lifted"))
	return q.Redirect("/users/sessions")
}

func passwordPage(q *page.Request) error { return q.Render("password.html", newView(q, "password")) }

// password changes that of the user.
func password(q *page.Request) error {
	refuse := func(field, text string, words bool) error {
		r := page.Refusal{Field: field, Text: text, Words: words}
		return q.Refuse(r, func() error {
			v := newView(q, "password")
			v.Refused = r
			return q.RenderStatus(page.RefusedStatus, q.T("users.title"), "password.html", v)
		})
	}
	old, chosen := q.Form("old"), q.Form("password")
	switch {
	case strings.ContainsAny(old, "\r\n"):
		return refuse("old", q.T("users.password.control"), false)
	case strings.ContainsAny(chosen, "\r\n"):
		return refuse("password", q.T("users.password.control"), false)
	case chosen != q.Form("again"):
		return refuse("again", q.T("users.password.differs"), false)
	case chosen == "":
		return refuse("password", q.T("users.password.short"), false)
	}
	out, err := q.Enabled("change password", old+"\n"+chosen+"\n", false)
	if err != nil {
		return err
	}
	if !out.OK {
		text := why(out)
		if strings.Contains(text, "new password") {
			return refuse("password", text, true)
		}
		return refuse("old", text, true)
	}
	q.Renew()
	q.Toast("ok", strings.TrimSpace(out.Text))
	return q.Redirect("/users/password")
}

// entriesShown is how many entries of the trail a page has.
const entriesShown = 50

// trailView is a page of the trail.
type trailView struct {
	view
	Entries              []status.Audit // the newest first
	Accounts             []string
	Account, Kind, Since string
	Before               string // the end of the present page; "": it is the newest
	Older                string // address; "": there are none
	Newest               string // address
}

// Kinds are those by which the trail is filtered.
func (trailView) Kinds() (kinds []string) {
	for _, k := range status.AuditKinds() {
		kinds = append(kinds, string(k))
	}
	return kinds
}

// timeField is how a browser writes a time in a field of a form: in the zone of the box.
const timeField = "2006-01-02T15:04"

func trail(q *page.Request) error {
	v := trailView{view: newView(q, "trail"), Account: plain(q.Query("account")), Kind: q.Query("kind"), Since: q.Query("since"), Before: q.Query("before")}
	ask := url.Values{}
	if v.Account != "" {
		ask.Set("account", v.Account)
	}
	if v.Since != "" {
		t, err := time.ParseInLocation(timeField, v.Since, q.Zone())
		if err != nil {
			return q.Fail(http.StatusBadRequest, "users.time")
		}
		ask.Set("since", t.Format(time.RFC3339Nano))
	}
	if v.Before != "" {
		ask.Set("before", v.Before)
	}
	if err := v.read(q, ask); err != nil {
		return err
	}
	var all []status.Account
	if err := q.Status("accounts", nil, &all); err != nil {
		return err
	}
	for _, a := range all {
		v.Accounts = append(v.Accounts, a.Name)
	}
	keep := url.Values{"account": {v.Account}, "kind": {v.Kind}, "since": {v.Since}}
	v.Newest = "/users/trail?" + keep.Encode()
	if v.Older != "" {
		keep.Set("before", v.Older)
		v.Older = "/users/trail?" + keep.Encode()
	}
	return q.Render("trail.html", v)
}

// read fills a page.
func (v *trailView) read(q *page.Request, ask url.Values) error {
	if v.Kind != "" {
		ask.Set("what", v.Kind)
	}
	ask.Set("last", strconv.Itoa(entriesShown+1))
	var all []status.Audit
	if err := q.Status("audit", ask, &all); err != nil {
		return err
	}
	slices.Reverse(all)
	for _, e := range all {
		if len(v.Entries) == entriesShown {
			v.Older = v.Entries[entriesShown-1].Time.Format(time.RFC3339Nano)
			break
		}
		v.Entries = append(v.Entries, e)
	}
	return nil
}
