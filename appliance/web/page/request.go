package page

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/client"
)

// Request is a request as a page sees it.
type Request struct {
	Visitor
	HTTP  *http.Request     // nil in a topic
	Parts *multipart.Reader // of a form with files, behind the token; nil: it is another
	site  *Site
	page  *Page
	w     http.ResponseWriter
	ctx   context.Context
	query url.Values
}

// Context ends with the request.
func (q *Request) Context() context.Context { return q.ctx }

// Query is a value of the address.
func (q *Request) Query(name string) string { return q.query.Get(name) }

// Path is a wildcard of the pattern.
func (q *Request) Path(name string) string { return q.HTTP.PathValue(name) }

// Form is a value of a form that was sent.
func (q *Request) Form(name string) string { return q.HTTP.PostFormValue(name) }

// Client speaks with sbcd. Whoever uses it sends User and TTY with each request.
func (q *Request) Client() *client.Client { return q.site.client }

// T is the text of a key.
func (q *Request) T(key string, args ...any) string { return q.site.words.text(q.Lang, key, args...) }

// N is the text of a key with a number.
func (q *Request) N(key string, count int, args ...any) string {
	return q.site.words.number(q.Lang, key, count, args...)
}

// Zone is that of the box, in which times are shown.
func (q *Request) Zone() *time.Location { return q.site.zone() }

// Scripted reports whether a script of ours asks, which wants JSON or a fragment instead of a page.
func (q *Request) Scripted() bool { return q.HTTP != nil && q.HTTP.Header.Get("X-Viaduct") != "" }

// Status asks for a part of the box's state, as this user.
func (q *Request) Status(part string, query url.Values, into any) error {
	return q.Get(wire.PathStatus+"/"+url.PathEscape(part), query, into)
}

// Get asks sbcd for what stands at a path, as this user.
func (q *Request) Get(path string, query url.Values, into any) error {
	with := url.Values{}
	for name, values := range query {
		with[name] = values
	}
	with.Set("user", q.User) // whatever the query says
	return q.site.client.Get(q.ctx, path, with, into)
}

// maxOutcome is how much text of the answers to lines is kept.
const maxOutcome = 1 << 20

// Outcome is what came of lines.
type Outcome struct {
	OK      bool          // every line was done
	Text    string        // of all answers
	Lines   []Line        // those that were run
	Changed bool          // the configuration
	Cut     bool          // there was more text
	Collect *wire.Collect // the last line wants a block
	Mode    []string      // after them
}

// Line is what came of one of them.
type Line struct {
	Text string // the answer
	Why  string // it was refused; "": it was done
	OK   bool
}

// Exec runs lines as the console does after a login.
func (q *Request) Exec(lines ...string) (Outcome, error) {
	return q.run(wire.ExecRequest{Lines: lines})
}

// Configure runs lines of a configuration.
func (q *Request) Configure(lines ...string) (Outcome, error) {
	return q.run(wire.ExecRequest{Mode: []string{wire.Enabled, "configure"}, Lines: lines})
}

// Enabled runs one command in the mode of administrators. Body holds the blocks that it asks for, and yes answers its question.
func (q *Request) Enabled(line, body string, yes bool) (Outcome, error) {
	return q.run(wire.ExecRequest{Mode: []string{wire.Enabled}, Line: line, Body: body, Yes: yes})
}

// run runs a request for lines.
func (q *Request) run(r wire.ExecRequest) (Outcome, error) {
	r.User, r.TTY = q.User, q.TTY
	if r.Mode == nil {
		r.Mode = []string{}
	}
	var c collector
	err := q.site.client.Exec(q.ctx, r, c.take)
	q.look(c.gone)
	return c.outcome(), err
}

// Upload runs a line that reads a file.
func (q *Request) Upload(mode []string, line string, file io.ReadCloser) (Outcome, error) {
	var c collector
	err := q.site.client.ExecWithFile(q.ctx, wire.ExecRequest{Mode: mode, Line: line, User: q.User, TTY: q.TTY}, file, c.take)
	q.look(c.gone)
	return c.outcome(), err
}

// look has the session looked at when an answer says that the account may be gone.
func (q *Request) look(gone bool) {
	if gone && q.Look != nil {
		q.Look()
	}
}

// collector puts answers together.
type collector struct {
	out       Outcome
	text, one bytes.Buffer
	failed    bool
	gone      bool // the account is
}

func (c *collector) take(a wire.Answer) error {
	if room := maxOutcome - c.text.Len(); len(a.Text) > room {
		a.Text, c.out.Cut = strings.ToValidUTF8(a.Text[:room], ""), true
	}
	c.text.WriteString(a.Text)
	c.one.WriteString(a.Text)
	if !a.Done {
		return nil
	}
	done := a.Status == wire.OK && a.Collect == nil
	c.out.Lines = append(c.out.Lines, Line{Text: c.one.String(), Why: a.Why, OK: done})
	c.one.Reset()
	c.failed = c.failed || !done
	c.out.Changed = c.out.Changed || a.Changed
	c.gone = c.gone || a.Exit
	c.out.Collect, c.out.Mode = a.Collect, a.Mode
	return nil
}

func (c *collector) outcome() Outcome {
	c.out.Text = c.text.String()
	c.out.OK = !c.failed && len(c.out.Lines) > 0
	return c.out
}

// Download runs a command in the mode of administrators whose answer is a file, and sends that to the browser. What the line says instead of a file is the error.
func (q *Request) Download(line, contentType, name string) error {
	d := &download{q: q, kind: contentType, name: name}
	r := wire.ExecRequest{Mode: []string{wire.Enabled}, Line: line, Data: true, User: q.User, TTY: q.TTY}
	err := q.site.client.Exec(q.ctx, r, d.take)
	switch {
	case d.began && err != nil:
		panic(http.ErrAbortHandler) // so that the browser sees that the file is not whole
	case d.began:
		return nil
	case err != nil:
		return err
	}
	return q.Fail(http.StatusConflict, "frame.refused", d.said.outcome().Text)
}

// download sends a file as it comes.
type download struct {
	q          *Request
	kind, name string
	began      bool
	said       collector
}

func (d *download) take(a wire.Answer) error {
	if len(a.Data) == 0 {
		return d.said.take(a)
	}
	if !d.began {
		d.began = true
		h := d.q.w.Header()
		h.Set("Content-Type", d.kind)
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.name}))
	}
	http.NewResponseController(d.q.w).SetWriteDeadline(time.Now().Add(AnswerTime))
	_, err := d.q.w.Write(a.Data)
	return err
}

// AnswerTime is how long a browser may take to read an answer, or a part of a file.
const AnswerTime = 30 * time.Second

// Toast shows a message on the next page.
func (q *Request) Toast(kind, text string) {
	if q.Tell != nil {
		q.Tell(Toast{Kind: kind, Text: text})
	}
}

// Redirect sends the browser to another page of ours. A script is told where to.
func (q *Request) Redirect(path string) error {
	if q.Scripted() {
		return q.JSON(map[string]string{"to": path})
	}
	http.Redirect(q.w, q.HTTP, path, http.StatusSeeOther)
	return nil
}

// JSON answers a script.
func (q *Request) JSON(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	q.w.Header().Set("Content-Type", "application/json")
	_, err = q.w.Write(text)
	return gone(err)
}

// Raw is for what is no page: a file, a stream. Whoever uses it sets the headers.
func (q *Request) Raw() http.ResponseWriter { return q.w }

// gone makes nothing of an error of the connection: nobody is left to tell.
func gone(error) error { return nil }

// Problem is an error that the user reads.
type Problem struct {
	Status int    // of HTTP
	Text   string // in the user's language, or a sentence of the box
}

func (p *Problem) Error() string { return p.Text }

// Fail is an error in words of the catalogue.
func (q *Request) Fail(status int, key string, args ...any) error {
	return &Problem{Status: status, Text: q.T(key, args...)}
}

// problem makes words of an error.
func (q *Request) problem(err error) *Problem {
	var said *Problem
	var down *client.Down
	var refused *client.Refused
	switch {
	case errors.As(err, &said):
		return said
	case errors.As(err, &down):
		return &Problem{http.StatusServiceUnavailable, q.T("frame.down")}
	case errors.Is(err, client.ErrBroken):
		return &Problem{http.StatusServiceUnavailable, q.T("frame.broken")}
	case errors.As(err, &refused) && refused.Status == http.StatusForbidden:
		q.look(true)
		return &Problem{http.StatusForbidden, q.T("frame.forbidden")}
	case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError:
		return &Problem{refused.Status, refused.Text}
	case errors.As(err, &refused):
		return &Problem{http.StatusServiceUnavailable, refused.Text}
	}
	return nil
}
