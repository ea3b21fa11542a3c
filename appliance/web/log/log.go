// Package log is the page with the log: its last lines, and new ones as they come.
//
// It owns the page. The lines come from `show log`, as the user at the console gets them; what is in them, peers may have written.
package log

import (
	"embed"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/cli"
	"viaduct/appliance/logline"
	"viaduct/appliance/printable"
	"viaduct/appliance/web/page"
)

//go:embed *.html
var files embed.FS

// Page is /log.
var Page = page.Page{
	Path: "/log", Title: "log.title", Icon: "log", For: page.Operator, Templates: files,
	Routes: map[string]page.Handler{"GET /log": show, "GET /log/follow": follow, "GET /log/file": file},
}

const (
	shown    = 300   // lines of the page
	kept     = 20000 // lines that are looked through for a text
	maxWord  = 200   // bytes of what is looked for
	lineTime = 10 * time.Second
)

// Severities, as the command has them; the first is all.
var severities = []string{"debug", "informational", "warning", "error"}

// filter is which lines somebody wants.
type filter struct{ Severity, Call, Text string }

func filterOf(q *page.Request) (filter, error) {
	f := filter{q.Query("severity"), strings.TrimSpace(q.Query("call")), q.Query("text")}
	if f.Severity == "" {
		f.Severity = severities[0]
	}
	if !slices.Contains(severities, f.Severity) || len(f.Call) > maxWord || len(f.Text) > maxWord || strings.ContainsAny(f.Call, "\r\n") {
		return f, q.Fail(http.StatusBadRequest, "log.filter.wrong")
	}
	return f, nil
}

// line is the command for it.
func (f filter) line(last int, follow bool) string {
	words := []string{"show log last", fmt.Sprint(last), "raw"}
	if follow {
		words = append(words, "follow")
	}
	if f.Severity != severities[0] {
		words = append(words, "severity", f.Severity)
	}
	if f.Call != "" {
		words = append(words, "call", cli.Quote(f.Call))
	}
	return strings.Join(words, " ")
}

// takes reports whether a line has the text.
func (f filter) takes(line string) bool {
	return f.Text == "" || strings.Contains(strings.ToLower(line), strings.ToLower(f.Text))
}

// row is a line as the page shows it.
type row struct {
	Time     time.Time
	Kind     string // of the badge
	Severity string // end of a key
	Message  string
	Attrs    []logline.Attr
}

func rowOf(text string) row {
	l, ok := logline.Parse(text)
	if !ok {
		return row{Kind: "off", Severity: "other", Message: text}
	}
	r := row{Time: l.Time, Message: l.Message, Attrs: l.Attrs}
	switch {
	case l.Level >= slog.LevelError:
		r.Kind, r.Severity = "error", "error"
	case l.Level >= slog.LevelWarn:
		r.Kind, r.Severity = "warning", "warning"
	case l.Level >= slog.LevelInfo:
		r.Kind, r.Severity = "info", "informational"
	default:
		r.Kind, r.Severity = "off", "debug"
	}
	return r
}

// run has each for every line that the filter takes, as they come.
func run(q *page.Request, f filter, last int, follows bool, each func(line string) error) error {
	var rest, why string
	err := q.Client().Exec(q.Context(), wire.ExecRequest{Mode: []string{}, Line: f.line(last, follows), User: q.User, TTY: q.TTY}, func(a wire.Answer) error {
		rest += a.Text
		for {
			line, after, whole := strings.Cut(rest, "\n")
			if !whole {
				break
			}
			rest = after
			if f.takes(line) {
				if err := each(line); err != nil {
					return err
				}
			}
		}
		if a.Done && a.Status != wire.OK {
			why = a.Why
		}
		return nil
	})
	if err == nil && why != "" {
		return &page.Problem{Status: http.StatusBadRequest, Text: why}
	}
	return err
}

func show(q *page.Request) error {
	f, err := filterOf(q)
	if err != nil {
		return err
	}
	last := shown
	if f.Text != "" {
		last = kept
	}
	var rows []row
	err = run(q, f, last, false, func(line string) error {
		rows = append(rows, rowOf(line))
		if len(rows) > shown {
			rows = rows[1:]
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Reverse(rows)
	return q.Render("log.html", map[string]any{"Filter": f, "Rows": rows, "Severities": severities, "Query": q.HTTP.URL.RawQuery})
}

// streams bounds those who follow: each costs a request to sbcd.
var streams = make(chan struct{}, 32)

// overlap is how many lines the follower gets that the page may have already: some come between the two requests.
const overlap = 50

// follow sends new lines, until the browser goes.
func follow(q *page.Request) error {
	f, err := filterOf(q)
	if err != nil {
		return err
	}
	select {
	case streams <- struct{}{}:
		defer func() { <-streams }()
	default:
		return q.Fail(http.StatusServiceUnavailable, "log.busy")
	}
	q.Stream()
	// An error is the end of the stream, in whose middle no page can stand. The browser asks again by itself.
	_ = run(q, f, overlap, true, func(line string) error { return q.Event("line", "row.html", rowOf(line)) })
	return nil
}

// file sends the lines as they are.
func file(q *page.Request) error {
	f, err := filterOf(q)
	if err != nil {
		return err
	}
	w, began := q.Raw(), false
	err = run(q, f, kept, false, func(line string) error {
		if !began {
			began = true
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": "log-" + time.Now().UTC().Format("20060102-150405") + ".txt"}))
		}
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(lineTime))
		_, err := io.WriteString(w, printable.Line(line)+"\n")
		return err
	})
	switch {
	case began && err != nil:
		panic(http.ErrAbortHandler) // so that the browser sees that the file is not whole
	case err == nil && !began:
		return q.Fail(http.StatusNotFound, "log.none")
	}
	return err
}
