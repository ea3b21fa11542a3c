package terminal

import (
	"embed"

	"viaduct/appliance/web/page"
)

//go:embed *.html
var files embed.FS

// Page is /terminal.
func (ts *Terminals) Page() *page.Page {
	return &page.Page{
		Path: "/terminal", Title: "terminal.title", Icon: "terminal", For: page.Operator, Templates: files,
		Routes: map[string]page.Handler{
			"GET /terminal":      func(q *page.Request) error { return q.Render("terminal.html", nil) },
			"GET /terminal/line": ts.line,
		},
	}
}

// line is the WebSocket of the page.
func (ts *Terminals) line(q *page.Request) error {
	ts.Serve(q.Context(), q.Raw(), q.HTTP, Who{User: q.User, Address: q.HTTP.RemoteAddr, Idle: q.Idle, Typed: q.Touch})
	return nil
}
