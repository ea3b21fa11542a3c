package session

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

// help answers a `?` or a Tab.
func (s *Session) help(ctx context.Context, line string, pos int, key rune) (string, int, bool) {
	ctx, cancel := context.WithTimeout(ctx, helpTime)
	defer cancel()
	h, err := s.who.Client.Help(ctx, wire.HelpRequest{Mode: s.mode, Line: line, Cursor: pos, User: s.who.User, TTY: s.who.TTY})
	switch {
	case err != nil:
		s.screen.Println(fmt.Sprintf("%s%s\n%% no help: %v", s.prompt, line, err))
	case h.Literal && key == '?':
		return "", 0, false // x/term inserts it
	case h.Literal:
	case key == '\t' && h.Insert != "":
		return line[:pos] + h.Insert + line[pos:], pos + len(h.Insert), true
	default:
		shown := s.prompt + line
		if key == '?' {
			shown += "?"
		}
		s.screen.ShowHelp(shown+"\n"+choices(h.Choices, s.screen.Width()), s.more)
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
