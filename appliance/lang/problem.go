package lang

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"viaduct/appliance/printable"
)

// ErrPassphrase says that a private key is encrypted and needs its pass phrase.
var ErrPassphrase = errors.New("the key is encrypted")

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
	Fix      string   // a line to paste, or empty
	FixPath  []string // header lines of the mode that Fix belongs in; nil: Path
	Also     []Where  // further lines of which the same is to be said
}

// Where is a line of a configuration.
type Where struct {
	Line   int // as Problem.Line
	Path   []string
	Source string
}

// alsoShown is how many further lines are named.
const alsoShown = 8

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
	if p.Fix != "" && printable.Line(p.Fix) == p.Fix {
		text += "; fix: " + p.Fix
	}
	if p.File == "" {
		return text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, text)
}

// sortProblems puts problems in order of lines, and of severity within a line.
func sortProblems(list []Problem) {
	slices.SortStableFunc(list, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return int(a.Severity) - int(b.Severity)
	})
}

// merge joins warnings and notes that say the same of several lines.
func merge(list []Problem) []Problem {
	var out []Problem
	first := map[string]int{}
	seen := map[string]bool{}
	for _, p := range list {
		text := p.Severity.String() + p.Text
		place := text + "\n" + strconv.Itoa(p.Line) + "\n" + lineAt(p.Path, p.Source)
		if seen[place] {
			continue
		}
		seen[place] = true
		if i, ok := first[text]; ok && p.Severity != Error {
			out[i].Also = append(out[i].Also, Where{Line: p.Line, Path: p.Path, Source: p.Source})
			continue
		}
		first[text] = len(out)
		out = append(out, p)
	}
	return out
}
