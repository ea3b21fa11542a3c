package edit

import (
	"cmp"
	"io"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"viaduct/appliance/printable"

	"golang.org/x/term"
)

// Screen is a user's terminal: keys come in through its keyboard, x/term edits the line. One screen may see several logins in turn.
// Resize may be called from any goroutine, all other methods belong to the session.
type Screen struct {
	Keys   *Keyboard
	w      io.Writer
	term   *term.Terminal
	width  atomic.Int32
	height atomic.Int32
	fixed  atomic.Bool // the user has set the size: a serial line does not know it
}

// NewScreen makes a screen that writes to w; the caller runs Keys.Pump.
func NewScreen(w io.Writer) *Screen {
	s := &Screen{Keys: newKeyboard(), w: w}
	s.width.Store(80)
	s.height.Store(24)
	s.Fresh()
	return s
}

// Fresh forgets an unfinished line, for the next login.
func (s *Screen) Fresh() {
	s.term = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{s.Keys, s.w}, "")
	s.term.History = noHistory{}
	if s.fixed.Swap(false) {
		s.Resize(0, 0)
	}
	s.term.SetSize(int(s.width.Load()), int(s.height.Load()))
	s.Keys.Idle = 0
	s.Keys.lineEnd()
}

// Fix makes the screen as large as its user says; 0 leaves a measure as it is.
func (s *Screen) Fix(width, height int) {
	s.fixed.Store(false)
	s.Resize(cmp.Or(width, int(s.width.Load())), cmp.Or(height, int(s.height.Load())))
	s.fixed.Store(true)
}

// Resize makes the screen as large as its terminal says that it is.
func (s *Screen) Resize(width, height int) {
	if s.fixed.Load() {
		return
	}
	if width < 1 || width > 1000 || height < 1 || height > 1000 { // a serial line, or a pty without a size
		width, height = 80, 24
	}
	s.width.Store(int32(width))
	s.height.Store(int32(height))
	s.term.SetSize(width, height)
}

// Read reads one line with the editor.
func (s *Screen) Read(prompt string) (string, Line, error) {
	s.term.SetPrompt(prompt)
	line, err := s.term.ReadLine()
	if err == term.ErrPasteIndicator {
		err = nil
	}
	return line, s.Keys.lineEnd(), err
}

// Password reads one line that is not shown.
func (s *Screen) Password(prompt string) (string, Line, error) {
	s.Keys.secret = true
	defer func() { s.Keys.secret = false }()
	line, err := s.term.ReadPassword(prompt)
	if err == term.ErrPasteIndicator {
		err = nil
	}
	return line, s.Keys.lineEnd(), err
}

// Print writes text at the left edge, or above the line that is being edited.
func (s *Screen) Print(text string) { s.term.Write([]byte(printable.Lines(text))) }

// Println writes a line.
func (s *Screen) Println(line string) { s.Print(strings.TrimRight(line, "\n") + "\n") }

// noHistory keeps x/term from recording: blocks, passwords and answers are lines to it as well.
type noHistory struct{}

func (noHistory) Add(string)    {}
func (noHistory) Len() int      { return 0 }
func (noHistory) At(int) string { return "" }

// Help answers a `?` or a Tab at a byte position of a line. It returns the new line and position; ok false: the key goes into the line.
type Help func(line string, pos int, key rune) (newLine string, newPos int, ok bool)

// Assist gives the lines that are read from now on a history and an answer to `?` and Tab.
func (s *Screen) Assist(history *History, help Help) {
	s.term.History = history
	s.term.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		switch key {
		case keyD:
			return s.ctrlD(line, pos)
		case '?', '\t':
			return help(line, pos, key)
		}
		return "", 0, false
	}
}

// Plain reads lines without a history and without help, until restore is called: they are text, or the answer to a question.
func (s *Screen) Plain() (restore func()) {
	history, help := s.term.History, s.term.AutoCompleteCallback
	s.term.History = noHistory{}
	s.term.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key == keyD {
			return s.ctrlD(line, pos)
		}
		return "", 0, false
	}
	return func() { s.term.History, s.term.AutoCompleteCallback = history, help }
}

// Alone takes away history and help.
func (s *Screen) Alone() {
	s.term.History, s.term.AutoCompleteCallback = noHistory{}, nil
}

// ctrlD ends a line that is empty, and deletes a character of any other.
func (s *Screen) ctrlD(line string, pos int) (string, int, bool) {
	switch {
	case line == "":
		s.Keys.enter(AtEnd)
	case pos < len(line):
		line = erase(line, pos)
	}
	return line, pos, true
}

// Width is the number of columns.
func (s *Screen) Width() int { return int(s.width.Load()) }

// Height is the number of rows.
func (s *Screen) Height() int { return int(s.height.Load()) }

// erase deletes the character at a byte position.
func erase(line string, pos int) string {
	_, n := utf8.DecodeRuneInString(line[pos:])
	return line[:pos] + line[pos+n:]
}
