// Package checks is the page that finds out whether calls can work: `check` with its steps as they end, and what cures those that failed.
//
// It owns the page. Whatever is checked, sbcd checks; a cure is run as lines of the user, who has seen them.
package checks

import (
	"embed"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/console/client"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
	"viaduct/appliance/web/steps"
)

//go:embed *.html
var files embed.FS

// Page is /checks.
var Page = page.Page{
	Path: "/checks", Title: "checks.title", Icon: "check", For: page.Operator, Templates: files,
	Routes: map[string]page.Handler{"GET /checks": show, "POST /checks/run": run, "POST /checks/question": question, "POST /checks/cure": cure},
}

// subjects of a check, the usual one first.
var subjects = []string{"all", "teams", "pbx", "federation"}

// step is a step as the page shows it.
type step struct {
	status.CheckStep
	N         int
	MayChange bool
}

// Kind is the badge of its state.
func (s step) Kind() string { return steps.Kind(s.State) }

// Lines are those of its cure, as one text.
func (s step) Lines() string { return strings.Join(s.Cure, "\n") }

// result is a check that has ended.
type result struct {
	Of                       string
	Ended                    time.Time
	Steps                    []step
	Failed, Warnings, OK, No int
}

func resultOf(q *page.Request, c status.Checkup) result {
	r := result{Of: c.Of, Ended: c.Ended}
	for n, s := range c.Steps {
		r.Steps = append(r.Steps, step{s, n, q.Class.May(page.Administrator)})
		switch s.State {
		case status.CheckOK:
			r.OK++
		case status.CheckWarning:
			r.Warnings++
		case status.CheckFailed:
			r.Failed++
		default:
			r.No++
		}
	}
	return r
}

func show(q *page.Request) error {
	var last status.Checkup
	if err := q.Status("check", nil, &last); err != nil {
		return err
	}
	return render(q, "", resultOf(q, last))
}

func render(q *page.Request, domain string, r result) error {
	return q.Render("checks.html", map[string]any{"Subjects": subjects, "Domain": domain, "Result": r})
}

const maxDomain = 253

// running bounds the checks that browsers have going: each talks with the network for half a minute.
var running = make(chan struct{}, 4)

// run checks. A script gets each step when it ends, anybody else a page at the end.
func run(q *page.Request) error {
	of, domain := q.Form("of"), strings.TrimSpace(q.Form("domain"))
	if !slices.Contains(subjects, of) || len(domain) > maxDomain || strings.ContainsAny(domain, "\r\n") {
		return q.Fail(http.StatusBadRequest, "checks.wrong")
	}
	line := "check " + of
	if of == "federation" {
		if domain == "" {
			return q.Fail(http.StatusBadRequest, "checks.domain.missing")
		}
		line += " " + cli.Quote(domain)
	}
	select {
	case running <- struct{}{}:
		defer func() { <-running }()
	default:
		return q.Fail(http.StatusServiceUnavailable, "checks.busy")
	}
	return steps.Show(q, []string{}, line, steps.View{
		Step:  func(n int, s status.CheckStep) any { return step{s, n, q.Class.May(page.Administrator)} },
		End:   func(c status.Checkup) any { return resultOf(q, c) },
		Whole: func(c status.Checkup) error { return render(q, domain, resultOf(q, c)) },
	})
}

// maxCure bounds the lines that a browser sends back.
const maxCure = 16 << 10

// linesOf are the lines of a form.
func linesOf(q *page.Request) ([]string, error) {
	text := strings.ReplaceAll(q.Form("lines"), "\r\n", "\n")
	if strings.TrimSpace(text) == "" || len(text) > maxCure || !q.Class.May(page.Administrator) {
		return nil, q.Fail(http.StatusBadRequest, "checks.wrong")
	}
	return strings.Split(text, "\n"), nil
}

// question shows the lines of a cure, and asks whether they are to be run.
func question(q *page.Request) error {
	lines, err := linesOf(q)
	if err != nil {
		return err
	}
	return q.RenderTitled(q.T("checks.cure.title"), "cure.html", strings.Join(lines, "\n"))
}

// cure runs lines in the user's name.
func cure(q *page.Request) error {
	lines, err := linesOf(q)
	if err != nil {
		return err
	}
	http.NewResponseController(q.Raw()).SetWriteDeadline(time.Now().Add(steps.Longest))
	run := func() (page.Outcome, error) { return q.Enabled(lines[0], "", true) } // the question that it may ask was answered here
	if len(lines) > 1 {
		run = func() (page.Outcome, error) { return q.Exec(append([]string{"enable"}, lines...)...) }
	}
	out, err := run()
	switch {
	case errors.Is(err, client.ErrBroken): // it restarts, as it was told to
		q.Toast("warning", q.T("checks.broken"))
	case err != nil:
		return err
	case !out.OK:
		return q.RenderStatus(http.StatusConflict, q.T("checks.refused"), "refused.html", out.Text)
	default:
		q.Toast("ok", q.T("checks.done"))
	}
	return q.Redirect("/checks")
}
