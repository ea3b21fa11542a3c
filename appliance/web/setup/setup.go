// Package setup is the page that leads from an empty box to the first call: it asks step by step, shows the configuration that comes of the
// answers, applies it on trial, takes certificate and licenses, and says what the tenant and others need.
//
// It owns the steps and what somebody has typed so far (drafts, in memory, by account). It does not own what the answers mean (package
// wizard), nor does it change anything by itself: each change is a command that runs as the user. It has no goroutines.
package setup

import (
	"embed"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/printable"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
	"viaduct/appliance/wizard"
)

//go:embed *.html
var files embed.FS

// Page is /setup.
var Page = page.Page{
	Path: "/setup", Title: "setup.title", Icon: "setup", For: page.Administrator, Templates: files,
	Routes: map[string]page.Handler{
		"GET /setup":               start,
		"POST /setup":              begin,
		"GET /setup/{step}":        show,
		"POST /setup/{step}":       answer,
		"POST /setup/{step}/keep":  keep,
		"POST /setup/review/apply": apply,
		"POST /setup/trial":        trial,
		"POST /setup/keys/import":  importKeys,
		"POST /setup/keys/license": license,
		"POST /setup/check/run":    check,
	},
	Topics: map[string]page.Topic{"setup.call": firstCall},
}

// steps are all parts of the way, in their order: first those that ask, then those that do.
var steps = append(slices.Clone(wizard.Steps), "review", "keys", "tenant", "check")

// step is one of them as the list beside the page shows it.
type step struct {
	Name  string
	Here  bool
	State string // "ok", "error" or "" when nobody has been there
}

// field is one answer as a template shows it.
type field struct {
	Name, Value string
	Problems    []string
}

// view is what all steps show.
type view struct {
	Steps       []step
	Here        string
	Number, All int
	Before      string // the step before, "" at the first
	problems    map[string][]string
	Answers     wizard.Answers
	Trial       time.Time // until when the configuration runs on trial
	Extra       any       // of the step
}

// Field is an answer of the step.
func (v *view) Field(name string) field {
	value, ok := fields(&v.Answers)[name]
	if !ok {
		return field{Name: name}
	}
	return field{Name: name, Value: *value, Problems: v.problems[name]}
}

// Open are the steps whose answers have problems.
func (v *view) Open() (list []string) {
	for _, p := range wizard.Check(v.Answers) {
		if !slices.Contains(list, p.Step()) {
			list = append(list, p.Step())
		}
	}
	return list
}

// Problems are those of a field.
func (v *view) Problems(name string) []string { return v.problems[name] }

// fields are the answers that are text, by their names.
func fields(a *wizard.Answers) map[string]*string {
	return map[string]*string{
		"box.name": &a.Box.Name, "box.fqdn": &a.Box.FQDN, "box.zone": &a.Box.Zone,
		"network.lan": &a.Network.LAN, "network.wan": &a.Network.WAN, "network.gateway": &a.Network.Gateway,
		"network.public": &a.Network.Public, "network.dns": &a.Network.DNS, "network.ntp": &a.Network.NTP,
		"pbx.name": &a.PBX.Name, "pbx.address": &a.PBX.Address, "pbx.port": &a.PBX.Port, "pbx.transport": &a.PBX.Transport, "pbx.router": &a.PBX.Router,
		"numbers.country": &a.Numbers.Country, "numbers.national": &a.Numbers.National, "numbers.international": &a.Numbers.International,
		"numbers.emergency": &a.Numbers.Emergency, "numbers.called": &a.Numbers.Called, "numbers.extension": &a.Numbers.Extension, "numbers.main": &a.Numbers.Main,
		"teams.cloud": &a.Teams.Cloud, "teams.port": &a.Teams.Port, "teams.sessions": &a.Teams.Sessions,
		"certificate.from": &a.Certificate.From, "certificate.challenge": &a.Certificate.Challenge, "certificate.contact": &a.Certificate.Contact,
	}
}

// maxValue bounds what one field of a draft keeps.
const maxValue = 4 << 10

// take takes the answers of a step from a form.
func take(q *page.Request, d *draft, name string) {
	for field, to := range fields(&d.Answers) {
		if strings.HasPrefix(field, name+".") && q.HTTP.PostForm.Has(field) {
			if v := q.Form(field); len(v) <= maxValue {
				*to = v
			}
		}
	}
	if name == "network" && q.HTTP.PostForm.Has("network.uplink") {
		d.Answers.Network.DHCP = q.Form("network.uplink") == "dhcp"
	}
}

// sentence is a problem in the user's language.
func sentence(q *page.Request, p wizard.Problem) string {
	args := make([]any, len(p.Args))
	for i, a := range p.Args {
		args[i] = printable.Text(a)
	}
	return q.T("setup.fault."+p.Fault, args...)
}

// look makes the view of a step.
func look(q *page.Request, d *draft, name string) (*view, error) {
	v := &view{Here: name, All: len(steps), problems: map[string][]string{}, Answers: d.Answers}
	var trial status.Commit
	if err := q.Status("commit", nil, &trial); err != nil {
		return nil, err
	}
	if trial.State == status.Pending {
		v.Trial = trial.Until
	}
	faulty := map[string]bool{}
	for _, p := range wizard.Check(d.Answers) {
		faulty[p.Step()] = true
		if d.tried[p.Step()] {
			field := p.Field
			if strings.HasPrefix(field, "users/") {
				field = "users"
			}
			v.problems[field] = append(v.problems[field], sentence(q, p))
		}
	}
	for i, s := range steps {
		one := step{Name: s, Here: s == name}
		if one.Here {
			v.Number = i + 1
			if i > 0 {
				v.Before = steps[i-1]
			}
		}
		switch {
		case d.tried[s] && (faulty[s] || s == "users" && len(d.wrong) > 0):
			one.State = "error"
		case d.tried[s]:
			one.State = "ok"
		}
		v.Steps = append(v.Steps, one)
	}
	return v, nil
}

// start says what will be needed.
func start(q *page.Request) error {
	d, err := drafted(q)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	v, err := look(q, d, "")
	if err != nil {
		return err
	}
	v.Extra = struct{ Set, Begun bool }{d.found, len(d.tried) > 0}
	return q.Render("start.html", v)
}

// begin goes on with the draft, or makes a new one of what runs.
func begin(q *page.Request) error {
	if q.Form("anew") != "" {
		desk.forget(q.User)
	}
	if _, err := drafted(q); err != nil {
		return err
	}
	return q.Redirect("/setup/" + steps[0])
}

// running is the configuration of this moment.
func running(q *page.Request) (string, error) {
	out, err := q.Enabled("show running-config", "", false)
	switch {
	case err != nil:
		return "", err
	case !out.OK || out.Cut:
		return "", q.Fail(http.StatusConflict, "setup.unreadable", out.Text)
	}
	return out.Text, nil
}

// show shows a step.
func show(q *page.Request) error {
	name := q.Path("step")
	if !slices.Contains(steps, name) {
		return q.Fail(http.StatusNotFound, "frame.missing")
	}
	d, err := drafted(q)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	v, err := look(q, d, name)
	if err != nil {
		return err
	}
	switch name {
	case "network":
		var ports []status.Port
		if err := q.Status("ports", nil, &ports); err != nil {
			return err
		}
		v.Extra = ports
	case "users":
		v.Extra = tableView(q, d)
	case "review":
		if v.Extra, err = review(q, d); err != nil {
			return err
		}
	case "keys":
		if v.Extra, err = keys(q, d); err != nil {
			return err
		}
	case "tenant":
		v.Extra = tenant{Complete: len(wizard.Check(d.Answers)) == 0, a: d.Answers}
	case "check":
		d.tried[name] = true
		if _, v.Extra, err = firstCall(q); err != nil {
			return err
		}
	}
	return q.RenderTitled(fmt.Sprintf("%s: %s", q.T("setup.title"), q.T("setup.step."+name)), name+".html", v)
}

// answer takes the answers of a step, and goes to the next one when they fit.
func answer(q *page.Request) error {
	name := q.Path("step")
	if !slices.Contains(steps, name) {
		return q.Fail(http.StatusNotFound, "frame.missing")
	}
	d, err := drafted(q)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(wizard.Steps, name) { // it asks nothing
		d.tried[name] = true
		return q.Redirect(next(name))
	}
	take(q, d, name)
	stay := false
	if name == "users" {
		stay = takeUsers(q, d)
	}
	d.tried[name] = true
	if stay || slices.ContainsFunc(wizard.Check(d.Answers), func(p wizard.Problem) bool { return p.Step() == name }) {
		return q.Redirect("/setup/" + name)
	}
	return q.Redirect(next(name))
}

// next is the step behind one.
func next(name string) string {
	i := slices.Index(steps, name)
	return "/setup/" + steps[min(i+1, len(steps)-1)]
}

// keep keeps what is typed before somebody goes on, so that a reload of the page loses nothing. The table of users is not kept: it has passwords.
func keep(q *page.Request) error {
	d, err := drafted(q)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	take(q, d, q.Path("step"))
	return q.JSON(struct{}{})
}

// table is the step with the users.
type table struct {
	Users    []user
	Problems []string
	Left     string
	Ignored  string
	Repeated int
}

// user is one without a password: a browser is not told what is stored.
type user struct{ Number, Account, SignIn string }

func tableView(q *page.Request, d *draft) table {
	t := table{Left: d.left, Ignored: printable.Text(strings.Join(d.ignored, ", ")), Repeated: d.repeated}
	for _, u := range d.Answers.Users {
		t.Users = append(t.Users, user{u.Number, u.Account, u.SignIn})
	}
	for _, p := range d.wrong {
		_, line, _ := strings.Cut(p.Field, "/")
		t.Problems = append(t.Problems, q.T("setup.line", line, sentence(q, p)))
	}
	return t
}

// takeUsers adds the lines of a table, and removes the users that are marked. It reports whether there is more to do in the step.
func takeUsers(q *page.Request, d *draft) bool {
	gone := q.HTTP.PostForm["remove"]
	d.Answers.Users = slices.DeleteFunc(slices.Clone(d.Answers.Users), func(u wizard.User) bool { return slices.Contains(gone, u.Account) })
	d.left, d.wrong, d.ignored, d.repeated = "", nil, nil, 0
	pasted := q.Form("table")
	if strings.TrimSpace(pasted) == "" {
		return len(gone) > 0
	}
	t := wizard.Paste(pasted, d.Answers.Numbers)
	if len(pasted) > wizard.MaxTable {
		pasted = ""
	}
	d.Answers.Users = wizard.Add(d.Answers.Users, t.Users)
	d.left, d.wrong, d.ignored, d.repeated = strings.Join(t.Left, "\n"), t.Problems, t.Ignored, len(t.Repeated)
	return true
}
