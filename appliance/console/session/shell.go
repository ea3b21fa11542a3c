package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/client"
)

// Who is the user of a session.
type Who struct {
	Client *client.Client
	User   string // "" is the local root
	TTY    string // as `who` shows it
}

// shell is a session without its terminal: the user, the mode, and the way to run lines. The session's goroutine alone uses it.
type shell struct {
	who Who

	mode    []string
	prompt  string
	tally   tally         // of the paste that goes on
	collect *wire.Collect // the last line wants a block
	exit    bool          // the session is over
	unused  bool          // the secret behind the last line was none
	leftOut bool          // the last line is in a block that is not understood
	lost    []string      // lines that were no text, since the last request
	more    bool          // page long output
	rows    int           // that the terminal was said to have; 0: nothing was said
	columns int
	file    func([]byte) error // takes a file that a line writes; nil: there is a terminal
	live    func()             // called before news, which must not be paged; may be nil
	yes     bool               // answers the question of the next line
	foreign string             // client.Client.Mismatch, as it was printed last
}

// batch is how much of a paste goes into one request: enough to make the request cheap, little enough to keep within
// wire.MaxRequest when every character is escaped.
const (
	batchLines = 500
	batchBytes = 256 << 10
)

// send runs lines in order, gives their text to print, and calls done after each. It stops behind a line that wants a block
// or ends the session. ran counts the lines that have been answered; with an error, the line after these is the one that
// it belongs to.
func (s *shell) send(ctx context.Context, lines []string, body string, text func(string), done func(i int, a wire.Answer)) (ran int, err error) {
	s.collect = nil
	defer func() { s.yes = false }()
	q := wire.ExecRequest{Mode: s.mode, Lost: s.takeLost(), Data: s.file != nil, User: s.who.User, TTY: s.who.TTY}
	if len(lines) == 1 {
		q.Line, q.Body, q.Yes = lines[0], body, s.yes
	} else {
		q.Lines = lines
	}
	err = s.who.Client.Exec(ctx, q, s.each(text, func(a wire.Answer) {
		done(ran, a)
		ran++
	}))
	if now := s.who.Client.Mismatch(); now != s.foreign {
		if s.foreign = now; now != "" {
			text("% " + now + "\n")
		}
	}
	return ran, err
}

// lose notes a line that is no text and is not run: sbcd is told of it with the next one, for it may have been the header of the lines
// that follow. What is to be said of it has been said.
func (s *shell) lose(line string) {
	const most, longest = 100, 200
	if len(s.lost) < most {
		s.lost = append(s.lost, line[:min(len(line), longest)])
	}
}

// takeLost gives the lines that were lost since the last request.
func (s *shell) takeLost() []string {
	lost := s.lost
	s.lost = nil
	return lost
}

// runWithFile runs a line that reads a file.
func (s *shell) runWithFile(ctx context.Context, line string, file io.ReadCloser, text func(string), done func(wire.Answer)) error {
	s.collect = nil
	return s.who.Client.ExecWithFile(ctx, wire.ExecRequest{Mode: s.mode, Line: line, User: s.who.User, TTY: s.who.TTY}, file, s.each(text, done))
}

// each takes answers as they come.
func (s *shell) each(text func(string), done func(wire.Answer)) func(wire.Answer) error {
	return func(a wire.Answer) error {
		if a.Live && s.live != nil {
			s.live()
		}
		if len(a.Data) > 0 && s.file != nil {
			return s.file(a.Data)
		}
		if !a.Done {
			text(a.Text)
			return nil
		}
		s.moveOn(a)
		done(a)
		return nil
	}
}

// moveOn takes over mode and prompt of an answer.
func (s *shell) moveOn(a wire.Answer) {
	s.mode, s.prompt, s.collect, s.exit, s.leftOut, s.unused = a.Mode, a.Prompt, a.Collect, a.Exit, a.LeftOut, a.Unused
	switch {
	case a.More != nil:
		s.more = *a.More
	case a.Length != nil:
		s.more, s.rows = *a.Length > 0, *a.Length
	case a.Width != nil:
		s.columns = *a.Width
	}
}

// refresh asks for the prompt, at the start and after sbcd was down.
func (s *shell) refresh(ctx context.Context, text func(string)) error {
	_, err := s.send(ctx, []string{""}, "", text, func(int, wire.Answer) {})
	return err
}

// beginPaste notes which problems there are before a paste. Where sbcd does not say, all that it finds at the end are new.
func (s *shell) beginPaste(ctx context.Context) {
	s.tally = tally{}
	q := wire.ExecRequest{Mode: s.mode, BeginPaste: true, User: s.who.User, TTY: s.who.TTY}
	s.who.Client.Exec(ctx, q, func(a wire.Answer) error {
		s.tally.known = a.Known
		return nil
	})
}

// endPaste prints what a paste has brought: the lines that were refused, the problems that are new, and a line that counts all, within
// rows (0: any number). A paste that changed nothing, and of which nothing was refused or left out, is none. failed: there are errors.
func (s *shell) endPaste(ctx context.Context, rows int, text func(string)) (failed bool, err error) {
	t := s.tally
	s.tally = tally{}
	if !t.changed && !t.leftOut && t.refused == 0 {
		return false, nil
	}
	refused := t.refusals()
	if refused != "" {
		text(refused)
	}
	if rows > 0 {
		rows = max(4, rows-strings.Count(refused, "\n"))
	}
	q := wire.ExecRequest{Mode: s.mode, Lost: s.takeLost(), EndPaste: true, Known: t.known, Refused: t.refused, Notes: t.notes, Rows: rows, User: s.who.User, TTY: s.who.TTY}
	err = s.who.Client.Exec(ctx, q, func(a wire.Answer) error {
		if a.Done {
			s.moveOn(a)
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
	var down *client.Down
	switch {
	case errors.As(err, &down):
		return fmt.Sprintf("%% %v: not run", err)
	case errors.Is(err, client.ErrBroken):
		return fmt.Sprintf("%% %v: it may or may not have taken effect", err)
	}
	return fmt.Sprintf("%% %v", err)
}
