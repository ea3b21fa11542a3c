// Package pasted reads text that was copied from somewhere: a mail, a listing, the window of another session, a file that an editor
// kept in UTF-16. It owns what such copies put around the lines, and takes it off again. What the lines mean it does not know.
// It has no goroutines.
package pasted

import (
	"regexp"
	"strings"
)

// MaxLine is the length of the longest line that is taken, in bytes, wherever it comes from.
const MaxLine = 64 << 10

// Line is one line of a copy.
type Line struct {
	Text string // what was copied, with its indentation
	// Object is what the prompt in front of the line says the line is about: X of `sbc01(if-sip)[X]#`; "" when it says nothing.
	Object string
	Marked bool // something stood in front of the text
	Prompt bool // and the last of it was a prompt
}

var (
	quoteMark  = regexp.MustCompile(`^[ \t]*[>|][ \t]?`)
	pager      = regexp.MustCompile(`^--More--(?: *\x08+)*`)
	lineNumber = regexp.MustCompile(`^[ \t]*[0-9]{1,6}(?:[ \t]*[:.)|][ \t]?|[ \t]|$)`)
	prompt     = regexp.MustCompile(`^[ \t]*[A-Za-z0-9][A-Za-z0-9._-]{0,62}(?:\((?:[a-z0-9-]+|\?)\)(?:\[([^\]]*)\])?)?[#>][ \t]*`)
)

// Read takes off what a copy has put in front of a line: the marks of a quoting mail, the prompt of a pager, the number of the line,
// and the prompt behind which the line was typed.
func Read(line string) Line {
	l := Line{Text: strings.TrimPrefix(line, byteOrderMark)}
	for {
		mark := quoteMark.FindString(l.Text)
		if mark == "" {
			break
		}
		l.Text, l.Marked = l.Text[len(mark):], true
	}
	if m := pager.FindString(l.Text); m != "" {
		l.Text, l.Marked = l.Text[len(m):], true
	}
	if n := lineNumber.FindString(l.Text); n != "" {
		l.Text, l.Marked = l.Text[len(n):], true
	}
	if m := prompt.FindStringSubmatch(l.Text); m != nil {
		l.Text, l.Object, l.Marked = l.Text[len(m[0]):], m[1], true
		l.Prompt = true
	}
	return l
}

// Blank reports whether a line says nothing, whatever stands in front of it.
func Blank(line string) bool { return strings.TrimSpace(Read(line).Text) == "" }

// Indent is how far a line is indented, in columns; a tab goes on to the next multiple of eight.
func Indent(line string) int {
	n := 0
	for _, r := range line {
		switch r {
		case ' ', '\u00a0':
			n++
		case '\t':
			n += 8 - n%8
		default:
			return n
		}
	}
	return n
}
