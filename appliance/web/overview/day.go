package overview

import (
	"html/template"
	"time"

	"viaduct/appliance/status"
	"viaduct/appliance/web/draw"
	"viaduct/appliance/web/page"
)

// figure is one line of a graph.
type figure struct {
	key      string // of its name
	of       func(status.TrendPoint) float64
	sum, low bool
}

// graph is one of a day.
type graph struct {
	id      string
	key     string // of its title
	unit    string
	top     float64
	figures []figure
}

const mebibyte = 1 << 20

// graphs are those of the first page, in their order.
var graphs = []graph{
	{id: "day-calls", key: "overview.calls.at.once", figures: []figure{{key: "overview.graph.calls", of: func(p status.TrendPoint) float64 { return float64(p.Calls) }}}},
	{id: "day-begun", key: "overview.calls.day", figures: []figure{
		{key: "overview.graph.begun", of: func(p status.TrendPoint) float64 { return float64(p.Begun) }, sum: true},
		{key: "overview.graph.failed", of: func(p status.TrendPoint) float64 { return float64(p.Failed) }, sum: true},
	}},
	{id: "day-licenses", key: "overview.licenses", figures: []figure{
		{key: "overview.graph.sessions", of: func(p status.TrendPoint) float64 { return float64(p.Sessions) }},
		{key: "overview.graph.channels", of: func(p status.TrendPoint) float64 { return float64(p.Channels) }},
	}},
	{id: "day-registrations", key: "overview.registrations", figures: []figure{
		{key: "overview.graph.up", of: func(p status.TrendPoint) float64 { return float64(p.Registered) }, low: true},
		{key: "overview.graph.down", of: func(p status.TrendPoint) float64 { return float64(p.Unregistered) }},
	}},
	{id: "day-peers", key: "overview.peers", figures: []figure{
		{key: "overview.graph.up", of: func(p status.TrendPoint) float64 { return float64(p.PeersUp) }, low: true},
		{key: "overview.graph.down", of: func(p status.TrendPoint) float64 { return float64(p.PeersDown) }},
	}},
	{id: "day-cpu", key: "overview.cpu", unit: " %", top: 100, figures: []figure{
		{key: "overview.graph.most", of: func(p status.TrendPoint) float64 { return p.CPUMost }},
		{key: "overview.graph.mean", of: func(p status.TrendPoint) float64 { return p.CPU }},
	}},
	{id: "day-memory", key: "overview.memory", unit: " MiB", figures: []figure{
		{key: "overview.graph.memory", of: func(p status.TrendPoint) float64 { return float64(p.Memory / mebibyte) }},
	}},
}

// drawn is the day in graphs, with the time since when there are figures.
type drawn struct {
	Since  time.Time
	Graphs []template.HTML
}

func showDay(q *page.Request) error {
	d, err := drawDay(q, draw.Graph.Large, "")
	if err != nil {
		return err
	}
	return q.RenderTitled(q.T("overview.day.title"), "day.html", d)
}

// day is the topic with the small graphs.
func day(q *page.Request) (string, any, error) {
	d, err := drawDay(q, draw.Graph.Small, "/overview/day#")
	return "graphs.html", d, err
}

func drawDay(q *page.Request, as func(draw.Graph) template.HTML, link string) (drawn, error) {
	var t status.Trend
	if err := q.Status("trend", nil, &t); err != nil {
		return drawn{}, err
	}
	d := drawn{Since: t.Since}
	from, to := draw.Day(time.Now(), q.Zone())
	words := draw.Words{Latest: q.T("overview.graph.latest"), Nothing: q.T("overview.graph.nothing"), Hour: q.T("overview.graph.hour"), Table: q.T("overview.graph.table")}
	for _, g := range graphs {
		x := draw.Graph{ID: g.id, Title: q.T(g.key), From: from, To: to, Zone: q.Zone(), Every: t.Every, Top: g.top, Unit: g.unit, Words: words}
		if link != "" {
			x.Link = link + g.id
		}
		for _, f := range g.figures {
			s := draw.Series{Name: q.T(f.key), Sum: f.sum, Low: f.low}
			for _, p := range t.Points {
				s.Points = append(s.Points, draw.Point{At: p.At, V: f.of(p)})
			}
			x.Series = append(x.Series, s)
		}
		d.Graphs = append(d.Graphs, as(x))
	}
	return d, nil
}
