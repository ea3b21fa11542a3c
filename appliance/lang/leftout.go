package lang

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/older"
	"viaduct/appliance/pasted"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
)

// leftOut is a block whose header was not understood. Its lines are left out with it: what is not understood changes nothing else.
// The block ends at the next header that is understood, at one that is not and opens a block of its own, at `exit`, and where the
// lines are indented less than its own.
//
// A header is known by its first word. Any other line opens a block only if the next line is indented further: else a slip in a line
// would take those behind it along.
type leftOut struct {
	header string
	indent int  // of the header
	body   int  // of the first line below that is indented further, 0 when there is none
	sure   bool // it is a block; else the next line decides
	quiet  bool // known, and without effect here
	lines  int  // that were left out
}

// leftOutMark begins the last line of a mode that stands in such a block.
const leftOutMark = "?"

// String is the block as a line of a mode: it travels with the session, as the mode does.
func (o *leftOut) String() string {
	return fmt.Sprintf("%s %d %d %t %t %d %s", leftOutMark, o.indent, o.body, o.sure, o.quiet, o.lines, o.header)
}

// parseLeftOut is the inverse of String; nil for a line that is none.
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

// said tells how many lines were left out, "" when none was.
func (o *leftOut) said() string {
	if o == nil || o.lines == 0 {
		return ""
	}
	return "its block is left out, " + plural.Of(o.lines, "line")
}

// taken says which lines were taken for one of another generation.
func (u misunderstood) taken() string {
	text := "taken as `" + strings.Join(u.instead, "`, `") + "`"
	if u.left != "" {
		text += "; `" + u.left + "` has no effect"
	}
	return text
}

// belonging is what a line is to the block that is left out where it comes.
type belonging int

const (
	inside belonging = iota // a line of the block
	beyond                  // the block has ended in front of it
	aside                   // a command, which ends nothing
)

// belongs decides about the next line inside a block that is left out.
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
	if m, err := l.table.Match([]cli.Layer{{Mode: l.admin}}, line, cfg); err == nil && m.Exact && !m.Stmt.Data.(action).ambiguous {
		return aside
	}
	if m, err := l.table.Match([]cli.Layer{{Mode: l.table.Root()}}, line, cfg); err == nil && m.Exact {
		o.quiet = false // it may have been meant for the box: how many lines were left out is said
	}
	return inside
}

// headerAfter reports whether line is a header in the modes around the block, spelt out: the lines of the block may look like the
// abbreviation of one. A header that is not understood counts, too: it opens a block of its own.
func (l *Language) headerAfter(cfg *config.Config, p cursor, line, first string) bool {
	modes, where := l.layers(cfg, p)
	if strings.HasPrefix(p.out.header, "context") {
		// What may stand at the root without its context cs is part of the context that is not understood.
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

// misunderstood is what becomes of a line that no pattern fits.
type misunderstood struct {
	instead []string // lines of ours that say the same
	left    string   // the part of the line that they do not say
	header  bool     // the last of them opens a mode
	note    string   // why it has no effect, "" for an error
	at      cursor   // where to go on
}

// misunderstand decides what becomes of a line at p that no mode understands.
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
			at = p // a statement of a mode around leaves the mode no more than one that is understood
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

// older finds the lines that say what one of another generation says, and the mode that they belong to; none: it is no such line. Left is
// the part of it that has no effect.
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

// noEffect finds what is known of a line without effect in the modes of p, and the mode in which it is understood.
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

// firstWord is the first word of a line behind a `no`.
func firstWord(line string) string {
	words := cli.Words(line)
	if len(words) > 1 && words[0].Text == "no" {
		return words[1].Text
	}
	return words[0].Text
}

// longestLooked is how much of a line is looked at for what it may have been.
const longestLooked = 1000

// shown is a header as messages name it.
func shown(line string) string {
	const longest = 100
	line = strings.TrimRight(line, string(utf8.RuneError)) // the mark of a line that was no text
	return printable.Short(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), longest)
}

// owner is the mode in which a header that begins with word would be understood: the innermost one that has such a header,
// or where one stands when none has.
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

// refused is the cursor behind a header that was understood and not taken: its lines are left out as well.
func (p cursor) refused(w layer, line string) cursor {
	return cursor{level: configuring, path: w.path, header: w.headers, out: &leftOut{header: shown(line), indent: pasted.Indent(line), sure: true}}
}
