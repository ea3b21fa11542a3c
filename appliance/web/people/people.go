// Package people is the page of presence: how the users of Teams are, which identity each is, what follows, and what Microsoft's side needs so that it
// works: the certificate to upload, the link of the consent, the test, and the table of users.
//
// It owns the page. What is known of users comes from sbcd; each button is a command of the console.
package people

import (
	"embed"
	"net/http"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

//go:embed *.html
var files embed.FS

// Page is /people.
var Page = page.Page{
	Path: "/people", Title: "people.title", Icon: "people", For: page.Operator, Templates: files,
	Routes: map[string]page.Handler{
		"GET /people": list, "GET /people/service": servicePage,
		"POST /people/test": test, "POST /people/certificate": certificate, "POST /people/table": table,
	},
	Topics: map[string]page.Topic{"people.now": now, "people.head": head},
}

// view is the page.
type view struct {
	Services []serviceView
	Query    string // who is looked for
	Admin    bool
}

// mostShown is how many users a service shows at once: the page keeps itself current.
const mostShown = 200

type serviceView struct {
	status.PresenceService
	Kind           string // of the badge
	Rows           []userView
	Found          int // users that fit the query; Rows has the first of them
	LatencyMS      int64
	Wait           bool // Held is to come
	Reported, Told sinkView
}

// sinkView is whether something that the box tells arrives.
type sinkView struct {
	status.PresenceSink
	Kind string
}

type userView struct {
	status.PresenceUser
	Kind    string   // of the badge
	Follows []string // keys of the catalogue
}

func list(q *page.Request) error {
	_, v, err := now(q)
	if err != nil {
		return err
	}
	return q.Render("people.html", v)
}

// now is all of it at this moment.
func now(q *page.Request) (string, any, error) {
	var p status.Presence
	if err := q.Status("presence", nil, &p); err != nil {
		return "", nil, err
	}
	v := view{Query: strings.TrimSpace(q.Query("q")), Admin: q.Class.May(page.Administrator)}
	for _, s := range p.Services {
		v.Services = append(v.Services, serviceOf(s, v.Query, time.Now()))
	}
	return "now.html", v, nil
}

func serviceOf(s status.PresenceService, query string, now time.Time) serviceView {
	v := serviceView{PresenceService: s, Kind: kindOf(s.State), LatencyMS: s.Latency.Milliseconds(), Wait: s.Held.After(now), Reported: sinkOf(s.Reports), Told: sinkOf(s.Starface)}
	query = strings.ToLower(query)
	for _, u := range s.Users {
		if !slices.ContainsFunc([]string{u.Name, u.Identity, u.Extension, u.State}, func(text string) bool { return strings.Contains(strings.ToLower(text), query) }) {
			continue
		}
		if v.Found++; v.Found <= mostShown {
			v.Rows = append(v.Rows, userOf(u))
		}
	}
	v.Problems = slices.DeleteFunc(slices.Clone(s.Problems), func(p status.PresenceProblem) bool { return !strings.Contains(strings.ToLower(p.User), query) })
	return v
}

// kindOf is the badge of a service.
func kindOf(s status.PresenceState) string {
	switch s {
	case status.PresenceWorking:
		return "ok"
	case status.PresenceThrottled:
		return "warning"
	case status.PresenceRefused, status.PresenceUnreachable, status.PresenceFaulty, status.PresenceUnready:
		return "error"
	case status.PresenceStarting:
		return "info"
	}
	return "off"
}

func sinkOf(s status.PresenceSink) sinkView {
	return sinkView{s, map[status.PresenceSinkState]string{status.SinkOff: "off", status.SinkIdle: "off", status.SinkTelling: "ok", status.SinkFailing: "error"}[s.State]}
}

// kinds are the badges of states, by the words of map-status. Green, red and amber are those of Teams, as far as it shows colours.
var kinds = map[string]string{
	"available": "ok", "do-not-disturb": "error", "presenting": "error",
	"in-a-call": "warning", "in-a-conference": "warning", "in-a-meeting": "warning", "busy": "warning",
	"away": "info", "be-right-back": "info",
}

func userOf(u status.PresenceUser) userView {
	v := userView{PresenceUser: u, Kind: kinds[u.State]}
	if u.Refuse != 0 {
		v.Follows = append(v.Follows, "refused")
	}
	if u.Published {
		v.Follows = append(v.Follows, "published")
	}
	if u.Starface {
		v.Follows = append(v.Follows, "starface")
	}
	switch u.Session {
	case status.SessionSetting:
		v.Follows = append(v.Follows, "reporting")
	case status.SessionSet, status.SessionRenewing:
		v.Follows = append(v.Follows, "reported")
	case status.SessionClearing:
		v.Follows = append(v.Follows, "clearing")
	}
	return v
}

// service finds one by its name.
func service(q *page.Request, name string) (status.PresenceService, error) {
	var p status.Presence
	if err := q.Status("presence", nil, &p); err != nil {
		return status.PresenceService{}, err
	}
	for _, s := range p.Services {
		if s.Name == name {
			return s, nil
		}
	}
	return status.PresenceService{}, q.Fail(http.StatusNotFound, "people.gone", name)
}

// setup is what Microsoft's side needs of one service, and the table of its users.
type setup struct {
	status.PresenceService
	Kind    string
	Admin   bool
	PEM     string // of its certificate; "": there is none
	QR      *code  // of the consent link; nil: there is none
	Refused page.Refusal
	Text    string // the table that was typed
	Preview *preview
}

func servicePage(q *page.Request) error {
	v, err := setupOf(q, q.Query("name"))
	if err != nil {
		return err
	}
	return q.RenderTitled(v.Name, "service.html", v)
}

// head is how a service is at this moment.
func head(q *page.Request) (string, any, error) {
	s, err := service(q, q.Query("name"))
	return "head.html", setup{PresenceService: s, Kind: kindOf(s.State)}, err
}

func setupOf(q *page.Request, name string) (v setup, err error) {
	if v.PresenceService, err = service(q, name); err != nil {
		return v, err
	}
	v.Kind, v.Admin = kindOf(v.State), q.Class.May(page.Administrator)
	if v.Consent != "" {
		v.QR = drawn(v.Consent)
	}
	if v.Admin && v.Thumbprint != "" {
		out, err := q.Enabled("export pki:certificate/"+cli.Quote(v.Certificate), "", false)
		if err != nil {
			return v, err
		}
		if at := strings.Index(out.Text, "-----BEGIN"); out.OK && at >= 0 {
			v.PEM = out.Text[at:]
		}
	}
	return v, nil
}

// certificate makes a certificate and its key.
func certificate(q *page.Request) error {
	s, err := service(q, q.Form("name"))
	if err != nil {
		return err
	}
	line := "generate presence-certificate " + cli.Quote(s.Name)
	if s.Thumbprint != "" {
		line = "generate presence-certificate " + cli.Quote(s.Certificate) + " replace"
		if q.Form("answer") != "yes" {
			return q.Ask(page.Question{
				Title: q.T("people.certificate.again"), Text: q.T("people.certificate.ask", s.Certificate), Action: "/people/certificate",
				Fields: map[string]string{"name": s.Name}, Answer: "yes", Yes: q.T("people.certificate.again"), Back: "/people/service?name=" + s.Name,
			})
		}
	}
	out, err := q.Enabled(line, "", false)
	if err == nil && out.OK && s.Certificate == "" {
		out, err = q.Configure("presence-service "+cli.Quote(s.Name), "certificate pki:certificate/"+cli.Quote(s.Name))
	}
	switch {
	case err != nil:
		return err
	case !out.OK:
		return &page.Problem{Status: page.RefusedStatus, Text: why(out)}
	}
	q.Toast("ok", q.T("people.certificate.done"))
	return q.Redirect("/people/service?name=" + s.Name)
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
