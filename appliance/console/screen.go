package console

import (
	"cmp"
	"io"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"viaduct/appliance/printable"

	"golang.org/x/term"
)

// screen is a terminal with somebody at it: keys come in through its keyboard, x/term edits the line. Several logins may
// follow each other on one screen. Resize may be called from any goroutine, all else is the session's.
type screen struct {
	keys   *keyboard
	w      io.Writer
	term   *term.Terminal
	width  atomic.Int32
	height atomic.Int32
	fixed  atomic.Bool // somebody has said how large it is: a serial line does not know
}

// newScreen makes a screen that writes to w; the caller runs keys.pump.
func newScreen(w io.Writer) *screen {
	s := &screen{keys: newKeyboard(), w: w}
	s.width.Store(80)
	s.height.Store(24)
	s.fresh()
	return s
}

// fresh forgets a line that was begun, for the next one who logs in.
func (s *screen) fresh() {
	s.term = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{s.keys, s.w}, "")
	s.term.History = noHistory{}
	if s.fixed.Swap(false) {
		s.resize(0, 0)
	}
	s.term.SetSize(int(s.width.Load()), int(s.height.Load()))
	s.keys.idle = 0
	s.keys.lineEnd()
}

// fix makes the screen as large as its user says; 0 leaves a measure as it is.
func (s *screen) fix(width, height int) {
	s.fixed.Store(false)
	s.resize(cmp.Or(width, int(s.width.Load())), cmp.Or(height, int(s.height.Load())))
	s.fixed.Store(true)
}

// resize makes the screen as large as its terminal says that it is.
func (s *screen) resize(width, height int) {
	if s.fixed.Load() {
		return
	}
	if width < 1 || width > 1000 || height < 1 || height > 1000 { // a serial line or a pty that nobody told its size
		width, height = 80, 24
	}
	s.width.Store(int32(width))
	s.height.Store(int32(height))
	s.term.SetSize(width, height)
}

// read reads one line with the editor.
func (s *screen) read(prompt string) (string, lineState, error) {
	s.term.SetPrompt(prompt)
	line, err := s.term.ReadLine()
	if err == term.ErrPasteIndicator {
		err = nil
	}
	return line, s.keys.lineEnd(), err
}

// password reads one line that is not shown.
func (s *screen) password(prompt string) (string, lineState, error) {
	s.keys.secret = true
	defer func() { s.keys.secret = false }()
	line, err := s.term.ReadPassword(prompt)
	if err == term.ErrPasteIndicator {
		err = nil
	}
	return line, s.keys.lineEnd(), err
}

// print writes text at the left edge, or above the line that is being edited.
func (s *screen) print(text string) { s.term.Write([]byte(printable.Lines(text))) }

func (s *screen) println(line string) { s.print(strings.TrimRight(line, "\n") + "\n") }

// noHistory keeps x/term from recording: blocks, passwords and answers are lines to it as well.
type noHistory struct{}

func (noHistory) Add(string)    {}
func (noHistory) Len() int      { return 0 }
func (noHistory) At(int) string { return "" }

// complete inserts text into a line at a byte position.
func complete(line string, pos int, insert string) (string, int) {
	return line[:pos] + insert + line[pos:], pos + len(insert)
}

// erase deletes the character at a byte position.
func erase(line string, pos int) string {
	_, n := utf8.DecodeRuneInString(line[pos:])
	return line[:pos] + line[pos+n:]
}
