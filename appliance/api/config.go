package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/config"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/answer"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// The configuration as a text: GET and PUT /v1/config, and what belongs to them.

// longestKeep is how long a change may wait for its confirmation.
const longestKeep = 24 * time.Hour

// configSession is the session of somebody who reads or, as an administrator, changes the configuration.
func (b *backend) configSession(s *Session, change bool) (*lang.Session, error) {
	ls, ok := b.session(s)
	switch {
	case !ok:
		return nil, &forbidden{fmt.Sprintf("account %q does not exist any more", s.User)}
	case change && !ls.May(config.Administrator):
		return nil, &forbidden{fmt.Sprintf("only an administrator can change the configuration, and %s is an operator", s.User)}
	}
	return ls, nil
}

// How much of the box's time texts may take, which is not there for calls.
const (
	mostTexts = 8 // that wait or are read: each may have some megabytes
	textTime  = 10 * time.Second
)

// turn waits until no other text is read, and returns what lets the next one in, and a context that ends with the time for this one. A text of 20,000
// lines takes a processor for a second or two, and a password in clear as long as a thousand lines: however many editors are open, calls have the
// other processors.
func (b *backend) turn(ctx context.Context) (within context.Context, over func(), err error) {
	select {
	case b.texts <- struct{}{}:
		within, cancel := context.WithTimeout(ctx, textTime)
		return within, func() { cancel(); <-b.texts }, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// Config returns a configuration as text, and the tag of the running one.
func (b *backend) Config(_ context.Context, s *Session, of string) (text []byte, tag string, err error) {
	ls, err := b.configSession(s, false)
	if err != nil {
		return nil, "", err
	}
	if of == "" || of == command.RunningConfig {
		tag = b.lang.Tag(b.box.Running())
	}
	text, err = b.lang.Text(b.box, ls, of)
	return text, tag, err
}

// PutConfig makes a text the running configuration, or says what that would do.
func (b *backend) PutConfig(ctx context.Context, s *Session, p lang.Proposal, dry bool) (wire.ConfigReply, error) {
	ls, err := b.configSession(s, true)
	if err != nil {
		return wire.ConfigReply{}, err
	}
	ctx, over, err := b.turn(ctx)
	if err != nil {
		return wire.ConfigReply{}, err
	}
	defer over()
	var v lang.Verdict
	if dry {
		v, err = b.lang.Judge(ctx, b.box, p)
	} else {
		v, err = b.lang.Adopt(ctx, b.box, ls, p)
	}
	r := replyOf(v)
	r.Applied = err == nil && !dry
	r.ETag = b.lang.Tag(b.box.Running())
	last := b.box.LastChange()
	r.Changed = wire.ConfigEvent{Account: last.By.Account, From: last.By.From, Time: last.Time}
	return r, err
}

// SavedConfigs lists the startup-configs.
func (b *backend) SavedConfigs(_ context.Context, s *Session) ([]status.SavedConfig, error) {
	if _, err := b.configSession(s, false); err != nil {
		return nil, err
	}
	return b.box.SavedConfigs()
}

// Compare returns the difference of two configurations. Secrets are hidden, so that operators may ask as well; but not with a text of their own,
// which would tell whether a secret in it is the right one.
func (b *backend) Compare(ctx context.Context, s *Session, from, to wire.ConfigRef) (wire.CompareReply, error) {
	if _, err := b.configSession(s, from.Of == "" || to.Of == ""); err != nil {
		return wire.CompareReply{}, err
	}
	ctx, over, err := b.turn(ctx)
	if err != nil {
		return wire.CompareReply{}, err
	}
	defer over()
	read := func(r wire.ConfigRef) (*config.Config, error) {
		text := []byte(r.Text)
		switch r.Of {
		case "":
		case command.RunningConfig:
			return b.box.Running(), nil
		default:
			var err error
			if text, err = b.lang.Text(b.box, &lang.Session{Class: config.Superuser}, r.Of); err != nil {
				return nil, err
			}
		}
		return b.lang.Read(ctx, text)
	}
	before, err := read(from)
	if err != nil {
		return wire.CompareReply{}, err
	}
	after, err := read(to)
	if err != nil {
		return wire.CompareReply{}, err
	}
	list, come := changesOf(b.lang.Changes(before, after))
	return wire.CompareReply{Changes: list[:min(len(list), wire.MaxChanges)], Come: come, Gone: len(list) - come}, nil
}

// ConfigHelp lists what can stand in a line of a text.
func (b *backend) ConfigHelp(ctx context.Context, s *Session, q wire.ConfigHelpRequest) (wire.HelpReply, error) {
	ls, err := b.configSession(s, true)
	if err != nil {
		return wire.HelpReply{}, err
	}
	ctx, over, err := b.turn(ctx)
	if err != nil {
		return wire.HelpReply{}, err
	}
	defer over()
	return helpReply(b.lang.HelpInText(ctx, b.box, ls, q.Text, q.Row, q.Line, q.Cursor)), nil
}

func changesOf(all []answer.Change) (list []wire.ConfigChange, come int) {
	list = []wire.ConfigChange{}
	for _, x := range all {
		if x.Come {
			come++
		}
		list = append(list, wire.ConfigChange{Block: x.Block, Text: x.Text, Come: x.Come})
	}
	return list, come
}

// replyOf is a verdict on the wire.
func replyOf(v lang.Verdict) wire.ConfigReply {
	r := wire.ConfigReply{Reordered: v.Reordered, LocksOut: v.LocksOut, Problems: []wire.ConfigProblem{}, Counts: wire.ConfigCounts{Taken: v.Taken, Refused: v.Refused}}
	r.Changes, r.Counts.Come = changesOf(v.Changes)
	r.Counts.Gone = len(r.Changes) - r.Counts.Come
	r.Changes = r.Changes[:min(len(r.Changes), wire.MaxChanges)]
	for _, p := range v.Problems {
		n := 1 + len(p.Also)
		switch p.Severity {
		case check.Error:
			r.Counts.Errors += n
		case check.Warning:
			r.Counts.Warnings += n
		case check.Note:
			r.Counts.Notes += n
		}
		if p.NoEffect {
			r.Counts.NoEffect += n
		}
		if len(r.Problems) < wire.MaxProblems {
			r.Problems = append(r.Problems, problemOf(p))
		}
	}
	return r
}

// problemOf is a problem on the wire, with the place of its fix in the text.
func problemOf(p check.Problem) wire.ConfigProblem {
	w := wire.ConfigProblem{Line: p.Line, Severity: p.Severity.String(), Text: printable.Line(p.Text), Source: printable.Line(p.Source), Lost: p.NoEffect || p.Refused}
	for _, x := range p.Also[:min(len(p.Also), check.AlsoShown)] {
		w.Also = append(w.Also, x.Line)
	}
	blocks := p.Fixes()
	if len(blocks) == 0 {
		return w
	}
	w.Place = wire.AtEnd
	path := p.Path
	if p.FixPath != nil {
		path = p.FixPath
	}
	one := len(blocks) == 1 && p.Line > 0 && len(p.Also) == 0 && len(blocks[0]) >= len(path)
	switch lines := blocks[0]; {
	case one && slices.Equal(path, p.Path) && len(lines) == len(path)+1 && oneWordDiffers(p.Source, lines[len(path)]):
		w.Place, w.Fix = wire.Instead, lines[len(path):]
		return w
	case one && (slices.Equal(path, p.Path) || slices.Equal(path, append(slices.Clone(p.Path), p.Source))):
		w.Place, w.Fix = wire.Below, lines[len(path):]
		return w
	}
	for _, b := range blocks {
		w.Fix = append(w.Fix, b...)
	}
	return w
}

// oneWordDiffers reports whether a line is another one with one word replaced, and not the first.
func oneWordDiffers(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	if len(x) != len(y) || len(x) == 0 || x[0] != y[0] {
		return false
	}
	n := 0
	for i := range x {
		if x[i] != y[i] {
			n++
		}
	}
	return n == 1
}

// comes lets a text in, before it is read; false: there are too many, which it has answered. Whoever came calls gone.
func (h handler) comes(w http.ResponseWriter) bool {
	select {
	case h.texts <- struct{}{}:
		return true
	default:
		fail(w, http.StatusServiceUnavailable, errors.New("too many texts are read at the moment: try again"))
		return false
	}
}

func (h handler) gone() { <-h.texts }

// config answers GET /v1/config.
func (h handler) config(w http.ResponseWriter, r *http.Request) {
	s, ok := h.asker(w, r)
	if !ok {
		return
	}
	text, tag, err := h.backend.Config(r.Context(), s, r.URL.Query().Get("of"))
	if err != nil {
		failConfig(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if tag != "" {
		w.Header().Set("ETag", strconv.Quote(tag))
	}
	w.Write(text) // an error is a closed connection
}

// putConfig answers PUT /v1/config.
func (h handler) putConfig(w http.ResponseWriter, r *http.Request) {
	s, ok := h.asker(w, r)
	if !ok {
		return
	}
	q := r.URL.Query()
	dry := q.Has("dry-run")
	p := lang.Proposal{Merge: q.Has("merge"), LeaveOut: q.Has("leave-out")}
	if keep := q.Get("keep"); keep != "" {
		n, err := strconv.Atoi(keep)
		if p.Keep = time.Duration(n) * time.Second; err != nil || p.Keep <= 0 || p.Keep > longestKeep {
			fail(w, http.StatusBadRequest, fmt.Errorf("keep is a number of seconds from 1 to %d", int(longestKeep/time.Second)))
			return
		}
	}
	match := r.Header.Get("If-Match")
	switch tag, err := strconv.Unquote(match); {
	case match == "" && !dry:
		fail(w, http.StatusPreconditionRequired, errors.New("send If-Match with the ETag of the configuration that was changed, or *"))
		return
	case match == "" || match == "*":
	case err != nil || tag == "":
		fail(w, http.StatusBadRequest, errors.New("If-Match is not one ETag"))
		return
	default:
		p.Match = tag
	}
	if !h.comes(w) {
		return
	}
	defer h.gone()
	slow := http.NewResponseController(w)
	slow.SetReadDeadline(time.Now().Add(requestTime))
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxConfig))
	slow.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("a configuration has %d bytes at most", large.Limit))
		return
	case err != nil:
		fail(w, http.StatusBadRequest, fmt.Errorf("the configuration has not come whole: %w", err))
		return
	}
	p.Text = text
	v, err := h.backend.PutConfig(r.Context(), s, p, dry)
	code := codeOf(err)
	var no *forbidden
	if errors.As(err, &no) || code == http.StatusServiceUnavailable {
		failConfig(w, err)
		return
	}
	if err != nil {
		v.Error = printable.Line(err.Error())
	}
	w.Header().Set("ETag", strconv.Quote(v.ETag))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	encode(w, v)
}

// codeOf is the status of HTTP for an error about the configuration.
func codeOf(err error) int {
	var no *forbidden
	var accounts *command.AccountsError
	var pending *command.PendingError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &no), errors.As(err, &accounts):
		return http.StatusForbidden
	case errors.As(err, &pending):
		return http.StatusConflict
	case errors.Is(err, lang.ErrStale):
		return http.StatusPreconditionFailed
	case errors.Is(err, lang.ErrRefused):
		return http.StatusUnprocessableEntity
	case errors.Is(err, fs.ErrNotExist):
		return http.StatusNotFound
	}
	return http.StatusServiceUnavailable
}

func failConfig(w http.ResponseWriter, err error) { fail(w, codeOf(err), err) }

// configHistory answers GET /v1/config/history.
func (h handler) configHistory(w http.ResponseWriter, r *http.Request) {
	s, ok := h.asker(w, r)
	if !ok {
		return
	}
	list, err := h.backend.SavedConfigs(r.Context(), s)
	if err != nil {
		failConfig(w, err)
		return
	}
	reply(w, list)
}

// compareConfigs answers POST /v1/config/compare.
func (h handler) compareConfigs(w http.ResponseWriter, r *http.Request) {
	var q wire.CompareRequest
	if !h.comes(w) {
		return
	}
	defer h.gone()
	if !h.read(w, r, &q) {
		return
	}
	v, err := h.backend.Compare(r.Context(), &Session{User: q.User, TTY: q.TTY}, q.From, q.To)
	if err != nil {
		failConfig(w, err)
		return
	}
	reply(w, v)
}

// configHelp answers POST /v1/config/help.
func (h handler) configHelp(w http.ResponseWriter, r *http.Request) {
	var q wire.ConfigHelpRequest
	if !h.comes(w) {
		return
	}
	defer h.gone()
	if !h.read(w, r, &q) {
		return
	}
	if q.Cursor < 0 || q.Cursor > len(q.Line) || q.Row < 0 {
		fail(w, http.StatusBadRequest, fmt.Errorf("row %d and cursor %d are not in the text", q.Row, q.Cursor))
		return
	}
	v, err := h.backend.ConfigHelp(r.Context(), &Session{User: q.User, TTY: q.TTY}, q)
	if err != nil {
		failConfig(w, err)
		return
	}
	reply(w, v)
}
