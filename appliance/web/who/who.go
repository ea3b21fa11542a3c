// Package who is the page with those who are logged in at the box: at its terminals, and in browsers.
//
// It owns the page, and asks sbcd for the rest.
package who

import (
	"embed"

	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

//go:embed *.html
var files embed.FS

// Page is /who. It is not in the navigation: *Users* has the same, with the bans.
var Page = page.Page{
	Path: "/who", Title: "who.title", Icon: "users", For: page.Operator, Hidden: true, Templates: files,
	Routes: map[string]page.Handler{"GET /who": list},
	Topics: map[string]page.Topic{"who.now": now},
}

func list(q *page.Request) error {
	_, all, err := now(q)
	if err != nil {
		return err
	}
	return q.Render("who.html", all)
}

// now are the sessions of this moment.
func now(q *page.Request) (string, any, error) {
	var all []status.Session
	err := q.Status("sessions", nil, &all)
	return "now.html", all, err
}
