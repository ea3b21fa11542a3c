// Package calls is the page with the calls: those in progress, those of the past, and one of them with all that is known of it.
//
// It owns the pages. What became of a call, its messages and its figures come from sbcd; package draw draws them.
package calls

import (
	"embed"
	"net/http"
	"net/url"
	"strings"
	"time"

	"viaduct/appliance/explain"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

//go:embed *.html
var files embed.FS

// Page is /calls.
var Page = page.Page{
	Path: "/calls", Title: "calls.title", Icon: "phone", For: page.Operator, Templates: files,
	Routes: map[string]page.Handler{
		"GET /calls": list, "GET /calls/history.csv": table, "GET /calls/{id}": one, "GET /calls/{id}/end": askEnd, "POST /calls/{id}/end": end,
		"GET /calls/{id}/message/{n}": message, "GET /calls/{id}/call.pcapng": capture,
	},
	Topics: map[string]page.Topic{"calls.now": now, "calls.one": current},
}

// listView is the page with all calls.
type listView struct {
	Now  nowView
	Past pastView
}

func list(q *page.Request) error {
	_, running, err := now(q)
	if err != nil {
		return err
	}
	past, err := search(q)
	if err != nil {
		return err
	}
	return q.Render("calls.html", listView{running.(nowView), past})
}

// nowView are the calls in progress.
type nowView struct {
	Calls []callView
	Admin bool
}

type callView struct {
	status.Call
	Sides []voiceView
	Since time.Time
}

// voiceView is how one voice is.
type voiceView struct {
	Interface, Codec string
	Kind, Word       string // of the badge: quality in a word; "": not known
	MOS              float64
}

// now are the calls of this moment.
func now(q *page.Request) (string, any, error) {
	v := nowView{Admin: q.Class.May(page.Administrator)}
	var calls []status.Call
	if err := q.Status("calls", nil, &calls); err != nil {
		return "", nil, err
	}
	for _, c := range calls {
		x := callView{Call: c, Since: c.Started}
		if !c.Connected.IsZero() {
			x.Since = c.Connected
		}
		for _, l := range c.Legs {
			x.Sides = append(x.Sides, voiceOf(l.Interface, l.Codec, l.MOS))
		}
		v.Calls = append(v.Calls, x)
	}
	return "now.html", v, nil
}

// voiceOf puts a score into a word.
func voiceOf(iface, codec string, mos float64) voiceView {
	name, _, _ := strings.Cut(codec, "/")
	v := voiceView{Interface: iface, Codec: name, MOS: mos}
	if mos > 0 {
		v.Word = explain.Quality(mos)
		v.Kind = map[string]string{"good": "ok", "fair": "info", "poor": "warning", "bad": "error"}[v.Word]
	}
	return v
}

// StateKind is the badge of a state.
func (c callView) StateKind() string {
	switch c.State {
	case status.CallConnected:
		return "ok"
	case status.CallHeld:
		return "warning"
	}
	return "info"
}

// askEnd asks before a call is ended.
func askEnd(q *page.Request) error {
	c, err := running(q)
	if err != nil {
		return err
	}
	return q.RenderTitled(q.T("calls.end"), "end.html", c)
}

// running is the call in progress that the address names.
func running(q *page.Request) (status.Call, error) {
	var calls []status.Call
	if err := q.Status("calls", nil, &calls); err != nil {
		return status.Call{}, err
	}
	for _, c := range calls {
		if c.ID == q.Path("id") {
			return c, nil
		}
	}
	return status.Call{}, q.Fail(http.StatusNotFound, "calls.over")
}

// end ends a call.
func end(q *page.Request) error {
	c, err := running(q) // so that the line names one call, and not none, which would be all
	if err != nil {
		return err
	}
	done, err := q.Enabled("clear calls "+c.ID, "", true)
	switch {
	case err != nil:
		return err
	case !done.OK:
		return q.Fail(http.StatusForbidden, "frame.refused", done.Text)
	}
	q.Toast("ok", q.T("calls.ended", c.ID))
	return q.Redirect("/calls")
}

// capture sends the messages of a call as a file.
func capture(q *page.Request) error {
	id, err := known(q)
	if err != nil {
		return err
	}
	return q.Download("export call "+id, "application/x-pcapng", "call-"+id+".pcapng")
}

// known is the ID of the call that the address names, as the box writes it.
func known(q *page.Request) (string, error) {
	x, err := explained(q, q.Path("id"))
	return x.Record.ID, err
}

// explained is what is known of a call.
func explained(q *page.Request, id string) (x status.Explanation, err error) {
	return x, q.Status("explain", url.Values{"id": {id}}, &x)
}
