// Package page says what a page of the web page is, and gives it what it needs: who asks, the box, words in two languages, templates, answers.
//
// It owns the table's row (Page), the request as a page sees it (Request), the templates that all pages share, and the catalogue of words. It
// does not own sessions, nor who may come in: package web does. It has no goroutines of its own.
//
// # How to add a page
//
// A page is a package of its own, appliance/web/NAME, with one variable:
//
//	//go:embed *.html
//	var files embed.FS
//
//	var Page = page.Page{
//		Path: "/who", Title: "who.title", Icon: "users", For: page.Operator, Templates: files,
//		Routes: map[string]page.Handler{"GET /who": list, "POST /who/{n}/end": end},
//		Topics: map[string]page.Topic{"who.now": now},
//	}
//
// A line in appliance/web/pages.go puts it into the navigation.
//
// A handler asks the box, and renders a template. It never decides what a user may do: it sends the user's name with each question and each
// line, and sbcd decides. A change is a line of the configuration language (Configure), or a command (Exec).
//
//	func list(q *page.Request) error {
//		var all []status.Session
//		if err := q.Status("sessions", nil, &all); err != nil {
//			return err // becomes a page in words
//		}
//		return q.Render("list.html", all)
//	}
//
// After a change it redirects, so that a reload of the page changes nothing again: q.Toast("ok", q.T("who.ended")); return q.Redirect("/who").
//
// A template is html/template, with these functions: {{t "key" args}}, {{n "key" count}}, {{time .T}}, {{date .T}}, {{ago .T}}, {{dur .D}},
// {{icon "name"}}, {{badge "ok" "text"}}, {{peer .Text}} for text of peers, {{en .Sentence}} for a sentence of the box, {{csrf}} in every form,
// {{script "js/name.js"}}. Styles and scripts stand in appliance/web/assets; the policy forbids those inside a page, and style attributes.
//
// A topic is a template that keeps itself current: an element with data-live="who.now?x=1" gets the template again when it has
// changed. The server has rendered it already when the page comes. What changes under a reader's hand (a form) is no topic.
//
// Words stand in words/NAME.txt: the key, and indented under it one line in English and one in German. Keys begin with the file's name. A test wants each
// key used and each used key there; {{t (print "who.class." .Class)}} uses all keys that begin so. A plural has both forms: "%d call | %d calls".
//
// A test in appliance/web/browser opens the page in a browser: p.look("who") takes its screenshots in three widths and two themes, and
// wants that axe-core finds nothing. The comment of that package says what else tests have.
package page

import (
	"context"
	"io/fs"
	"time"
)

// Page is one place of the web page.
type Page struct {
	Path  string // "/calls"; what is below belongs to it too
	Title string // key of the catalogue
	Icon  string // file in assets/static/icons, without .svg
	For   Class  // who may see it: this class and those above
	// Templates has files *.html: those of handlers, and what these use.
	Templates fs.FS
	// Routes are handlers by patterns of http.ServeMux, as "GET /calls/{id}". Each begins with Path.
	Routes map[string]Handler
	// Topics are fragments that keep themselves current, by name: that of the page, a dot, and a word.
	Topics map[string]Topic
	// Hidden: it is not in the navigation.
	Hidden bool
}

// Handler answers one request. An error becomes a page in words.
type Handler func(*Request) error

// Topic says which template shows a fragment, and with what. Its request has a query, a user, a class and a language, and no HTTP.
type Topic func(*Request) (template string, data any, err error)

// Class is that of an account, as package config names it.
type Class string

// Classes, from the least.
const (
	Operator      Class = "operator"
	Administrator Class = "administrator"
	Superuser     Class = "superuser"
)

// May reports whether an account of this class may do what wants the other.
func (c Class) May(other Class) bool { return rank(c) >= rank(other) }

// rank of a class; one that is not known may nothing.
func rank(c Class) int {
	switch c {
	case Operator:
		return 1
	case Administrator:
		return 2
	case Superuser:
		return 3
	case "":
		return 0
	}
	return -1
}

// Visitor is who asks.
type Visitor struct {
	User  string // account
	Class Class
	TTY   string // "web 192.0.2.7"
	Lang  string // of Languages
	Token string // against forged requests
	// Idle is how long the session lasts in which nothing is done; Touch says that something is, other than a request.
	Idle  time.Duration
	Touch func()
	// Tell keeps a message for the next page; Told takes those that wait.
	Tell func(Toast)
	Told func() []Toast
	// Look ends the session if its account is gone, or has another class or password. Renew lets it stay after its user has changed the
	// password in it.
	Look, Renew func()
}

// Toast is a message about what was done, shown once.
type Toast struct {
	Kind string // "ok", "warning" or "error"
	Text string
}

// Box is what all pages show of the box.
type Box struct {
	Name string // host name
	Zone string // of the clock, as package config reads it
}

// WithToken puts a visitor's token into a fragment.
func (s *Site) WithToken(fragment []byte, token string) []byte { return s.tokens(fragment, token) }

// visible are the pages of the navigation that a class may see.
func (s *Site) visible(c Class) (list []*Page) {
	for _, p := range s.pages {
		if !p.Hidden && c.May(p.For) {
			list = append(list, p)
		}
	}
	return list
}

// Fragment renders a topic for a visitor. It is nil when there is no such topic, or not for this visitor.
func (s *Site) Fragment(ctx context.Context, v Visitor, topic, query string) ([]byte, error) {
	p := s.topics[topic]
	if p == nil || !v.Class.May(p.For) {
		return nil, nil
	}
	v.Token = s.mark // many see the fragment: WithToken puts that of each in
	q := s.fragmentRequest(ctx, v, p, query)
	name, data, err := p.Topics[topic](q)
	if err != nil {
		return nil, err
	}
	return q.execute(name, data)
}
