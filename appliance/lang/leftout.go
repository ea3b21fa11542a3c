package lang

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/lang/older"
	"viaduct/appliance/pasted"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
)

// leftOut is a block whose header was not understood. Its lines are left out with the header, so that they change nothing else. The block
// ends at the next header that is understood, at one that is not understood and opens another block, at `exit`, and at a line with less
// indentation.
//
// The first word tells whether a line is a header. Any other line opens a block only if the next line is indented further: otherwise a
// typing mistake in one line would discard the lines after it.
type leftOut struct {
	header string
	indent int  // of the header
	body   int  // of the first line below that is indented further; 0: there is none yet
	sure   bool // it is a block; otherwise the next line decides
	quiet  bool // it is known and has no effect here
	lines  int  // left out so far
}

// leftOutMark begins the last line of a mode inside such a block.
const leftOutMark = "?"

// String encodes the block as a line of the mode, which travels with the session.
func (o *leftOut) String() string {
	return fmt.Sprintf("%s %d %d %t %t %d %s", leftOutMark, o.indent, o.body, o.sure, o.quiet, o.lines, o.header)
}

// parseLeftOut is the inverse of String; nil for any other line.
func parseLeftOut(line string) *leftOut {
	f := strings.SplitN(line, " ", 7)
	if len(f) < 7 || f[0] != leftOutMark {
		return nil
	}
	var numbers [3]int
	for i, word := range []string{f[1], f[2], f[5]} {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 {
			return nil
		}
		numbers[i] = n
	}
	return &leftOut{indent: numbers[0], body: numbers[1], lines: numbers[2], sure: f[3] == "true", quiet: f[4] == "true", header: f[6]}
}

// said says how many lines were left out; "" if none were.
func (o *leftOut) said() string {
	if o == nil || o.lines == 0 {
		return ""
	}
	return "its block is left out, " + plural.Of(o.lines, "line")
}

// taken says which lines replace one of another generation.
func (u misunderstood) taken() string {
	text := "taken as `" + strings.Join(u.instead, "`, `") + "`"
	if u.left != "" {
		text += "; `" + u.left + "` has no effect"
	}
	return text
}

// belonging is the relation of a line to the left-out block before it.
type belonging int

const (
	inside belonging = iota // a line of the block
	beyond                  // the first line after the block
	aside                   // a command, which does not end the block
)

// belongs decides whether a line belongs to the left-out block of p.
func (l *Language) belongs(cfg *config.Config, p cursor, line string) belonging {
	o := p.out
	words := cli.Words(line[:min(len(line), longestLooked)])
	if len(words) == 0 {
		return aside
	}
	first := words[0].Text
	switch in := pasted.Indent(line); {
	case in > o.indent && (first != "exit" || o.body == 0 || in > o.body):
		if o.body == 0 {
			o.body = in
		}
		o.sure = true
		return inside
	case !o.sure || in < o.indent || o.body > 0 && first != "exit":
		return beyond
	}
	if l.headerAfter(cfg, p, line, first) {
		return beyond
	}
	if m, err := l.table.Match([]cli.Layer{{Mode: l.admin}}, line, cfg); err == nil && m.Exact && !m.Stmt.Data.(command.Action).Ambiguous {
		return aside
	}
	if m, err := l.table.Match([]cli.Layer{{Mode: l.table.Root()}}, line, cfg); err == nil && m.Exact {
		o.quiet = false // the line may have been meant for the box: report how many lines were left out
	}
	return inside
}

// headerAfter reports whether line is a header in the modes around the block. Its keywords must not be abbreviated, because a line of the
// block may look like an abbreviation. A header that is not understood counts, too: it opens another block.
func (l *Language) headerAfter(cfg *config.Config, p cursor, line, first string) bool {
	modes, where := l.layers(cfg, p)
	if strings.HasPrefix(p.out.header, "context") {
		// A block that may stand at the root without its context cs belongs to the context that was not understood.
		n := slices.IndexFunc(where, func(w layer) bool { return w.implicit != "" })
		if n >= 0 {
			modes = modes[:n]
		}
	}
	opens := false
	for i := range modes {
		modes[i].Blocks, modes[i].Correct = true, false
		opens = opens || modes[i].Mode.Opens(first)
	}
	if m, err := l.table.Match(modes, line, cfg); err == nil {
		return m.Exact && !m.Neg
	}
	if _, n := l.noEffect(p, line); n != nil && n.Block && first != "no" {
		return true
	}
	_, nameless := older.OnlyContext(cfg, line)
	return opens || nameless
}

// misunderstood is the treatment of a line that matches no pattern.
type misunderstood struct {
	instead []string // equivalent lines of this box
	left    string   // the part of the line that has no equivalent
	header  bool     // the last of them opens a mode
	note    string   // why it has no effect; "": it is an error
	at      cursor   // where the next line stands
}

// misunderstand decides what to do with a line at p that no mode understands.
func (l *Language) misunderstand(cfg *config.Config, p cursor, modes []cli.Layer, line string) misunderstood {
	line = line[:min(len(line), longestLooked)]
	if header, ok := older.OnlyContext(cfg, line); ok {
		return misunderstood{instead: []string{header}, header: true, at: p}
	}
	if at, lines, left := p.older(cfg, line); lines != nil {
		return misunderstood{instead: lines, left: left, at: at}
	}
	out := &leftOut{header: shown(line), indent: pasted.Indent(line)}
	if at, n := l.noEffect(p, line); n != nil {
		out.sure, out.quiet = n.Block && !strings.HasPrefix(out.header, "no "), true
		if !out.sure {
			at = p // a statement of an outer mode does not leave the mode, whether it is understood or not
		}
		at.out = out
		return misunderstood{note: n.Note(), at: at}
	}
	look, word := l.table.Look(modes, line)
	switch look {
	case cli.LooksAsHeader:
		p, out.sure = p.owner(word, l.table.Root()), true
	}
	p.out = out
	return misunderstood{at: p}
}

// older translates a line of another generation into lines of this box, and finds the mode that they belong to. It returns no lines for any
// other line. Left is the part of the line that has no effect.
func (p cursor) older(cfg *config.Config, line string) (at cursor, lines []string, left string) {
	for n := len(p.path); n >= 0; n-- {
		prompt, here := "", ""
		if n > 0 {
			m := p.path[n-1]
			prompt, here = m.Stmt.Prompt, strings.Join(m.Key(), " ")
		}
		if lines, left := older.Lines(cfg, prompt, here, line); lines != nil {
			return p.up(len(p.path) - n), lines, left
		}
	}
	return p, nil, ""
}

// noEffect looks up a line without effect in the modes of p, and the mode that it belongs to.
func (l *Language) noEffect(p cursor, line string) (cursor, *older.NoEffect) {
	for n := len(p.path); n >= 0; n-- {
		prompt := ""
		if n > 0 {
			prompt = p.path[n-1].Stmt.Prompt
		}
		if known := older.Find(prompt, line); known != nil {
			return p.up(len(p.path) - n), known
		}
	}
	if known := older.FindBlock(l.atRoot().Prompt, line); known != nil { // a block of context cs may stand at the root
		return p.owner(firstWord(line), l.table.Root()), known
	}
	return p, nil
}

// firstWord returns the first word of a line after a possible `no`.
func firstWord(line string) string {
	words := cli.Words(line)
	if len(words) > 1 && words[0].Text == "no" {
		return words[1].Text
	}
	return words[0].Text
}

// longestLooked limits how much of a line is examined if it is not understood.
const longestLooked = 1000

// shown formats a header for messages.
func shown(line string) string {
	const longest = 100
	line = strings.TrimRight(line, string(utf8.RuneError)) // marks a line that was not text
	return printable.Short(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), longest)
}

// owner returns the innermost mode that has a header beginning with word, or p if there is none.
func (p cursor) owner(word string, root *cli.Mode) cursor {
	for i := len(p.path); i > 0; i-- {
		if p.path[i-1].Stmt.Mode.Opens(word) {
			return p.up(len(p.path) - i)
		}
	}
	if root.Opens(word) {
		return p.up(len(p.path))
	}
	return p
}

// refused returns the cursor after a header that was understood and rejected: its lines are left out as well.
func (p cursor) refused(w layer, line string) cursor {
	return cursor{level: command.Configuring, path: w.path, header: w.headers, out: &leftOut{header: shown(line), indent: pasted.Indent(line), sure: true}}
}
