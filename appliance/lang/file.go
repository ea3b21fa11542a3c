package lang

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

var options = cli.Options{Types: types, Kinds: kinds, Topics: topics, Same: config.SameName}

// Parse reads a configuration. What could not be taken is among the problems; everything else is in the configuration.
// Only the lines themselves are judged; Check judges what they mean together.
func (l *Language) Parse(text []byte) (*config.Config, []Problem) {
	r := l.read("", text)
	return r.cfg, r.problems
}

// Understands reports whether text is a configuration: a line of it is a statement, or it holds nothing but comments. What a power
// cut leaves of a file may be empty, zeros, or anything.
func (l *Language) Understands(text []byte) bool {
	r := l.read("", text)
	return r.taken > 0 || len(r.problems) == 0 && bytes.ContainsRune(text, '#') && utf8.Valid(text) && !bytes.ContainsRune(text, 0)
}

// CheckFile reads a configuration and says everything that is wrong with it, in order of lines.
func (l *Language) CheckFile(name string, text []byte, env Env) []Problem {
	r := l.read(name, text)
	problems := r.problems
	for _, p := range l.check(r.cfg, env) {
		p.File, p.Line = name, r.lineOf(p)
		problems = append(problems, p)
	}
	sortProblems(problems)
	return merge(problems)
}

// Print writes cfg as lines that Parse reads back; masked leaves secrets out.
func (l *Language) Print(cfg *config.Config, masked bool) []byte {
	return l.printer(cfg).Print(cfg, masked)
}

// reader reads a file of lines.
type reader struct {
	taken    int // statements that were understood
	lang     *Language
	name     string
	cfg      *config.Config
	place    place
	problems []Problem
	lines    map[string]int // where the printed form of each line stands in the file
	last     int            // number of the last line
	draft    cli.Draft
}

func (l *Language) read(name string, text []byte) *reader {
	r := &reader{lang: l, name: name, cfg: config.New(), place: place{level: configuring}, lines: map[string]int{}}
	for line := range strings.Lines(string(text)) {
		r.last++
		if r.last == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		r.line(strings.TrimRight(line, "\r\n"))
	}
	return r
}

func (r *reader) line(line string) {
	l := r.lang
	switch {
	case len(line) > MaxLine:
		r.report(Error, line[:40]+"...", fmt.Sprintf("line longer than %d characters", MaxLine))
		return
	case blank(line):
		return
	}
	modes, where := l.layers(r.cfg, r.place)
	n := len(modes)
	m, err := l.table.Match(append(modes, cli.Layer{Mode: l.admin}), line, r.cfg)
	if err != nil {
		r.report(Error, line, err.Error())
		return
	}
	for _, c := range m.Corrections {
		r.report(Note, line, fmt.Sprintf("%q taken as %s", c.Word, c.Taken))
	}
	if m.Layer >= n {
		r.command(line, m)
		return
	}
	w := where[m.Layer]
	changed, err := l.apply(r.cfg, w, m, &r.draft)
	if err != nil {
		if errors.Is(err, cli.ErrGone) {
			err = fmt.Errorf("the block that this line is in does not exist any more")
		}
		r.report(Error, line, err.Error())
		return
	}
	r.cfg = changed
	r.taken++
	if w.implicit != "" {
		r.report(Note, line, "outside of any context cs: taken into "+w.implicit)
		if key := lineAt(nil, w.implicit); r.lines[key] == 0 {
			r.lines[key] = r.last
		}
	}
	r.remember(w, m)
	if m.Neg {
		if m.Stmt.Mode != nil {
			r.place = l.place(r.cfg, r.place.mode()) // it may have been the block that we are in
		}
		return
	}
	if m.Stmt.Note != "" && m.Stmt.Into == "-" {
		r.report(Note, line, m.Stmt.Note)
	}
	if m.Stmt.Mode != nil {
		r.place.path, r.place.header = append(w.path, m), append(w.headers, l.editor.Text(r.cfg, w.path, m))
	}
}

// command takes those commands that have their place in a pasted file.
func (r *reader) command(line string, m *cli.Match) {
	switch m.Stmt.Line.Line {
	case "exit":
		if len(r.place.path) > 0 {
			r.place = r.place.up(1)
		}
	case "end", "enable", "configure", "logout":
		r.place = place{level: configuring}
	default:
		r.report(Error, line, "a command, not a line of a configuration")
	}
}

// remember notes where the printed form of a line stands.
func (r *reader) remember(w layer, m *cli.Match) {
	if text := r.lang.editor.Text(r.cfg, w.path, m); text != "" {
		key := lineAt(w.headers, text)
		if _, known := r.lines[key]; !known || m.Stmt.Mode == nil {
			r.lines[key] = r.last
		}
	}
}

// lineOf finds the line of a problem: its own, or the header of the block that it is about.
func (r *reader) lineOf(p Problem) int {
	for path, source := p.Path, p.Source; ; {
		if n, ok := r.lines[lineAt(path, source)]; ok {
			return n
		}
		if len(path) == 0 {
			return max(r.last, 1)
		}
		path, source = path[:len(path)-1], path[len(path)-1]
	}
}

func lineAt(path []string, text string) string { return strings.Join(path, "\n") + "\n\n" + text }

func (r *reader) report(s Severity, line, text string) {
	r.problems = append(r.problems, Problem{File: r.name, Line: r.last, Path: r.place.header, Source: strings.TrimSpace(line), Severity: s, Text: text})
}
