package firmware

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/printable"
	"viaduct/appliance/web/page"
)

// transfer is an image on its way: one request of the browser has its lines, another brings the file. So a refusal is heard while the
// file is still coming, which a browser does not hear in the answer to its own upload.
type transfer struct {
	user string
	in   *io.PipeWriter
}

// maxTransfers is how many may be on their way. PID 1 takes one at a time, and refuses the others.
const maxTransfers = 4

// errGone ends a file whose installation has ended.
var errGone = errors.New("the installation has ended")

func (d *desk) add(t *transfer) (id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.on) >= maxTransfers {
		return ""
	}
	id = rand.Text()
	d.on[id] = t
	return id
}

// take gives a transfer out, once.
func (d *desk) take(id, user string) *transfer {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.on[id]
	if t == nil || t.user != user {
		return nil
	}
	delete(d.on, id)
	return t
}

// command is a line with the word for an older image, if it is wanted.
func command(line string, force bool) string {
	if force {
		line += " force"
	}
	return line
}

// install runs the command that reads an image, and sends its lines as they come. The first tells where the image goes.
func (d *desk) install(q *page.Request) error {
	out, in := io.Pipe()
	id := d.add(&transfer{user: q.User, in: in})
	if id == "" {
		return q.Fail(http.StatusServiceUnavailable, "firmware.busy")
	}
	defer func() {
		d.take(id, q.User)
		in.CloseWithError(errGone)
	}()
	s := begin(q)
	if err := s.say(progress{ID: id}); err != nil {
		return nil // nobody is left to tell
	}
	line := command("install-image", q.Form("force") != "")
	return s.end(q.Client().ExecWithFile(q.Context(), wire.ExecRequest{Mode: []string{wire.Enabled}, Line: line, User: q.User, TTY: q.TTY}, out, s.take))
}

// send passes an image on as it comes.
func (d *desk) send(q *page.Request) error {
	t := d.take(q.Path("id"), q.User)
	if t == nil {
		return q.Fail(http.StatusNotFound, "firmware.gone")
	}
	_, err := io.Copy(t.in, q.HTTP.Body)
	t.in.CloseWithError(err) // nil is the end of the file
	if err != nil {
		return q.Fail(http.StatusConflict, "firmware.gone")
	}
	return q.JSON(struct{}{})
}

// fetch has the box fetch an image. A script gets the lines as they come, a form gets them in the end.
func fetch(q *page.Request) error {
	url := strings.TrimSpace(q.Form("url"))
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") || strings.ContainsAny(url, " \"\t\r\n") {
		return q.Fail(http.StatusBadRequest, "firmware.url")
	}
	line := command(fmt.Sprintf("copy %s flash:", url), q.Form("force") != "")
	if !q.Scripted() {
		http.NewResponseController(q.Raw()).SetWriteDeadline(time.Time{}) // an image takes minutes
		out, err := q.Enabled(line, "", false)
		if err != nil {
			return err
		}
		return answer(q, out)
	}
	s := begin(q)
	return s.end(q.Client().Exec(q.Context(), wire.ExecRequest{Mode: []string{wire.Enabled}, Line: line, User: q.User, TTY: q.TTY}, s.take))
}

// upload installs an image from a form, for browsers without scripts.
func upload(q *page.Request) error {
	if q.Parts == nil {
		return q.Fail(http.StatusBadRequest, "firmware.nofile")
	}
	force := false
	for {
		part, err := q.Parts.NextPart()
		if err != nil {
			return q.Fail(http.StatusBadRequest, "firmware.nofile")
		}
		switch part.FormName() {
		case "force":
			force = true
		case "image":
			if part.FileName() == "" {
				return q.Fail(http.StatusBadRequest, "firmware.nofile")
			}
			http.NewResponseController(q.Raw()).SetWriteDeadline(time.Time{})
			out, err := q.Upload([]string{wire.Enabled}, command("install-image", force), unread{part})
			if err != nil {
				return err
			}
			return answer(q, out)
		}
	}
}

// unread is a part whose Close does not read the rest of it.
type unread struct{ *multipart.Part }

func (unread) Close() error { return nil }

// answer shows what the box says to a command.
func answer(q *page.Request, out page.Outcome) error {
	status := http.StatusOK
	if !out.OK {
		status = http.StatusConflict
	}
	return q.RenderStatus(status, q.T("firmware.title"), "answer.html", out)
}

// progress is one line of JSON to a script.
type progress struct {
	ID   string `json:"id,omitempty"`   // where the image goes
	Text string `json:"text,omitempty"` // of the box
	Done bool   `json:"done,omitempty"`
	OK   bool   `json:"ok,omitempty"`
	Why  string `json:"why,omitempty"` // it is not OK
}

// stream sends lines as they come.
type stream struct {
	q    *page.Request
	out  *http.ResponseController
	last progress
}

func begin(q *page.Request) *stream {
	s := &stream{q: q, out: http.NewResponseController(q.Raw())}
	q.Raw().Header().Set("Content-Type", "application/jsonl")
	return s
}

func (s *stream) say(p progress) error {
	s.out.SetWriteDeadline(time.Now().Add(page.AnswerTime))
	if err := json.NewEncoder(s.q.Raw()).Encode(p); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	return s.out.SetWriteDeadline(time.Time{}) // nothing may come for long
}

// take passes an answer on.
func (s *stream) take(a wire.Answer) error {
	if text := strings.TrimRight(printable.Lines(a.Text), "\n"); text != "" {
		if err := s.say(progress{Text: text}); err != nil {
			return err
		}
	}
	if a.Done {
		s.last = progress{OK: a.Status == wire.OK && a.Collect == nil, Why: printable.Line(a.Why)}
	}
	return nil
}

// end tells how it has ended.
func (s *stream) end(err error) error {
	s.last.Done = true
	if err != nil {
		s.last.OK, s.last.Why = false, s.q.T("firmware.broken")
	}
	s.say(s.last) // an error: nobody is left to tell
	return nil
}
