package lang

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/pasted"
)

// Parse reads a configuration. Rejected lines are among the problems, all others are in the configuration. Parse judges single lines; Check
// judges what they mean together.
func (l *Language) Parse(text []byte) (*config.Config, []check.Problem) {
	r := l.read("", text)
	return r.cfg, r.problems
}

// Understands reports whether text is a configuration: it has at least one statement, or comments only. After a power cut, a file may be
// empty, full of zeros, or garbage.
func (l *Language) Understands(text []byte) bool {
	r := l.read("", text)
	return r.taken > 0 || len(r.problems) == 0 && bytes.ContainsRune(text, '#') && utf8.Valid(text) && !bytes.ContainsRune(text, 0)
}

// CheckFile reads a configuration and returns all its problems, sorted by line.
func (l *Language) CheckFile(name string, text []byte, env check.Env) []check.Problem {
	r := l.read(name, text)
	problems := r.problems
	for _, p := range l.checks().Configuration(r.cfg, env) {
		p.File, p.Line = name, r.lineOf(p)
		problems = append(problems, p)
	}
	check.Sort(problems)
	return check.Merge(problems)
}

// Check returns all problems of cfg.
func (l *Language) Check(cfg *config.Config, env check.Env) []check.Problem {
	return check.Merge(l.checks().Configuration(cfg, env))
}

// Problems returns those of the running configuration.
func (l *Language) Problems(box device.Box) []check.Problem {
	return l.checks().Configuration(box.Running(), box.Env())
}

// checks gives package check access to the language.
func (l *Language) checks() check.Lines {
	return check.Lines{Table: l.table, Types: options.Types, Sealing: l.sealed != nil}
}

// Print formats cfg as lines that Parse can read back. masked hides secrets.
func (l *Language) Print(cfg *config.Config, masked bool) []byte {
	return l.printer(cfg).Print(cfg, masked)
}

// Plain is Print with secrets in the clear: for the other box of a pair alone, which seals them with the same key but never to the same text.
func (l *Language) Plain(cfg *config.Config) []byte { return l.table.Print(cfg, false) }

// Walk calls f for each line that Print writes.
func (l *Language) Walk(cfg *config.Config, masked bool, f func(*cli.Printed)) {
	l.printer(cfg).Walk(cfg, masked, f)
}

// ParseOnto applies the lines of a text to cfg. taken is the number of statements among them that were accepted.
func (l *Language) ParseOnto(cfg *config.Config, text []byte) (changed *config.Config, taken int, problems []check.Problem) {
	r := l.readOnto(cfg, "", text)
	return r.cfg, r.taken, r.problems
}

// reader reads a file of lines.
type reader struct {
	taken    int // accepted statements
	lang     *Language
	name     string
	cfg      *config.Config
	at       cursor
	problems []check.Problem
	lines    map[string]int // line numbers by printed form
	last     int            // number of the last line
	draft    cli.Draft
	block    int    // index of the problem with the header of the left-out block
	instead  bool   // the line replaces one of another generation
	object   string // named by a prompt that was copied along with the line
	cut      bool   // its time was over before the text was
}

func (l *Language) read(name string, text []byte) *reader {
	return l.readOnto(config.New(), name, text)
}

// readOnto applies the lines of a file to cfg.
func (l *Language) readOnto(cfg *config.Config, name string, text []byte) *reader {
	return l.readWithin(context.Background(), cfg, name, text)
}

// readWithin is the same until ctx ends. Then the rest of the text is not read, and the reader says that it was cut.
func (l *Language) readWithin(ctx context.Context, cfg *config.Config, name string, text []byte) *reader {
	r := &reader{lang: l, name: name, cfg: cfg, at: cursor{level: command.Configuring}, lines: map[string]int{}}
	text, was := pasted.Decode(text)
	if was != "" {
		r.report(check.Note, "", "the file is in "+was+": it is read as such")
	}
	for line := range strings.Lines(lineEnds.Replace(string(text))) {
		if r.cut = ctx.Err() != nil; r.cut {
			break
		}
		r.last++
		copied := pasted.Read(strings.TrimSuffix(line, "\n"))
		r.object = copied.Object
		r.line(copied.Text)
	}
	r.endBlock()
	return r
}

// lineEnds normalises line ends.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// endBlock adds the number of left-out lines to the problem of the header.
func (r *reader) endBlock() {
	if text := r.at.out.said(); text != "" {
		r.problems[r.block].Text += "; " + text
	}
	r.at.out = nil
}

// leaveOut starts a left-out block. Its header is the last problem.
func (r *reader) leaveOut(at cursor) { r.at, r.block = at, len(r.problems)-1 }

func (r *reader) line(line string) {
	l := r.lang
	switch {
	case len(line) > pasted.MaxLine:
		r.report(check.Error, line[:40]+"...", fmt.Sprintf("line longer than %d characters", pasted.MaxLine))
		return
	case blank(line):
		return
	}
	if r.at.out != nil {
		switch l.belongs(r.cfg, r.at, line) {
		case inside:
			r.at.out.lines++
			return
		case beyond:
			r.endBlock()
		}
	}
	modes, where := l.layers(r.cfg, r.at)
	n := len(modes)
	m, err := l.table.Match(append(modes, cli.Layer{Mode: l.admin}), line, r.cfg)
	if err != nil {
		r.otherwise(modes, line, err)
		return
	}
	for _, c := range m.Corrections {
		r.report(check.Note, line, fmt.Sprintf("%q taken as %s", c.Word, c.Taken))
	}
	if m.Layer >= n {
		r.command(line, m)
		return
	}
	if err := r.at.otherObject(r.object, m); err != nil {
		r.report(check.Error, line, err.Error())
		return
	}
	w := where[m.Layer]
	changed, err := l.apply(r.cfg, w, m, &r.draft)
	if err != nil {
		if errors.Is(err, cli.ErrGone) {
			err = fmt.Errorf("the block of this line no longer exists")
		}
		r.report(check.Error, line, err.Error())
		if m.Stmt.Mode != nil && !m.Neg {
			r.leaveOut(r.at.refused(w, line))
		}
		return
	}
	if note := nothingTaken(m, r.cfg != changed); note != "" {
		r.report(check.Note, line, note)
	}
	r.cfg = changed
	r.taken++
	if w.implicit != "" {
		r.report(check.Note, line, "outside of any context cs: taken into "+w.implicit)
		if key := check.Key(nil, w.implicit); r.lines[key] == 0 {
			r.lines[key] = r.last
		}
	}
	r.remember(w, m)
	if m.Neg {
		if m.Stmt.Mode != nil {
			r.at = l.resolve(r.cfg, r.at.mode()) // the line may have removed the current block
		}
		return
	}
	if m.Stmt.Note != "" && m.Stmt.StoresNothing() {
		r.report(check.Note, line, m.Stmt.Note)
		r.problems[len(r.problems)-1].NoEffect = true
	}
	if m.Stmt.Mode != nil {
		r.at.path, r.at.header = append(w.path, m), append(w.headers, l.editor.Text(r.cfg, w.path, m))
	}
}

// otherwise handles a line that no mode understands: it may be a statement of another generation.
func (r *reader) otherwise(modes []cli.Layer, line string, err error) {
	u := r.lang.misunderstand(r.cfg, r.at, modes, line)
	switch {
	case u.instead != nil && !r.instead:
		r.report(check.Note, line, u.taken())
		r.at, r.instead = u.at, true
		for _, line := range u.instead {
			r.line(line)
		}
		if r.instead = false; !u.header {
			r.at = u.at
		}
		return
	case u.note != "":
		r.report(check.Note, line, u.note)
		r.problems[len(r.problems)-1].NoEffect = true
	default:
		r.report(check.Error, line, fromElsewhere(line, err).Error())
	}
	r.leaveOut(u.at)
}

// command handles the commands that may stand in a file.
func (r *reader) command(line string, m *cli.Match) {
	switch m.Stmt.Data.(command.Action).InFile {
	case command.LeavesMode:
		switch {
		case r.at.out != nil:
			r.endBlock()
		case len(r.at.path) > 0:
			r.at = r.at.up(1)
		}
	case command.LeavesAll:
		r.endBlock()
		r.at = cursor{level: command.Configuring}
	default:
		r.report(check.Error, line, "a command, not a line of a configuration")
	}
}

// remember records the line number of the printed form of a line.
func (r *reader) remember(w layer, m *cli.Match) {
	if text := r.lang.editor.Text(r.cfg, w.path, m); text != "" {
		key := check.Key(w.headers, text)
		if _, known := r.lines[key]; !known || m.Stmt.Mode == nil {
			r.lines[key] = r.last
		}
	}
}

// lineOf finds the line number of a problem: its own line, or the header of its block.
func (r *reader) lineOf(p check.Problem) int {
	if n := r.known(p); n > 0 {
		return n
	}
	return max(r.last, 1)
}

// known is the same, and 0 when the text has no such line.
func (r *reader) known(p check.Problem) int {
	for path, source := p.Path, p.Source; ; {
		if n, ok := r.lines[check.Key(path, source)]; ok {
			return n
		}
		if len(path) == 0 {
			return 0
		}
		path, source = path[:len(path)-1], path[len(path)-1]
	}
}

func (r *reader) report(s check.Severity, line, text string) {
	r.problems = append(r.problems, check.Problem{Refused: s == check.Error, File: r.name, Line: max(r.last, 1), Path: r.at.header, Source: strings.TrimSpace(line), Severity: s, Text: text})
}
