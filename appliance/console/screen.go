package console

import (
	"context"
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
	s.term.SetSize(int(s.width.Load()), int(s.height.Load()))
	s.keys.idle = 0
	s.keys.lineEnd()
}

func (s *screen) resize(width, height int) {
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

// pager prints the answer of one command a page at a time.
type pager struct {
	*screen
	on     bool
	cancel context.CancelFunc // ends the command when the reader has seen enough
	row    int
	column int
	quit   bool
}

// print takes the next piece of the answer.
func (p *pager) print(text string) {
	if p.quit {
		return
	}
	text = printable.Lines(text)
	if !p.on {
		p.screen.term.Write([]byte(text))
		return
	}
	from := 0
	for i, r := range text {
		if r != '\n' {
			if p.column++; p.column > int(p.width.Load()) {
				p.column, p.row = 1, p.row+1
			}
			continue
		}
		p.column, p.row = 0, p.row+1
		if p.row < int(p.height.Load())-1 || p.keys.waiting() { // a paste goes on: nobody is reading yet
			continue
		}
		p.screen.term.Write([]byte(text[from : i+1]))
		from = i + 1
		if p.ask(); p.quit {
			return
		}
	}
	p.screen.term.Write([]byte(text[from:]))
}

const morePrompt = "--More--"

// ask waits for the reader: blank for a page, Enter for a line, q or Ctrl-C for enough.
func (p *pager) ask() {
	p.keys.onInterrupt(nil)
	defer p.keys.onInterrupt(p.cancel)
	io.WriteString(p.w, morePrompt)
	key := p.keys.key()
	io.WriteString(p.w, "\r"+strings.Repeat(" ", len(morePrompt))+"\r")
	switch key {
	case '\r', '\n':
		p.row--
	case 'q', 'Q', ctrl('C'), ctrl('D'), ctrl('Z'), 0:
		p.quit = true
		p.cancel()
	default:
		p.row = 0
	}
}

// complete inserts text into a line at a byte position.
func complete(line string, pos int, insert string) (string, int) {
	return line[:pos] + insert + line[pos:], pos + len(insert)
}

// erase deletes the character at a byte position.
func erase(line string, pos int) string {
	_, n := utf8.DecodeRuneInString(line[pos:])
	return line[:pos] + line[pos+n:]
}
