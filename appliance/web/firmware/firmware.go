// Package firmware is the page of images and files: what the two slots hold, updates, restarts, backups, saved configurations, and what support
// asks for.
//
// It owns the page, and the images that are on their way through it. Nothing of an image is kept: what the browser sends goes on to sbcd, which
// passes it to PID 1. It has no goroutines of its own: the request that starts an installation lasts as long as that.
package firmware

import (
	"embed"
	"errors"
	"net/http"
	"sync"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/client"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

//go:embed *.html
var files embed.FS

// desk has the images that are on their way.
type desk struct {
	mu sync.Mutex
	on map[string]*transfer // by its secret
}

// New makes the page /firmware.
func New() *page.Page {
	d := &desk{on: map[string]*transfer{}}
	return &page.Page{
		Path: "/firmware", Title: "firmware.title", Icon: "firmware", For: page.Operator, Templates: files,
		Routes: map[string]page.Handler{
			"GET /firmware":                 show,
			"POST /firmware/install":        d.install,
			"PUT /firmware/install/{id}":    d.send,
			"POST /firmware/upload":         upload,
			"POST /firmware/fetch":          fetch,
			"GET /firmware/restart":         ask,
			"POST /firmware/restart":        restart,
			"POST /firmware/restart/cancel": cancel,
			"POST /firmware/save":           save,
			"GET /firmware/wait":            wait,
			"GET /firmware/now":             now,
			"POST /firmware/backup":         backup,
			"POST /firmware/restore":        restore,
			"GET /firmware/config/{name}":   saved,
			"GET /firmware/support":         support,
			"GET /firmware/records":         records,
		},
		Topics: map[string]page.Topic{"firmware.slots": slots},
	}
}

// images are the slots, or why there are none.
type images struct {
	status.Images
	Why    string // a sentence of the box
	Waits  string // version that the next restart starts, where it is not the running one
	Change bool   // this user may install and restart
}

// view is what the page shows.
type view struct {
	Images   images
	Came     verdict
	Configs  []status.SavedConfig
	Today    string
	Superior bool // this user may make and restore backups
}

// show is the page.
func show(q *page.Request) error {
	v := view{Superior: q.Class.May(page.Superuser), Today: time.Now().In(q.Zone()).Format(time.DateOnly)}
	var err error
	if v.Images, err = look(q); err != nil {
		return err
	}
	v.Came = judge(q.Query("to"), q.Query("from"), v.Images.Images)
	if err := q.Get(wire.PathConfigHistory, nil, &v.Configs); err != nil {
		return err
	}
	return q.Render("firmware.html", v)
}

// slots is the topic of both slots.
func slots(q *page.Request) (string, any, error) {
	v, err := look(q)
	return "slots.html", v, err
}

// look asks for the slots. A box that has none says so.
func look(q *page.Request) (images, error) {
	v := images{Change: q.Class.May(page.Administrator)}
	err := q.Status("images", nil, &v.Images)
	var refused *client.Refused
	switch {
	case errors.As(err, &refused) && refused.Status != http.StatusForbidden:
		v.Why = refused.Text
		return v, nil
	case err != nil:
		return v, err
	}
	for _, s := range v.Slots {
		if s.Next && !s.Running {
			v.Waits = s.Version
		}
	}
	return v, nil
}

// runs is the version of the running slot.
func runs(i status.Images) string {
	for _, s := range i.Slots {
		if s.Running {
			return s.Version
		}
	}
	return ""
}

// Outcomes of a restart.
const (
	none    = ""
	same    = "same"    // nothing was to change
	trial   = "trial"   // it runs, and has yet to prove itself
	settled = "settled" // it runs, and stays
	failed  = "failed"  // the box came back with the image before
)

// verdict is what has become of a restart that this page has ordered.
type verdict struct{ Outcome, Wanted, Runs string }

// judge compares what was to run with what does.
func judge(to, from string, i status.Images) verdict {
	v := verdict{Wanted: to, Runs: runs(i)}
	switch {
	case to == "" && from == "":
	case to != "" && v.Runs == "": // the card says why that is not known
	case to == "" || to == from:
		v.Outcome = same
	case v.Runs != to:
		v.Outcome = failed
	default:
		v.Outcome = settled
		for _, s := range i.Slots {
			if s.Running && s.Trial {
				v.Outcome = trial
			}
		}
	}
	return v
}

// now tells a script whether the box has started again.
func now(q *page.Request) error {
	var s status.System
	if err := q.Status("system", nil, &s); err != nil {
		return err
	}
	var calls []status.Call
	if err := q.Status("calls", nil, &calls); err != nil {
		return err
	}
	return q.JSON(struct {
		Started string `json:"started"`
		Calls   int    `json:"calls"`
	}{stamp(s.Started), len(calls)})
}

// stamp tells one start of the box from another.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
