// Package steps runs a command that goes through steps, such as `check` and `presence test`, for a page that shows each when it ends.
//
// It owns how such a command is run and read, and how its steps reach a browser. It does not own what is run, nor what a page makes of a step. It has
// no goroutines.
package steps

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/status"
	"viaduct/appliance/web/page"
)

// Longest is more than any run takes, or any answer to one.
const Longest = 2 * time.Minute

// Kind is the badge of a step's state.
func Kind(s status.CheckState) string {
	switch s {
	case status.CheckOK:
		return "ok"
	case status.CheckWarning:
		return "warning"
	case status.CheckFailed:
		return "error"
	}
	return "off"
}

// View is what a page makes of a run.
type View struct {
	Step  func(n int, s status.CheckStep) any // what step.html shows of a step; n counts from 0
	End   func(status.Checkup) any            // what end.html shows
	Whole func(status.Checkup) error          // answers without a script
}

// Show runs a line in a mode. A script gets each step when it ends, anybody else a page at the end.
func Show(q *page.Request, mode []string, line string, v View) error {
	if !q.Scripted() {
		http.NewResponseController(q.Raw()).SetWriteDeadline(time.Now().Add(Longest))
		out, err := run(q, mode, line, func(status.CheckStep) error { return nil })
		if err != nil {
			return err
		}
		return v.Whole(out)
	}
	n := 0
	out, err := run(q, mode, line, func(s status.CheckStep) error {
		if n == 0 {
			q.Stream()
		}
		n++
		return q.Event("step", "step.html", v.Step(n-1, s))
	})
	switch {
	case err != nil && n > 0:
		panic(http.ErrAbortHandler) // the script sees that the stream has no end
	case err != nil:
		return err
	case n == 0:
		q.Stream()
	}
	return q.Event("end", "end.html", v.End(out))
}

// run runs a line, which prints a line of JSON for each step and then the outcome, and calls each for every step when it ends.
func run(q *page.Request, mode []string, line string, each func(status.CheckStep) error) (out status.Checkup, err error) {
	var rest, why string
	err = q.Client().Exec(q.Context(), wire.ExecRequest{Mode: mode, Line: line + " jsonl", User: q.User, TTY: q.TTY}, func(a wire.Answer) error {
		rest += a.Text
		for {
			text, after, whole := strings.Cut(rest, "\n")
			if !whole {
				break
			}
			rest = after
			var s struct {
				status.CheckStep
				Of string `json:"of"` // of the outcome, which comes last
			}
			if json.Unmarshal([]byte(text), &s) != nil {
				continue // a sentence; if it is a refusal, Why has it, too
			}
			if s.Of != "" {
				json.Unmarshal([]byte(text), &out) // it was read once
				continue
			}
			if err := each(s.CheckStep); err != nil {
				return err
			}
		}
		if a.Done && a.Status != wire.OK {
			why = a.Why
		}
		return nil
	})
	if err == nil && why != "" {
		return out, &page.Problem{Status: http.StatusConflict, Text: why}
	}
	return out, err
}
