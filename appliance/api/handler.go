package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/printable"
	"viaduct/appliance/webserver"
)

// requestTime is how long a peer may take to send a request.
const requestTime = time.Minute

// handler turns requests into calls of the Backend.
type handler struct {
	backend Backend
	log     *slog.Logger
	closing context.Context // ends when the server does
	texts   chan struct{}   // one token a text that comes
}

func (h handler) exec(w http.ResponseWriter, r *http.Request) {
	var q wire.ExecRequest
	if !h.read(w, r, &q) {
		return
	}
	h.stream(r.Context(), w, func(ctx context.Context, out *spool) { h.run(ctx, &q, out) })
}

// execWithFile runs a line that reads a file, as that comes in: it may be larger than our memory.
func (h handler) execWithFile(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	connection := http.NewResponseController(w)
	if err := connection.EnableFullDuplex(); err != nil { // answers go out while the file comes in
		fail(w, http.StatusInternalServerError, err)
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	f := &file{Reader: r.Body, connection: connection, gone: context.AfterFunc(r.Context(), cancel)}
	defer f.gone()
	s := &Session{Mode: q["mode"], User: q.Get("user"), TTY: q.Get("tty"), File: f}
	h.stream(ctx, w, func(ctx context.Context, out *spool) { out.done(h.one(ctx, s, q.Get("line"), nil, out)) })
}

// file is the body of a request.
type file struct {
	io.Reader
	connection *http.ResponseController
	gone       func() bool
}

// Close ends a Read that waits, which the body's own Close would wait for. net/http takes the Read's error for the end of the
// peer, and ends the context of the request with it: the answer, which says why the file is not wanted, must not end with that.
func (f *file) Close() error {
	f.gone()
	return f.connection.SetReadDeadline(time.Unix(1, 0))
}

// stream answers with what run writes.
func (h handler) stream(ctx context.Context, w http.ResponseWriter, run func(context.Context, *spool)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := newSpool(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer out.close()
		run(ctx, out)
	}()
	w.Header().Set("Content-Type", "application/jsonl")
	if err := out.send(w); err != nil {
		h.log.Debug("api answer not delivered", "err", err)
	}
	cancel()
	<-ended
}

// run runs the lines of one request in order.
func (h handler) run(ctx context.Context, q *wire.ExecRequest, out *spool) {
	s := &Session{Mode: q.Mode, User: q.User, TTY: q.TTY}
	if q.Data {
		s.Into = fileOut{out}
	}
	if len(q.Lost) > 0 {
		s.Mode = h.backend.Lost(ctx, s, q.Lost)
	}
	switch {
	case q.BeginPaste:
		out.done(h.backend.BeginPaste(ctx, s))
		return
	case q.EndPaste:
		out.done(h.backend.EndPaste(ctx, s, Paste{Known: q.Known, Refused: q.Refused, Notes: q.Notes, Rows: q.Rows}, out))
		return
	}
	lines, body := q.Lines, []byte(nil)
	if len(lines) == 0 {
		s.Yes = q.Yes
		lines, body = []string{q.Line}, []byte(q.Body)
		if q.Body == "" {
			body = nil
		}
	}
	for len(lines) > 0 && ctx.Err() == nil {
		if len(lines) > 1 {
			ran := h.backend.ExecBatch(ctx, s, lines, func(text []byte, res Result) {
				s.Mode = res.Mode
				out.Write(text) // an error is the end of ctx
				out.done(res)
			})
			if lines = lines[ran:]; ran > 0 {
				continue
			}
		}
		res := h.one(ctx, s, lines[0], body, out)
		lines, s.Mode = lines[1:], res.Mode
		out.done(res)
		if res.Collect != nil || res.Exit {
			return
		}
	}
}

// one runs one line. A line that breaks a command must not end the process and with it every call.
func (h handler) one(ctx context.Context, s *Session, line string, body []byte, out *spool) (res Result) {
	mode := s.Mode
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("command panicked", "err", fmt.Sprint(p))
			fmt.Fprintf(out, "%% internal error: %v\n", p)
			res = Result{Mode: mode, Failed: true}
		}
	}()
	if len(line) > wire.MaxLine {
		fmt.Fprintf(out, "%% the line has %d bytes, the limit is %d: not run\n", len(line), wire.MaxLine)
		res = h.backend.Exec(ctx, s, "", nil, out)
		res.Failed = true
		return res
	}
	return h.backend.Exec(ctx, s, line, body, out)
}

func (h handler) help(w http.ResponseWriter, r *http.Request) {
	var q wire.HelpRequest
	if !h.read(w, r, &q) {
		return
	}
	if q.Cursor < 0 || q.Cursor > len(q.Line) {
		fail(w, http.StatusBadRequest, fmt.Errorf("cursor %d is outside the line of %d bytes", q.Cursor, len(q.Line)))
		return
	}
	s := &Session{Mode: q.Mode, User: q.User, TTY: q.TTY}
	reply(w, h.backend.Help(r.Context(), s, q.Line, q.Cursor))
}

func (h handler) login(w http.ResponseWriter, r *http.Request) {
	var q wire.LoginRequest
	if !h.read(w, r, &q) {
		return
	}
	reply(w, h.backend.Login(r.Context(), q))
}

func (h handler) events(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.closing, cancel)()
	w.Header().Set("Content-Type", "application/jsonl")
	flush := http.NewResponseController(w)
	if err := flush.Flush(); err != nil { // the headers, so that the follower knows that it is listening
		return
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	q := r.URL.Query()
	s := &Session{User: q.Get("user"), TTY: q.Get("tty")}
	if v := r.Header.Get(wire.VersionHeader); v != "" && v != strconv.Itoa(wire.Version) {
		h.log.Warn("the console speaks another version of the protocol", "version", v, "ours", wire.Version)
	}
	if t, err := time.Parse(time.RFC3339, q.Get("since")); err == nil {
		s.Since = t
	}
	err := h.backend.Events(ctx, s, func(e wire.Event) error {
		if err := enc.Encode(e); err != nil {
			return err
		}
		return flush.Flush()
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		h.log.Debug("api follower ended", "err", err)
	}
}

func (h handler) health(w http.ResponseWriter, _ *http.Request) { reply(w, h.backend.Health()) }

func (h handler) settings(w http.ResponseWriter, _ *http.Request) { reply(w, h.backend.Settings()) }

func (h handler) sign(w http.ResponseWriter, r *http.Request) {
	var q wire.SignRequest
	if !h.read(w, r, &q) {
		return
	}
	s, err := h.backend.Sign(q)
	switch {
	case errors.Is(err, webserver.ErrOtherCertificate):
		fail(w, http.StatusConflict, err)
	case errors.Is(err, webserver.ErrTooMany):
		fail(w, http.StatusTooManyRequests, err)
	case err != nil:
		fail(w, http.StatusForbidden, err)
	default:
		reply(w, s)
	}
}

func (h handler) token(w http.ResponseWriter, r *http.Request) {
	var q wire.TokenRequest
	if !h.read(w, r, &q) {
		return
	}
	reply(w, h.backend.Token(r.Context(), q))
}

func (h handler) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	if err := h.backend.Metrics(w); err != nil {
		h.log.Debug("metrics not delivered", "err", err)
	}
}

// read decodes a request of bounded size; false when it has already answered.
func (h handler) read(w http.ResponseWriter, r *http.Request, into any) bool {
	// Not http.Server's ReadTimeout: that goes on counting while the command runs, and would end it.
	slow := http.NewResponseController(w)
	slow.SetReadDeadline(time.Now().Add(requestTime))
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, wire.MaxRequest)).Decode(into)
	slow.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &large):
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("request is larger than %d bytes", large.Limit))
	default:
		fail(w, http.StatusBadRequest, fmt.Errorf("request is not JSON as expected: %w", err))
	}
	return false
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	encode(w, v)
}

func encode(w http.ResponseWriter, v any) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // an error is a closed connection: nobody is left to tell
}

func fail(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	text, _ := json.Marshal(wire.Failure{Error: err.Error()}) // a string is always written
	w.Write(append(printable.JSON(text), '\n'))               // scripts show it: an error may quote a peer
}
