package console

import (
	"context"
	"fmt"
	"strings"
	"time"

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
		s.println(shown + "\n" + choices(h.Choices))
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

// choices lays out help in two columns.
func choices(list []wire.Choice) string {
	if len(list) == 0 {
		return "% nothing can stand here\n"
	}
	width := 0
	for _, c := range list {
		width = max(width, min(len(c.Word), 32))
	}
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, c.Word, c.Help)
	}
	return b.String()
}
