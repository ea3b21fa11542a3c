package session

import (
	"fmt"
	"strings"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
)

// tally counts the lines of a paste for its end.
type tally struct {
	known   []byte // the problems before it began, in sbcd's form
	changed bool   // the configuration is another one
	leftOut bool   // there were lines of a block that is not understood
	notes   int    // of the answers
	refused int    // lines
	named   []refusal
}

// refusal is a line that was refused.
type refusal struct {
	n    int // of the line in its paste, from 1
	line string
	why  string
}

const (
	mostNamed   = 8  // refused lines that are named at the end of a paste
	longestSaid = 50 // characters of such a line: it may hold a key
)

// count takes the answer to line n of the paste.
func (t *tally) count(n int, line string, a wire.Answer) {
	t.changed = t.changed || a.Changed
	t.leftOut = t.leftOut || a.LeftOut
	t.notes += a.Notes
	if a.Status == wire.Error {
		t.refuse(n, line, a.Why)
	}
}

func (t *tally) refuse(n int, line, why string) {
	if t.refused++; len(t.named) < mostNamed {
		t.named = append(t.named, refusal{n, line, why})
	}
}

// refusals names the refused lines.
func (t *tally) refusals() string {
	var b strings.Builder
	for _, r := range t.named {
		line := []rune(strings.TrimSpace(r.line))
		if len(line) > longestSaid {
			line = append(line[:longestSaid], []rune("...")...)
		}
		text := fmt.Sprintf("refused: line %d: %s", r.n, printable.Line(string(line)))
		if r.why != "" {
			text += ": " + printable.Line(r.why)
		}
		b.WriteString(text + "\n")
	}
	if more := t.refused - len(t.named); more > 0 {
		fmt.Fprintf(&b, "and %s refused\n", plural.Of(more, "more line"))
	}
	return b.String()
}
