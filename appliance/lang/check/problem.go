package check

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"viaduct/appliance/health"
	"viaduct/appliance/printable"
)

// Severity ranks problems.
type Severity int

const (
	Error   Severity = iota // the line was rejected, or refers to something that does not exist
	Warning                 // the line was accepted, but does not work as intended, or not yet
	Note                    // the line was accepted; good to know
)

func (s Severity) String() string { return [...]string{"error", "warning", "note"}[s] }

// Problem is one finding about a configuration.
type Problem struct {
	File     string   // empty for the running configuration
	Line     int      // in File, from 1; 0 when there is no file
	Path     []string // header lines of the mode that the line stands in
	Source   string   // the line itself, as show running-config prints it
	Severity Severity
	Text     string
	First    string   // a line to paste before Fix, or empty
	Fix      string   // a line to paste, or empty
	FixPath  []string // header lines of the mode that Fix belongs in; nil: Path
	Also     []Where  // further lines with the same problem
	Refused  bool     // the line is not understood
	NoEffect bool     // the line is understood, and nothing of it is kept
}

// OfAlarms lists the alarms that need an administrator, in the form of problems.
func OfAlarms(alarms []health.Alarm) (list []Problem) {
	for _, a := range alarms {
		if a.Severity < health.Warning || a.Seen != "" {
			continue
		}
		p := Problem{Severity: Warning, Text: a.Sentence()}
		cure := a.Cure
		if len(cure) > 0 && cure[0] == "configure" { // a list of problems shows the lines of the configuration alone
			cure = cure[1 : len(cure)-1]
		}
		switch len(cure) {
		case 0:
		case 1:
			p.Fix = cure[0]
		default:
			p.First, p.Fix = cure[0], cure[1]
		}
		list = append(list, p)
	}
	return list
}

// Where is a line of a configuration.
type Where struct {
	Line    int // as Problem.Line
	Path    []string
	Source  string
	First   string // as Problem.First
	Fix     string
	FixPath []string
}

// Key identifies a line in a configuration: headers lead to it.
func Key(headers []string, line string) string { return strings.Join(headers, "\n") + "\n\n" + line }

// fix returns the lines to paste. There are none if a line has characters that cannot be shown, and so cannot be pasted.
func (w Where) fix() (lines []string) {
	for _, line := range []string{w.First, w.Fix} {
		if printable.Line(line) != line {
			return nil
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// where is the problem's own line.
func (p Problem) where() Where {
	return Where{Line: p.Line, Path: p.Path, Source: p.Source, First: p.First, Fix: p.Fix, FixPath: p.FixPath}
}

// AlsoShown limits how many further lines a problem names, and alsoFixed for how many it offers fixes.
const (
	AlsoShown = 8
	alsoFixed = 50
)

// Fixes returns the lines that fix a problem and those merged with it. Each block begins with the headers of its mode.
func (p Problem) Fixes() (blocks [][]string) {
	at := map[string]int{} // the block of each mode
	for _, w := range append([]Where{p.where()}, p.Also[:min(len(p.Also), alsoFixed)]...) {
		lines := w.fix()
		if len(lines) == 0 {
			continue
		}
		path := w.Path
		if w.FixPath != nil {
			path = w.FixPath
		}
		place := strings.Join(path, "\n")
		n, known := at[place]
		if !known {
			n = len(blocks)
			at[place] = n
			blocks = append(blocks, slices.Clone(path))
		}
		for _, line := range lines {
			if !slices.Contains(blocks[n][len(path):], line) {
				blocks[n] = append(blocks[n], line)
			}
		}
	}
	return blocks
}

// fixLines returns the lines of the fixes without their headers.
func (p Problem) fixLines() (lines []string) {
	for _, w := range append([]Where{p.where()}, p.Also[:min(len(p.Also), AlsoShown)]...) {
		for _, line := range w.fix() {
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// Hash identifies a problem of one line.
func (p Problem) Hash() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\n%s\n%s", p.Severity, p.Text, Key(p.Path, p.Source))
	return h.Sum64()
}

// String is how sbcd -check prints it: "FILE:LINE: severity: text".
func (p Problem) String() string {
	text := fmt.Sprintf("%s: %s", p.Severity, p.Text)
	if len(p.Also) > 0 && p.File != "" {
		var lines []string
		for _, w := range p.Also[:min(len(p.Also), AlsoShown)] {
			lines = append(lines, strconv.Itoa(w.Line))
		}
		text += "; also line " + strings.Join(lines, ", ")
		if more := len(p.Also) - AlsoShown; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
	}
	text = printable.Line(text)
	for _, line := range p.fixLines() {
		text += "; fix: " + line
	}
	if p.File == "" {
		return text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, text)
}

// Sort sorts problems by line, then by severity.
func Sort(list []Problem) {
	slices.SortStableFunc(list, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return int(a.Severity) - int(b.Severity)
	})
}

// Merge joins equal warnings and notes about several lines.
func Merge(list []Problem) []Problem {
	var out []Problem
	first := map[string]int{}
	seen := map[string]bool{}
	for _, p := range list {
		text := p.Severity.String() + p.Text
		place := text + "\n" + strconv.Itoa(p.Line) + "\n" + Key(p.Path, p.Source)
		if seen[place] {
			continue
		}
		seen[place] = true
		if i, ok := first[text]; ok && p.Severity != Error {
			out[i].Also = append(out[i].Also, p.where())
			continue
		}
		first[text] = len(out)
		out = append(out, p)
	}
	return out
}
