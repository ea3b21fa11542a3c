package edit

import (
	"context"
	"io"
	"strings"
	"unicode/utf8"

	"viaduct/appliance/printable"
)

// Pager prints a long text a page at a time. It keeps the text, so that the reader may go back and search; of a text larger than
// pagerRoom it forgets the beginning.
type Pager struct {
	screen *Screen
	on     bool
	help   bool               // the text is shown above a line that is being edited
	cancel context.CancelFunc // ends the command when the reader has seen enough; nil: there is none
	quit   bool

	lines []string // as far as they have come
	size  int      // bytes in lines
	part  string   // a line without its end
	next  int      // the line that is printed next
	left  int      // rows that fit before the reader is asked
	begun bool
	find  string // lines are passed over up to one that holds this
	from  int    // where the search began
	toEnd bool   // all lines but the last page are passed over
	out   string // goes to the terminal as one piece
	asked string // the prompt that stands below the text
}

// NewPager makes a pager; on: the text is shown a page at a time. cancel ends the command when the reader has seen enough; nil: there is
// none.
func NewPager(s *Screen, on bool, cancel context.CancelFunc) *Pager {
	return &Pager{screen: s, on: on, cancel: cancel}
}

// ShowHelp shows a text above the line that is being edited.
func (s *Screen) ShowHelp(text string, on bool) {
	p := &Pager{screen: s, on: on, help: true}
	p.Print(text)
	p.End()
}

// Quit reports whether the reader has seen enough.
func (p *Pager) Quit() bool { return p.quit }

// pagerRoom is how many bytes of a text can be gone back to.
const pagerRoom = 4 << 20

// page is how many rows are shown at once.
func (p *Pager) page() int {
	rows := p.screen.Height() - 1
	if p.help { // the line that is edited comes below
		rows--
	}
	return max(1, rows)
}

// Print takes the next piece of the text.
func (p *Pager) Print(text string) {
	if p.quit {
		return
	}
	text = printable.Lines(text)
	if !p.on {
		p.screen.term.Write([]byte(text))
		return
	}
	if !p.begun {
		p.begun, p.left = true, p.page()
	}
	p.split(text)
	p.flow()
}

// split cuts text into lines.
func (p *Pager) split(text string) {
	for {
		line, rest, whole := strings.Cut(text, "\n")
		if p.part += line; !whole {
			return
		}
		for _, l := range p.fold(p.part) {
			p.add(l)
		}
		p.part, text = "", rest
	}
}

// fold cuts an error, or what was refused of a paste, at blanks if it is wider than the screen. Other lines may have to be copied and stay
// whole.
func (p *Pager) fold(line string) (lines []string) {
	const mark = "% "
	if p.help || !strings.HasPrefix(line, mark) && !strings.HasPrefix(line, "refused: ") {
		return []string{line}
	}
	for utf8.RuneCountInString(line) > p.screen.Width() {
		fits := string([]rune(line)[:max(1, p.screen.Width())+1])
		at := strings.LastIndexByte(fits, ' ')
		if at <= len(mark) {
			break
		}
		lines, line = append(lines, line[:at]), strings.Repeat(" ", len(mark))+line[at+1:]
	}
	return append(lines, line)
}

// rowsOf is how many rows of the screen line n takes.
func (p *Pager) rowsOf(n int) int {
	width := max(1, p.screen.Width())
	return max(1, (utf8.RuneCountInString(p.lines[n])+width-1)/width)
}

// above is the line at the top of a screen of so many rows that ends before line n.
func (p *Pager) above(n, rows int) int {
	for n > 0 && rows >= p.rowsOf(n-1) {
		n--
		rows -= p.rowsOf(n)
	}
	return n
}

func (p *Pager) add(line string) {
	p.lines = append(p.lines, line)
	p.size += len(line) + 1
	for p.size > pagerRoom && p.next > p.page() {
		p.size -= len(p.lines[0]) + 1
		p.lines, p.next, p.from = p.lines[1:], p.next-1, max(0, p.from-1)
	}
}

// flow prints the lines that are here, as far as the reader wants them.
func (p *Pager) flow() {
	for p.next < len(p.lines) && !p.quit {
		switch {
		case p.toEnd:
			p.next = len(p.lines)
		case p.find != "" && !strings.Contains(strings.ToLower(p.lines[p.next]), p.find):
			p.next++
		case p.left < p.rowsOf(p.next) && p.left < p.page() && !p.screen.Keys.typedAhead():
			p.find = ""
			p.send()
			p.ask()
		default:
			p.find = ""
			p.write(p.lines[p.next] + "\n")
			p.next, p.left = p.next+1, p.left-p.rowsOf(p.next)
		}
	}
	p.send()
}

func (p *Pager) write(text string) { p.out += text }

// send gives the terminal the text in one piece: x/term draws the edited line anew after each.
func (p *Pager) send() {
	if p.out != "" {
		p.screen.term.Write([]byte(p.out))
		p.out = ""
	}
}

// Live switches paging off: news must not wait for a key.
func (p *Pager) Live() {
	p.End()
	p.on = false
}

// End prints the rest of the text.
func (p *Pager) End() {
	for p.on && !p.quit && (p.toEnd || p.find != "") {
		if p.toEnd {
			p.toEnd, p.next, p.left = false, p.above(len(p.lines), p.page()), p.page()
		} else {
			p.write("% not found: " + p.find + "\n")
			p.find, p.next, p.left = "", p.from, 0
		}
		p.flow()
	}
	if p.on && !p.quit && p.part != "" {
		p.write(p.part)
		p.part = ""
	}
	p.send()
	if p.help && p.quit {
		p.screen.term.Write(nil) // draws the line that is edited again
	}
}

const (
	morePrompt = "--More--"
	moreHelp   = "--More-- Space: on, Enter: a row, b: back, g: top, G: end, /: find, q: enough"
)

// ask waits until the reader wants more, or enough.
func (p *Pager) ask() {
	if p.cancel != nil { // Ctrl-C is a key of the reader's now
		p.screen.Keys.OnInterrupt(nil)
		defer p.screen.Keys.OnInterrupt(p.cancel)
	}
	for prompt := morePrompt; ; {
		p.prompt(prompt)
		key := p.screen.Keys.Key()
		p.prompt("")
		if p.obey(key) {
			return
		}
		prompt = moreHelp
	}
}

// obey does what a key says; false when it says nothing.
func (p *Pager) obey(key string) bool {
	switch key {
	case " ", "f", keyPageDown, keyRight, "\x06":
		p.left = p.page()
	case "\r", "\n", "j", "e", keyDown:
		p.left = p.rowsOf(p.next)
	case "b", keyPageUp, keyLeft, "\x02":
		p.back(p.page())
	case "k", "y", keyUp:
		p.back(p.rowsOf(max(0, p.above(p.next, p.page())-1)))
	case "g", "<", keyHome:
		p.next, p.left = 0, p.page()
	case "G", ">", keyEnd:
		p.toEnd = true
	case "/":
		p.search()
	case "q", "Q", "\x03", "\x04", "\x1a", "":
		p.quit = true
		if p.cancel != nil {
			p.cancel()
		}
	default:
		return false
	}
	return true
}

// back shows the page again that ended n rows before the one that is on the screen.
func (p *Pager) back(n int) {
	top := p.above(p.next, p.page())
	p.next = max(0, min(p.above(top, n), top-1))
	p.left = p.page()
}

// search asks for a text and goes on to the next row that holds it; nothing typed is the next page.
func (p *Pager) search() {
	p.left = p.page()
	if word := p.screen.Keys.word(func(shown string) { p.prompt("/" + shown) }); word != "" {
		p.find, p.from = strings.ToLower(word), p.next
	}
	p.prompt("")
}

// prompt shows a line that is no part of the text, and takes away the one before it.
func (p *Pager) prompt(text string) {
	if limit := p.screen.Width() - 1; len(text) > limit {
		text = text[:max(0, limit)]
	}
	before := "\r" + strings.Repeat(" ", len(p.asked)) + "\r"
	switch {
	case p.help:
		before = "\r\x1b[K"
	case p.asked == "":
		before = ""
	}
	p.asked = text
	io.WriteString(p.screen.w, before+text)
}
