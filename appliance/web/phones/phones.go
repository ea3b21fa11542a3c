// Package phones is the page of phones that register at the box: who is there, where, with what phone, and what happens to calls while the PBX or
// Teams is gone.
//
// It owns the page. What is known of phones comes from sbcd, and each button is a command of the console.
package phones

import (
	"embed"
	"net/http"
	"slices"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

//go:embed *.html
var files embed.FS

// Page is /phones.
var Page = page.Page{
	Path: "/phones", Title: "phones.title", Icon: "phone", For: page.Operator, Templates: files,
	Routes: map[string]page.Handler{"GET /phones": list, "POST /phones/restart": restart, "POST /phones/forget": forget},
	Topics: map[string]page.Topic{"phones.now": now},
}

// mostShown is how many identities are shown at once: the page keeps itself current.
const mostShown = 200

// view is the page.
type view struct {
	Phones     []status.Phone // those that fit the query, mostShown at most
	Found, All int
	Here       int // identities with a phone, of all
	Survivals  []survivalView
	Query      string
	Admin      bool
}

type survivalView struct {
	status.Survival
	Kind string // of the badge
}

func list(q *page.Request) error {
	_, v, err := now(q)
	if err != nil {
		return err
	}
	return q.Render("phones.html", v)
}

// now is all of it at this moment.
func now(q *page.Request) (string, any, error) {
	var phones []status.Phone
	var survivals []status.Survival
	if err := q.Status("phones", nil, &phones); err != nil {
		return "", nil, err
	}
	if err := q.Status("survivals", nil, &survivals); err != nil {
		return "", nil, err
	}
	v := viewOf(phones, survivals, strings.TrimSpace(q.Query("q")))
	v.Admin = q.Class.May(page.Administrator)
	return "now.html", v, nil
}

func viewOf(phones []status.Phone, survivals []status.Survival, query string) view {
	v := view{Query: query, All: len(phones)}
	for _, p := range phones {
		if len(p.Bindings) > 0 {
			v.Here++
		}
		if !fits(p, strings.ToLower(query)) {
			continue
		}
		if v.Found++; v.Found <= mostShown {
			v.Phones = append(v.Phones, p)
		}
	}
	kinds := map[status.SurvivalState]string{status.SurvivalWell: "ok", status.SurvivalLosing: "warning", status.SurvivalLost: "error", status.SurvivalReturning: "warning"}
	for _, s := range survivals {
		kind := kinds[s.State]
		if kind == "" {
			kind = "off"
		}
		v.Survivals = append(v.Survivals, survivalView{s, kind})
	}
	return v
}

// fits reports whether a name, an address or the model of a phone has the text that is looked for.
func fits(p status.Phone, query string) bool {
	texts := append([]string{p.Identity, p.DisplayName, p.CallerID}, p.Aliases...)
	for _, b := range p.Bindings {
		texts = append(texts, b.Source.String(), b.UserAgent)
	}
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), query) })
}

// named is the identity that a form names, if a phone may register as it.
func named(q *page.Request) (string, error) {
	var all []status.Phone
	if err := q.Status("phones", nil, &all); err != nil {
		return "", err
	}
	name := q.Form("identity")
	if !slices.ContainsFunc(all, func(p status.Phone) bool { return p.Identity == name }) {
		return "", q.Fail(http.StatusNotFound, "phones.gone")
	}
	return cli.Quote(name), nil
}

func restart(q *page.Request) error { return run(q, "phone restart ", "phones.restarting") }

func forget(q *page.Request) error { return run(q, "clear sip binding ", "phones.forgotten") }

// run runs a command for the identity that a form names, and goes back to the page.
func run(q *page.Request, command, done string) error {
	name, err := named(q)
	if err != nil {
		return err
	}
	out, err := q.Enabled(command+name, "", true)
	switch {
	case err != nil:
		return err
	case !out.OK:
		return q.Fail(http.StatusConflict, "frame.refused", strings.TrimSpace(out.Text))
	}
	q.Toast("ok", q.T(done))
	return q.Redirect("/phones")
}
