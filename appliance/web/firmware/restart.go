package firmware

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

// loss is what a restart costs, and what it starts.
type loss struct {
	Waits, Runs string
	Unsaved     string // the answer to `show config diff`
	Calls       int
	Graceful    bool
	Limit       int // minutes
}

// usualLimit is for how long a restart waits for calls.
const usualLimit = 60

// ask shows what a restart costs, before it is ordered.
func ask(q *page.Request) error {
	i, err := look(q)
	if err != nil {
		return err
	}
	v := loss{Waits: i.Waits, Runs: runs(i.Images), Limit: usualLimit}
	out, err := q.Exec("show config diff")
	if err != nil {
		return err
	}
	v.Unsaved = out.Text
	var calls []status.Call
	if err := q.Status("calls", nil, &calls); err != nil {
		return err
	}
	v.Calls = len(calls)
	return q.RenderTitled(q.T("firmware.restart"), "restart.html", v)
}

// restart orders one. The page before has asked.
func restart(q *page.Request) error {
	line := "reload"
	graceful := q.Form("how") == "graceful"
	if graceful {
		minutes, err := strconv.Atoi(q.Form("limit"))
		if err != nil || minutes < 1 || minutes > 1440 {
			return q.Fail(http.StatusBadRequest, "firmware.limit")
		}
		line = fmt.Sprintf("reload graceful limit %d", minutes)
	}
	i, err := look(q)
	if err != nil {
		return err
	}
	var s status.System
	if err := q.Status("system", nil, &s); err != nil {
		return err
	}
	out, err := q.Enabled(line, "", true)
	switch {
	case err != nil:
		return err
	case !out.OK:
		return answer(q, out)
	}
	to := url.Values{"from": {runs(i.Images)}, "to": {i.Waits}, "since": {stamp(s.Started)}}
	if to.Get("from") == "" {
		to.Set("from", "-") // it is no image
	}
	if graceful {
		to.Set("graceful", "1")
	}
	return q.Redirect("/firmware/wait?" + to.Encode())
}

// wait waits for the box to come back, with a script.
func wait(q *page.Request) error {
	return q.RenderTitled(q.T("firmware.waiting"), "wait.html", struct {
		From, To, Since, Back string
		Graceful              bool
	}{q.Query("from"), q.Query("to"), q.Query("since"), "/firmware?" + url.Values{"from": {q.Query("from")}, "to": {q.Query("to")}}.Encode(), q.Query("graceful") != ""})
}

// cancel calls a restart off.
func cancel(q *page.Request) error { return done(q, "no reload", "firmware.cancelled") }

// save keeps the running configuration.
func save(q *page.Request) error {
	out, err := q.Enabled("copy running-config startup-config", "", false)
	switch {
	case err != nil:
		return err
	case !out.OK:
		return answer(q, out)
	}
	q.Toast("ok", q.T("firmware.saved"))
	return q.Redirect("/firmware/restart")
}

// done runs a command, and says so on the page.
func done(q *page.Request, line, key string) error {
	out, err := q.Enabled(line, "", false)
	switch {
	case err != nil:
		return err
	case !out.OK:
		return answer(q, out)
	}
	q.Toast("ok", q.T(key))
	return q.Redirect("/firmware")
}
