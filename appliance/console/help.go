package console

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"viaduct/appliance/api/wire"
)

// helpTime is how long a key waits for sbcd.
const helpTime = 2 * time.Second

// key is x/term's question what a key means that it has no use for: `?`, Tab, and the stand-in of Ctrl-D.
func (s *session) key(ctx context.Context, line string, pos int, key rune) (string, int, bool) {
	if key == keyD {
		return s.plainKey(line, pos, key)
	}
	if key != '?' && key != '\t' {
		return "", 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, helpTime)
	defer cancel()
	h, err := s.client.Help(ctx, wire.HelpRequest{Mode: s.mode, Line: line, Cursor: pos, User: s.user, TTY: s.tty})
	switch {
	case err != nil:
		s.println(fmt.Sprintf("%s%s\n%% no help: %v", s.prompt, line, err))
	case h.Literal && key == '?':
		return "", 0, false // x/term inserts it
	case h.Literal:
	case key == '\t' && h.Insert != "":
		line, pos = complete(line, pos, h.Insert)
	default:
		shown := s.prompt + line
		if key == '?' {
			shown += "?"
		}
		page := &pager{screen: s.screen, on: s.more, help: true}
		page.print(shown + "\n" + choices(h.Choices, int(s.width.Load())))
		page.end()
	}
	return line, pos, true
}

// plainKey is the same where there is no help, in a block: only Ctrl-D means something.
func (s *session) plainKey(line string, pos int, key rune) (string, int, bool) {
	switch {
	case key != keyD:
		return "", 0, false
	case line == "":
		s.keys.enter(atEnd)
	case pos < len(line):
		line = erase(line, pos)
	}
	return line, pos, true
}

// longestWord is how wide the column of words becomes; a longer word has a line of its own.
const longestWord = 28

// choices lays out help in two columns; a section of words has a heading.
func choices(list []wire.Choice, width int) string {
	if len(list) == 0 {
		return "% nothing fits here\n"
	}
	column := 0
	for _, c := range list {
		if n := utf8.RuneCountInString(c.Word); n <= longestWord {
			column = max(column, n)
		}
	}
	var b strings.Builder
	for i, c := range list {
		if c.Section != "" && (i == 0 || c.Section != list[i-1].Section) {
			b.WriteString(c.Section + ":\n")
		}
		word := c.Word
		if utf8.RuneCountInString(word) > column {
			b.WriteString("  " + word + "\n")
			word = ""
		}
		for _, line := range wrap(c.Help, max(20, width-column-5)) {
			fmt.Fprintf(&b, "  %-*s  %s\n", column, word, line)
			word = ""
		}
	}
	return b.String()
}

// wrap cuts a text at blanks into lines of at most width characters, where it has such blanks. There is always one line.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	return append(lines, line)
}
