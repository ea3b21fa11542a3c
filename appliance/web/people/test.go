package people

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/cli"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

// step is a step of a test as the page shows it.
type step struct{ status.CheckStep }

// Kind is the badge of its state.
func (s step) Kind() string {
	switch s.State {
	case status.CheckOK:
		return "ok"
	case status.CheckWarning:
		return "warning"
	case status.CheckFailed:
		return "error"
	}
	return "off"
}

// result is a test that has ended.
type result struct {
	Name  string
	Steps []step
	Well  bool
	Ended time.Time
}

// testTime is more than any test takes.
const testTime = 2 * time.Minute

// running bounds the tests that browsers have going.
var running = make(chan struct{}, 2)

// test goes through everything that a service needs. A script gets each step when it ends, anybody else a page at the end.
func test(q *page.Request) error {
	s, err := service(q, q.Form("name"))
	if err != nil {
		return err
	}
	select {
	case running <- struct{}{}:
		defer func() { <-running }()
	default:
		return q.Fail(http.StatusServiceUnavailable, "people.busy")
	}
	if !q.Scripted() {
		http.NewResponseController(q.Raw()).SetWriteDeadline(time.Now().Add(testTime))
		r, err := steps(q, s.Name, func(step) error { return nil })
		if err != nil {
			return err
		}
		return q.RenderTitled(q.T("people.test"), "tested.html", r)
	}
	began := false
	r, err := steps(q, s.Name, func(x step) error {
		if !began {
			began = true
			q.Stream()
		}
		return q.Event("step", "step.html", x)
	})
	switch {
	case err != nil && began:
		panic(http.ErrAbortHandler) // the script sees that the stream has no end
	case err != nil:
		return err
	case !began:
		q.Stream()
	}
	return q.Event("end", "end.html", r)
}

// steps runs the test of a service, and calls each for every step when it ends.
func steps(q *page.Request, name string, each func(step) error) (r result, err error) {
	var rest, why string
	r.Name, r.Well = name, true
	request := wire.ExecRequest{Mode: []string{wire.Enabled}, Line: "presence test " + cli.Quote(name) + " jsonl", User: q.User, TTY: q.TTY}
	err = q.Client().Exec(q.Context(), request, func(a wire.Answer) error {
		rest += a.Text
		for {
			text, after, whole := strings.Cut(rest, "\n")
			if !whole {
				break
			}
			rest = after
			var s status.CheckStep
			if json.Unmarshal([]byte(text), &s) != nil || s.ID == "" {
				continue // a sentence, or the outcome, which has all of it again
			}
			r.Steps = append(r.Steps, step{s})
			r.Well = r.Well && s.State != status.CheckFailed
			if err := each(step{s}); err != nil {
				return err
			}
		}
		if a.Done && a.Status != wire.OK {
			why = a.Why
		}
		return nil
	})
	r.Ended = time.Now()
	if err == nil && why != "" {
		return r, &page.Problem{Status: http.StatusConflict, Text: why}
	}
	return r, err
}
