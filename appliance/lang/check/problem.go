package check

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
)

// Severity says what a problem means for the line.
type Severity int

const (
	Error   Severity = iota // the line was not taken, or refers to something that does not exist
	Warning                 // taken, but it will not work as meant, or not yet
	Note                    // taken, worth knowing
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
	Also     []Where  // further lines of which the same is to be said
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

// Key tells a line below these headers from all others of a configuration.
func Key(headers []string, line string) string { return strings.Join(headers, "\n") + "\n\n" + line }

// fix are the lines to paste; none when they hold what cannot be shown as it is, and so cannot be pasted.
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

// alsoShown is how many further lines are named, and alsoFixed of how many the fixes are.
const (
	alsoShown = 8
	alsoFixed = 50
)

// Fixes are the lines to paste against a problem and all that is merged with it: for each place the headers that lead there, and
// what belongs there.
func (p Problem) Fixes() (blocks [][]string) {
	at := map[string]int{} // the block of each place
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

// fixLines are the lines of the fixes without the headers that lead there.
func (p Problem) fixLines() (lines []string) {
	for _, w := range append([]Where{p.where()}, p.Also[:min(len(p.Also), alsoShown)]...) {
		for _, line := range w.fix() {
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// Hash tells a problem of one line from others.
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
		for _, w := range p.Also[:min(len(p.Also), alsoShown)] {
			lines = append(lines, strconv.Itoa(w.Line))
		}
		text += "; also line " + strings.Join(lines, ", ")
		if more := len(p.Also) - alsoShown; more > 0 {
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

// Explained is all that is known of a problem: its text, where it is, and what puts it right.
func (p Problem) Explained() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", p.Severity, printable.Line(p.Text))
	for _, w := range append([]Where{{Path: p.Path, Source: p.Source}}, p.Also[:min(len(p.Also), alsoShown)]...) {
		if w.Source != "" {
			fmt.Fprintf(&b, "  in: %s\n", printable.Line(strings.Join(append(slices.Clone(w.Path), w.Source), " / ")))
		}
	}
	if more := len(p.Also) - alsoShown; more > 0 {
		fmt.Fprintf(&b, "  and in %s\n", plural.Of(more, "more line"))
	}
	blocks := p.Fixes()
	if len(blocks) > 0 {
		b.WriteString("  fix:\n")
	}
	for _, line := range slices.Concat(blocks...) {
		fmt.Fprintf(&b, "    %s\n", printable.Line(line))
	}
	return b.String()
}

// Sort puts problems in order of lines, and of severity within a line.
func Sort(list []Problem) {
	slices.SortStableFunc(list, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return int(a.Severity) - int(b.Severity)
	})
}

// Merge joins warnings and notes that say the same of several lines.
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
