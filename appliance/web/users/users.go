// Package users is the page with the accounts of the box, who is logged in, whom the box has banned, and the trail of who did what.
//
// It owns the page. Accounts are changed by lines of the configuration, as the user; passwords pass through it to sbcd and are nowhere kept or
// shown. It has no goroutines of its own.
package users

import (
	"embed"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

//go:embed *.html
var files embed.FS

// Page is /users.
var Page = page.Page{
	Path: "/users", Title: "users.title", Icon: "users", For: page.Operator, Templates: files,
	Routes: map[string]page.Handler{
		"GET /users": list, "POST /users/set": set, "POST /users/delete": remove, "POST /users/key": addKey, "POST /users/key/remove": removeKey, "POST /users/save": save,
		"GET /users/sessions": sessions, "POST /users/bans/lift": lift,
		"GET /users/password": passwordPage, "POST /users/password": password,
		"GET /users/trail": trail,
	},
	Topics: map[string]page.Topic{"users.now": now},
}

// view is what every tab shows.
type view struct {
	Tab     string
	May     bool // manages accounts
	Admin   bool
	User    string
	Refused page.Refusal
	Typed   map[string]string // into the form that was refused; no secrets
}

func newView(q *page.Request, tab string) view {
	return view{Tab: tab, May: q.Class.May(page.Superuser), Admin: q.Class.May(page.Administrator), User: q.User, Typed: map[string]string{}}
}

// listView is the accounts.
type listView struct {
	view
	Accounts []status.Account
	Edit     string // the account in the form
	Class    string
}

func list(q *page.Request) error {
	v, err := listed(q)
	if err != nil {
		return err
	}
	v.Edit, v.Class = q.Query("name"), "administrator"
	for _, a := range v.Accounts {
		if a.Name == v.Edit {
			v.Class = a.Class
		}
	}
	return q.Render("users.html", v)
}

func listed(q *page.Request) (listView, error) {
	v := listView{view: newView(q, "accounts")}
	err := q.Status("accounts", nil, &v.Accounts)
	super := false
	for _, a := range v.Accounts {
		super = super || a.Class == string(page.Superuser)
	}
	v.May = v.May || v.Admin && !super // until there is a superuser, administrators manage accounts
	return v, err
}

// refuse shows the accounts again, with why a form was not taken.
func refuse(q *page.Request, r page.Refusal) error {
	return q.Refuse(r, func() error {
		v, err := listed(q)
		if err != nil {
			return err
		}
		if !v.May {
			return &page.Problem{Status: page.RefusedStatus, Text: r.Text}
		}
		v.Refused, v.Edit, v.Class = r, plain(q.Form("name")), plain(q.Form("class"))
		return q.RenderStatus(page.RefusedStatus, q.T("users.title"), "users.html", v)
	})
}

// classes are those of accounts.
var classes = []string{string(page.Operator), string(page.Administrator), string(page.Superuser)}

// shortest is how many characters a password has at least that is set for an account.
const shortest = 8

// set makes an account, or gives one another class and password.
func set(q *page.Request) error {
	name, class, password := plain(q.Form("name")), q.Form("class"), q.Form("password")
	known := false
	for _, c := range classes {
		known = known || c == class
	}
	switch {
	case name == "":
		return refuse(q, page.Refusal{Field: "name", Text: q.T("users.name.missing")})
	case !known:
		return refuse(q, page.Refusal{Field: "class", Text: q.T("users.class.wrong")})
	case len([]rune(password)) < shortest:
		return refuse(q, page.Refusal{Field: "password", Text: q.T("users.password.short")})
	case strings.ContainsFunc(password, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return refuse(q, page.Refusal{Field: "password", Text: q.T("users.password.control")})
	case password != q.Form("again"):
		return refuse(q, page.Refusal{Field: "again", Text: q.T("users.password.differs")})
	}
	line := class + " " + cli.Quote(name) + " password " + cli.QuoteValue(password)
	if q.Form("change") != "" {
		line += " change"
	}
	out, err := q.Configure(line)
	if err != nil {
		return err
	}
	if !out.OK {
		return refuse(q, page.Refusal{Field: "name", Text: why(out), Words: true})
	}
	if name == q.User {
		q.Renew()
	}
	q.Toast("ok", q.T("users.set.done", name))
	return q.Redirect("/users")
}

// account finds one by its name.
func account(q *page.Request, name string) (status.Account, error) {
	var all []status.Account
	if err := q.Status("accounts", nil, &all); err != nil {
		return status.Account{}, err
	}
	for _, a := range all {
		if a.Name == name {
			return a, nil
		}
	}
	return status.Account{}, q.Fail(page.RefusedStatus, "users.gone", name)
}

// remove asks, and deletes an account with its keys.
func remove(q *page.Request) error {
	a, err := account(q, q.Form("who"))
	if err != nil {
		return err
	}
	if q.Form("answer") != "yes" {
		text := q.T("users.delete.ask", a.Name)
		if a.Name == q.User {
			text += " " + q.T("users.delete.self")
		}
		return q.Ask(page.Question{Title: q.T("users.delete"), Text: text, Action: "/users/delete", Fields: map[string]string{"who": a.Name}, Answer: "yes", Yes: q.T("users.delete"), Back: "/users"})
	}
	out, err := q.Configure("no " + a.Class + " " + cli.Quote(a.Name))
	switch {
	case err != nil:
		return err
	case !out.OK:
		return &page.Problem{Status: page.RefusedStatus, Text: why(out)}
	}
	var keys []string
	for _, k := range a.PublicKeys {
		keys = append(keys, "no "+keyLine(a.Name, k.Type, k.Key, ""))
	}
	if len(keys) > 0 {
		if out, err = q.Configure(keys...); err != nil {
			return err
		}
		if !out.OK {
			q.Toast("warning", why(out))
		}
	}
	q.Toast("ok", q.T("users.delete.done", a.Name))
	return q.Redirect("/users")
}

// keyLine is the line of a public key.
func keyLine(name, kind, key, comment string) string {
	line := "public-key " + cli.Quote(plain(name)) + " " + cli.Quote(plain(kind)) + " " + cli.Quote(plain(key))
	if comment != "" {
		line += " " + cli.Quote(comment)
	}
	return line
}

// addKey takes a line of authorized_keys.
func addKey(q *page.Request) error {
	words := strings.Fields(plain(q.Form("key")))
	if len(words) < 2 {
		return refuse(q, page.Refusal{Field: "key", Text: q.T("users.key.form")})
	}
	out, err := q.Configure(keyLine(q.Form("account"), words[0], words[1], strings.Join(words[2:], " ")))
	switch {
	case err != nil:
		return err
	case !out.OK:
		return refuse(q, page.Refusal{Field: "key", Text: why(out), Words: true})
	}
	q.Toast("ok", q.T("users.key.done"))
	return q.Redirect("/users")
}

func removeKey(q *page.Request) error {
	name, kind, key := plain(q.Form("account")), plain(q.Form("type")), plain(q.Form("key"))
	if q.Form("answer") != "yes" {
		return q.Ask(page.Question{
			Title: q.T("users.key.remove"), Text: q.T("users.key.ask", name), Said: kind + " " + key, Action: "/users/key/remove",
			Fields: map[string]string{"account": name, "type": kind, "key": key}, Answer: "yes", Yes: q.T("users.key.remove"), Back: "/users",
		})
	}
	return changed(q, "/users", "no "+keyLine(name, kind, key, ""))
}

// changed runs a line of the configuration, whose refusal is a page.
func changed(q *page.Request, next, line string) error {
	out, err := q.Configure(line)
	switch {
	case err != nil:
		return err
	case !out.OK:
		return &page.Problem{Status: page.RefusedStatus, Text: why(out)}
	}
	q.Toast("ok", q.T("users.done"))
	return q.Redirect(next)
}

// save keeps the configuration over a restart.
func save(q *page.Request) error {
	out, err := q.Enabled("copy running-config startup-config", "", false)
	switch {
	case err != nil:
		return err
	case !out.OK:
		return &page.Problem{Status: page.RefusedStatus, Text: why(out)}
	}
	q.Toast("ok", q.T("users.saved"))
	return q.Redirect("/users")
}

// why is the reason of a refusal, in the box's words.
func why(out page.Outcome) string {
	for _, l := range out.Lines {
		if l.Why != "" {
			return l.Why
		}
	}
	return strings.TrimPrefix(strings.TrimSpace(out.Text), "% ")
}

// plain keeps a word one: a line ends at a control character.
func plain(word string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, word))
}
