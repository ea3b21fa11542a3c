package api

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/config"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// NewBackend joins the language and the box that it commands.
func NewBackend(l *lang.Language, box device.Box) Backend {
	return &backend{lang: l, box: box, texts: make(chan struct{}, 1)}
}

// backend owns nothing but which terminals it has met, and whose turn it is.
type backend struct {
	lang  *lang.Language
	box   device.Box
	met   visitors
	texts chan struct{} // holds a token while a text of a configuration is read
}

// visitors are the terminals that have sent something, the last ones.
type visitors struct {
	mu   sync.Mutex
	list []string
}

const maxVisitors = 256

// first reports whether a terminal has not been seen before, or not for long.
func (v *visitors) first(tty string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if slices.Contains(v.list, tty) {
		return false
	}
	v.list = append(v.list[max(0, len(v.list)-maxVisitors+1):], tty)
	return true
}

func (v *visitors) forget(tty string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.list = slices.DeleteFunc(v.list, func(x string) bool { return x == tty })
}

// noteSession puts the first line or the presence of a session into the trail.
func (b *backend) noteSession(s *Session) {
	if s.TTY != "" && b.met.first(s.User+" "+s.TTY) {
		b.box.Note(status.Audit{What: status.AuditSession, Account: s.User, From: s.TTY}, nil)
	}
}

// session adds the account's class, as it is now.
func (b *backend) session(s *Session) (*lang.Session, bool) {
	b.noteSession(s)
	ls := &lang.Session{Mode: s.Mode, User: s.User, Class: config.Superuser, TTY: s.TTY, File: s.File, Into: s.Into, Yes: s.Yes}
	if s.User == "" {
		return ls, true
	}
	a := b.box.Running().Account(s.User)
	if a == nil {
		return ls, false
	}
	ls.Class = a.Class
	return ls, true
}

func (b *backend) Exec(ctx context.Context, s *Session, line string, body []byte, out io.Writer) Result {
	ls, ok := b.session(s)
	if !ok {
		fmt.Fprintf(out, "%% account %q does not exist any more\n", s.User)
		return Result{Mode: s.Mode, Failed: true, Exit: true}
	}
	if strings.TrimSpace(line) == "" {
		return Result{Mode: s.Mode, Prompt: b.lang.Prompt(b.box, ls)}
	}
	return resultOf(b.lang.Exec(ctx, b.box, ls, line, body, out))
}

func resultOf(r lang.Result, err error) Result {
	res := Result{Mode: r.Mode, Prompt: r.Prompt, Failed: err != nil, Exit: r.Exit, Changed: r.Changed, LeftOut: r.LeftOut, Unused: r.Unused, Notes: r.Notes, More: r.More, Length: r.Length, Width: r.Width}
	if err != nil {
		res.Why = err.Error()
	}
	if r.Collect != nil {
		res.Collect = &wire.Collect{Prompt: r.Collect.Prompt, Kind: r.Collect.Kind}
	}
	return res
}

func (b *backend) ExecBatch(ctx context.Context, s *Session, lines []string, done func(text []byte, r Result)) (ran int) {
	ls, ok := b.session(s)
	if !ok {
		return 0
	}
	list, err := b.lang.ExecBatch(ctx, b.box, ls, lines)
	if err != nil {
		return 0 // nothing has changed; each line says what is wrong
	}
	for _, r := range list {
		done(r.Text, resultOf(r.Result, r.Err))
	}
	return len(list)
}

// Lost has each line refused, for the mode that it leaves behind: the character that stands for one that was lost is in every one.
func (b *backend) Lost(ctx context.Context, s *Session, lines []string) []string {
	ls, ok := b.session(s)
	if !ok {
		return s.Mode
	}
	for _, line := range lines {
		r, _ := b.lang.Exec(ctx, b.box, ls, line+string(utf8.RuneError), nil, io.Discard)
		ls.Mode = r.Mode
	}
	return ls.Mode
}

func (b *backend) BeginPaste(_ context.Context, s *Session) Result {
	ls, ok := b.session(s)
	if !ok {
		return Result{Mode: s.Mode, Failed: true, Exit: true}
	}
	return Result{Mode: s.Mode, Prompt: b.lang.Prompt(b.box, ls), Known: b.lang.Known(b.box)}
}

func (b *backend) EndPaste(_ context.Context, s *Session, p Paste, out io.Writer) Result {
	ls, ok := b.session(s)
	if !ok {
		return Result{Mode: s.Mode, Failed: true, Exit: true}
	}
	res := resultOf(b.lang.SayLeftOut(b.box, ls, out), nil)
	res.Failed = b.lang.EndPaste(b.box, lang.Paste{Known: p.Known, Refused: p.Refused, Notes: p.Notes, Rows: p.Rows}, out)
	return res
}

func (b *backend) Help(_ context.Context, s *Session, line string, cursor int) wire.HelpReply {
	ls, ok := b.session(s)
	if !ok {
		return wire.HelpReply{}
	}
	return helpReply(b.lang.Help(b.box, ls, line, cursor))
}

// helpReply is help on the wire.
func helpReply(h lang.Help) wire.HelpReply {
	r := wire.HelpReply{Insert: h.Insert, Literal: h.Text, Choices: make([]wire.Choice, len(h.Choices))}
	for i, c := range h.Choices {
		r.Choices[i] = wire.Choice{Word: c.Word, Help: c.Help, Section: c.Section}
	}
	return r
}

// Events gives the log to followers of everything. Sessions get what they debug.
func (b *backend) Events(ctx context.Context, s *Session, each func(wire.Event) error) error {
	if s.TTY != "" {
		ls, ok := b.session(s)
		if !ok {
			return fmt.Errorf("account %q does not exist", s.User)
		}
		defer func() {
			b.met.forget(s.User + " " + s.TTY)
			b.box.Note(status.Audit{What: status.AuditSessionEnds, Account: s.User, From: s.TTY}, nil)
		}()
		info := status.Session{User: s.User, TTY: s.TTY, Class: string(ls.Class), Since: s.Since}
		if info.Since.IsZero() {
			info.Since = time.Now()
		}
		return b.box.Attend(ctx, info, func(text string) error {
			return each(wire.Event{Time: time.Now(), Kind: "debug", Text: text})
		})
	}
	return b.box.FollowLog(ctx, func(line string) error {
		return each(wire.Event{Time: time.Now(), Kind: "log", Text: line})
	})
}
