package console

import (
	"context"
	"errors"
	"fmt"
	"io"

	"viaduct/appliance/api/wire"
)

// shell is what a session is whatever its terminal: who it is, where it stands, and how it runs lines. It is used by the
// session's goroutine alone.
type shell struct {
	client *Client
	user   string // "" is the local root
	tty    string

	mode    []string
	prompt  string
	changed bool          // the configuration was changed since the last paste ended
	collect *wire.Collect // the last line wants a block
	exit    bool          // the session is over
	more    bool          // page long output
}

// batch is how much of a paste goes into one request: enough to make the request cheap, little enough to keep within
// wire.MaxRequest when every character is escaped.
const (
	batchLines = 500
	batchBytes = 256 << 10
)

// run runs lines in order, gives their text to print, and calls done after each. It stops behind a line that wants a block
// or ends the session. ran counts the lines that have been answered; with an error, the line after these is the one that
// it belongs to.
func (s *shell) run(ctx context.Context, lines []string, body string, text func(string), done func(i int, a wire.Answer)) (ran int, err error) {
	s.collect = nil
	q := wire.ExecRequest{Mode: s.mode, User: s.user, TTY: s.tty}
	if len(lines) == 1 {
		q.Line, q.Body = lines[0], body
	} else {
		q.Lines = lines
	}
	err = s.client.Exec(ctx, q, s.each(text, func(a wire.Answer) {
		done(ran, a)
		ran++
	}))
	return ran, err
}

// runWithFile runs a line that reads a file.
func (s *shell) runWithFile(ctx context.Context, line string, file io.ReadCloser, text func(string), done func(wire.Answer)) error {
	s.collect = nil
	return s.client.ExecWithFile(ctx, wire.ExecRequest{Mode: s.mode, Line: line, User: s.user, TTY: s.tty}, file, s.each(text, done))
}

// each takes answers as they come.
func (s *shell) each(text func(string), done func(wire.Answer)) func(wire.Answer) error {
	return func(a wire.Answer) error {
		if !a.Done {
			text(a.Text)
			return nil
		}
		s.take(a)
		done(a)
		return nil
	}
}

func (s *shell) take(a wire.Answer) {
	s.mode, s.prompt, s.collect, s.exit = a.Mode, a.Prompt, a.Collect, a.Exit
	s.changed = s.changed || a.Changed
	if a.More != nil {
		s.more = *a.More
	}
}

// refresh asks for the prompt, at the start and after sbcd was down.
func (s *shell) refresh(ctx context.Context) error {
	_, err := s.run(ctx, []string{""}, "", func(string) {}, func(int, wire.Answer) {})
	return err
}

// endPaste prints the problems that a paste has left, when it changed anything. failed: there are errors among them.
func (s *shell) endPaste(ctx context.Context, text func(string)) (failed bool, err error) {
	if !s.changed {
		return false, nil
	}
	s.changed = false
	q := wire.ExecRequest{Mode: s.mode, EndPaste: true, User: s.user, TTY: s.tty}
	err = s.client.Exec(ctx, q, func(a wire.Answer) error {
		if a.Done {
			failed = a.Status == wire.Error
		} else {
			text(a.Text)
		}
		return nil
	})
	return failed, err
}

// explain says what became of a line whose request failed.
func explain(err error) string {
	var down *Down
	switch {
	case errors.As(err, &down):
		return fmt.Sprintf("%% %v: not run", err)
	case errors.Is(err, errBroken):
		return fmt.Sprintf("%% %v: it may or may not have taken effect", err)
	}
	return fmt.Sprintf("%% %v", err)
}
