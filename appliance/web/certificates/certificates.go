// Package certificates is the page with the certificates and keys of the box: what is there, who uses it, how long it is good, what is wrong with
// it, and how more come in: by paste, by file, by a request, from the internal CA or by ACME.
//
// It owns the page. What it changes it changes by commands of the language, as the user; keys and pass phrases pass through it to sbcd and are
// nowhere kept or shown. It has no goroutines of its own.
package certificates

import (
	"embed"
	"net/url"
	"strings"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

//go:embed *.html
var files embed.FS

// Page is /certificates.
var Page = page.Page{
	Path: "/certificates", Title: "certificates.title", Icon: "certificate", For: page.Operator, Templates: files,
	Routes: map[string]page.Handler{
		"GET /certificates":                   store,
		"GET /certificates/pem/{name}":        export,
		"POST /certificates/erase":            erase,
		"GET /certificates/add":               addPage,
		"POST /certificates/import":           importFile,
		"GET /certificates/request":           requestPage,
		"POST /certificates/request":          request,
		"GET /certificates/internal":          internalPage,
		"GET /certificates/internal/root.pem": root,
		"POST /certificates/internal/create":  create,
		"POST /certificates/internal/issue":   issue,
		"GET /certificates/acme":              acmePage,
		"POST /certificates/acme/renew":       renew,
		"POST /certificates/acme/test":        test,
		"GET /certificates/trust":             trustPage,
		"POST /certificates/trust/add":        trust,
		"POST /certificates/trust/remove":     untrust,
		"GET /certificates/peers":             peersPage,
		"GET /certificates/calendar":          calendarPage,
	},
	Topics: map[string]page.Topic{"certificates.acme": acmeNow},
}

// view is what every tab shows.
type view struct {
	Tab     string
	May     bool // the user may change things; sbcd decides, and this only leaves out what would be refused
	Refused page.Refusal
	Typed   map[string]string // into the form that was refused; no secrets
}

func newView(q *page.Request, tab string) view {
	return view{Tab: tab, May: q.Class.May(page.Administrator), Typed: map[string]string{}}
}

// storeView is the key store.
type storeView struct {
	view
	Profiles     []profile
	Certificates []certificate
	Keys         []status.Key // private ones
}

// certificate is one of the store, with how long it is good.
type certificate struct {
	status.Key
	State string // "ok", "ending", "ended" or "early"
	Kind  string // of the badge
	Left  int    // days, 0 at least
	Life  int    // days in all
	Chain []status.ChainLink
}

// profile is what is shown together.
type profile struct {
	status.TLSProfile
	Shown []boxed // own certificates in their order
}

// boxed is one box of a picture: a certificate, or its absence.
type boxed struct {
	Name    string // pki:certificate/NAME
	Link    *status.ChainLink
	Missing bool
}

// anchor is where a certificate stands on the page.
func (c certificate) Anchor() string { return "certificate-" + c.Name }

func store(q *page.Request) error {
	v := storeView{view: newView(q, "store")}
	var all []status.Key
	if err := q.Status("keys", nil, &all); err != nil {
		return err
	}
	var profiles []status.TLSProfile
	if err := q.Status("tls-profiles", nil, &profiles); err != nil {
		return err
	}
	byName := map[string]status.Key{}
	for _, k := range all {
		byName["pki:"+string(k.Kind)+"/"+k.Name] = k
		switch k.Kind {
		case status.KeyCertificate:
			v.Certificates = append(v.Certificates, lasting(k, time.Now()))
		case status.KeyPrivate:
			v.Keys = append(v.Keys, k)
		}
	}
	for _, p := range profiles {
		v.Profiles = append(v.Profiles, profile{p, shown(p, byName)})
	}
	return q.Render("store.html", v)
}

// lasting says how long a certificate is good.
func lasting(k status.Key, now time.Time) certificate {
	c := certificate{Key: k, State: "ok", Kind: "ok", Chain: k.Links}
	if k.DaysLeft != nil {
		c.Left = max(0, *k.DaysLeft)
	}
	began := k.NotAfter
	if len(k.Links) > 0 {
		began = k.Links[0].NotBefore
	}
	c.Life = max(1, int(k.NotAfter.Sub(began).Hours()/24), c.Left)
	switch {
	case k.Subject == "": // it cannot be read, which its problems say
		c.State, c.Kind = "unusable", "error"
	case now.After(k.NotAfter):
		c.State, c.Kind = "ended", "error"
	case now.Before(began):
		c.State, c.Kind = "early", "warning"
	case !now.Before(k.Announced):
		c.State, c.Kind = "ending", "warning"
	}
	return c
}

// shown are the certificates that a profile shows, in their order.
func shown(p status.TLSProfile, all map[string]status.Key) (list []boxed) {
	for _, name := range p.Own {
		k, there := all[name]
		if !there || len(k.Links) == 0 {
			list = append(list, boxed{Name: name, Missing: true})
			continue
		}
		for n := range k.Links {
			list = append(list, boxed{Name: name, Link: &k.Links[n]})
		}
	}
	return list
}

// export sends a certificate as PEM.
func export(q *page.Request) error {
	name := q.Path("name")
	out, err := q.Enabled(line("export", "pki:certificate/"+name), "", false)
	if err != nil {
		return err
	}
	if !out.OK {
		return &page.Problem{Status: page.RefusedStatus, Text: why(out)}
	}
	return attach(q, name+".pem", "application/x-pem-file", out.Text)
}

// attach sends a text as a file.
func attach(q *page.Request, name, kind, text string) error {
	h := q.Raw().Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", "attachment; filename*=UTF-8''"+url.PathEscape(name))
	_, err := q.Raw().Write([]byte(text))
	return ignore(err)
}

// ignore makes nothing of an error of the connection: nobody is left to tell.
func ignore(error) error { return nil }

// erase asks, and deletes. What is in use the box itself asks about, and says by whom.
func erase(q *page.Request) error {
	what, answer := q.Form("what"), q.Form("answer")
	ask := page.Question{
		Title: q.T("certificates.erase"), Text: q.T("certificates.erase.ask", what), Action: "/certificates/erase", Fields: map[string]string{"what": what},
		Answer: "yes", Yes: q.T("certificates.erase"), Back: "/certificates",
	}
	used, err := users(q, what)
	if err != nil {
		return err
	}
	if answer == "" && len(used) == 0 {
		return q.Ask(ask)
	}
	return confirmed(q, line("erase", what), ask, "/certificates")
}

// users are the blocks of the configuration that use an item.
func users(q *page.Request, what string) ([]string, error) {
	var all []status.Key
	if err := q.Status("keys", nil, &all); err != nil {
		return nil, err
	}
	for _, k := range all {
		if "pki:"+string(k.Kind)+"/"+k.Name == what {
			return k.UsedBy, nil
		}
	}
	return nil, nil
}

// confirmed runs a command whose question may become one on the page. Only the answer to the very question that the box asks now is a yes.
func confirmed(q *page.Request, line string, ask page.Question, next string) error {
	out, err := q.Enabled(line, "", false)
	if err == nil && out.Collect != nil && out.Collect.Kind == "confirm" {
		if q.Form("answer") != out.Collect.Prompt {
			ask.Said, ask.Box, ask.Answer = strings.TrimRight(out.Text, "\n"), strings.TrimSuffix(out.Collect.Prompt, " [yes/no] "), out.Collect.Prompt
			return q.Ask(ask)
		}
		out, err = q.Enabled(line, "", true)
	}
	switch {
	case err != nil:
		return err
	case !out.OK:
		return &page.Problem{Status: page.RefusedStatus, Text: why(out)}
	}
	q.Toast("ok", strings.TrimSpace(out.Text))
	return q.Redirect(next)
}

// why is the reason of a refusal, in the box's words.
func why(out page.Outcome) string {
	for _, l := range out.Lines {
		if l.Why != "" {
			return l.Why
		}
	}
	return strings.TrimSpace(strings.TrimPrefix(out.Text, "% "))
}

// line makes a line of words that may hold anything.
func line(words ...string) string {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, cli.Quote(plain(w)))
	}
	return strings.Join(quoted, " ")
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
