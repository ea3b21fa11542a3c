// Package licenses is the page with the licenses: the pools and how far they were used over the day, the features, and the keys behind them.
//
// It owns the page. Keys are installed and erased by commands of the language, as the user; an installed key is shown by what it gives and by its
// ID, never itself. It has no goroutines of its own.
package licenses

import (
	"embed"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/status"
	"viaduct/appliance/web/draw"
	"viaduct/appliance/web/page"
)

//go:embed *.html
var files embed.FS

// Page is /licenses.
var Page = page.Page{
	Path: "/licenses", Title: "licenses.title", Icon: "license", For: page.Operator, Templates: files,
	Routes: map[string]page.Handler{"GET /licenses": list, "POST /licenses/install": install, "POST /licenses/erase": erase},
	Topics: map[string]page.Topic{"licenses.pools": pools},
}

// view is the page.
type view struct {
	status.Licenses
	May     bool
	Graphs  []draw.Graph
	Refused page.Refusal
}

// rowed is a pool with its peak.
type rowed struct {
	status.Pool
	Most, Refused int
	Kind, State   string // of the badge
}

// Rows are the pools with their peaks.
func (v view) Rows() (rows []rowed) {
	for _, p := range v.Pools {
		r := rowed{Pool: p, Kind: "ok", State: "free"}
		for _, x := range v.Peaks {
			if x.Name == p.Name {
				r.Most, r.Refused = x.Most, x.Refused
			}
		}
		switch {
		case p.Free == 0:
			r.Kind, r.State = "error", "full"
		case 10*p.Alloc >= 8*p.Total:
			r.Kind, r.State = "warning", "near"
		}
		rows = append(rows, r)
	}
	return rows
}

func list(q *page.Request) error {
	v, err := seen(q)
	if err != nil {
		return err
	}
	return q.Render("licenses.html", v)
}

// pools are the figures of this moment.
func pools(q *page.Request) (string, any, error) {
	var v view
	err := q.Status("licenses", nil, &v.Licenses)
	return "pools.html", v, err
}

// seen is all of the page.
func seen(q *page.Request) (view, error) {
	v := view{May: q.Class.May(page.Administrator)}
	if err := q.Status("licenses", nil, &v.Licenses); err != nil {
		return v, err
	}
	var trend status.Trend
	if err := q.Status("trend", nil, &trend); err != nil {
		return v, err
	}
	from, to := draw.Day(time.Now(), q.Zone())
	words := draw.Words{Latest: q.T("licenses.graph.latest"), Nothing: q.T("licenses.graph.nothing"), Hour: q.T("licenses.graph.hour"), Table: q.T("licenses.graph.table")}
	for n, p := range v.Pools {
		used := draw.Series{Name: q.T("licenses.used")}
		total := draw.Series{Name: q.T("licenses.total")}
		for _, x := range trend.Points {
			of := x.Sessions
			if p.Name == status.ChannelPool {
				of = x.Channels
			}
			used.Points = append(used.Points, draw.Point{At: x.At, V: float64(of)})
			total.Points = append(total.Points, draw.Point{At: x.At, V: float64(p.Total)})
		}
		v.Graphs = append(v.Graphs, draw.Graph{
			ID: fmt.Sprintf("pool-%d", n), Title: p.Name, From: from, To: to, Zone: q.Zone(), Every: trend.Every, Top: float64(p.Total),
			Series: []draw.Series{used, total}, Words: words,
		})
	}
	return v, nil
}

// maxLines bounds what is pasted at once.
const maxLines = 200

// install takes keys as they were delivered: lines to paste, with comments, or the keys alone. Anything else in the paste is refused: it would be run.
func install(q *page.Request) error {
	refuse := func(text string, words bool) error {
		r := page.Refusal{Field: "keys", Text: text, Words: words}
		return q.Refuse(r, func() error {
			v, err := seen(q)
			if err != nil {
				return err
			}
			if !v.May {
				return &page.Problem{Status: page.RefusedStatus, Text: text}
			}
			v.Refused = r
			return q.RenderStatus(page.RefusedStatus, q.T("licenses.title"), "licenses.html", v)
		})
	}
	var lines []string
	keys := 0
	for text := range strings.Lines(q.Form("keys")) {
		text = strings.TrimSpace(text)
		words := strings.Fields(text)
		switch {
		case text == "":
		case text[0] == '#':
			lines = append(lines, text)
		case len(words) == 1:
			lines, keys = append(lines, "install license "+cli.Quote(words[0])), keys+1
		case len(words) == 3 && strings.HasPrefix("install", words[0]) && strings.HasPrefix("license", words[1]):
			lines, keys = append(lines, "install license "+cli.Quote(words[2])), keys+1
		default:
			return refuse(q.T("licenses.noline", len(lines)+1), false)
		}
	}
	switch {
	case keys == 0:
		return refuse(q.T("licenses.nothing"), false)
	case len(lines) > maxLines:
		return refuse(q.T("licenses.many", maxLines), false)
	}
	out, err := q.Exec(append([]string{"enable"}, lines...)...)
	if err != nil {
		return err
	}
	var said []string
	for n, l := range out.Lines {
		if text := strings.TrimSpace(l.Text); text != "" && n > 0 {
			said = append(said, text)
		}
	}
	if !out.OK {
		return refuse(strings.TrimPrefix(strings.Join(said, "\n"), "% "), true)
	}
	q.Toast("ok", strings.Join(said, "\n"))
	return q.Redirect("/licenses")
}

// erase asks, and takes a key out by its ID.
func erase(q *page.Request) error {
	id := q.Form("id")
	var all status.Licenses
	if err := q.Status("licenses", nil, &all); err != nil {
		return err
	}
	about := ""
	for _, k := range all.Keys {
		if k.ID == id {
			about = k.About
		}
	}
	if about == "" {
		return q.Fail(page.RefusedStatus, "licenses.gone")
	}
	if q.Form("answer") != "yes" {
		return q.Ask(page.Question{
			Title: q.T("licenses.erase"), Text: q.T("licenses.erase.ask"), Said: about, Action: "/licenses/erase", Fields: map[string]string{"id": id},
			Answer: "yes", Yes: q.T("licenses.erase"), Back: "/licenses",
		})
	}
	out, err := q.Enabled("erase license "+cli.Quote(id), "", false)
	switch {
	case err != nil:
		return err
	case !out.OK:
		return &page.Problem{Status: page.RefusedStatus, Text: strings.TrimPrefix(strings.TrimSpace(out.Text), "% ")}
	}
	q.Toast("ok", strings.TrimSpace(out.Text))
	return q.Redirect("/licenses")
}
