package lang

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
)

// What is said at the end of a paste: what it has brought, and not what was known before.

// Paste is what a console knows of a paste that is over.
type Paste struct {
	Known   []byte // what Known returned before it began
	Refused int    // how many of its lines were refused
	Rows    int    // that the answer may have; 0: any number
}

// mostKnown bounds what Known returns; problems beyond it count as new.
const mostKnown = 100_000

// problemHash is the length of what Known keeps of a problem.
const problemHash = 8

// Known notes the problems of a configuration for EndPaste. The form is EndPaste's own.
func (l *Language) Known(cfg *config.Config, env check.Env) []byte {
	var known []byte
	for _, p := range l.findings(cfg, env) {
		if len(known) < mostKnown*problemHash {
			known = binary.BigEndian.AppendUint64(known, p.Hash())
		}
	}
	return known
}

// EndPaste writes which problems a paste has brought, the gravest first and in as much detail as the rows allow, and one line that
// counts everything. failed: there are errors.
func (l *Language) EndPaste(cfg *config.Config, env check.Env, p Paste, out io.Writer) (failed bool) {
	found := l.findings(cfg, env)
	known := map[uint64]bool{}
	for b := p.Known; len(b) >= problemHash; b = b[problemHash:] {
		known[binary.BigEndian.Uint64(b)] = true
	}
	fresh := check.Merge(slices.DeleteFunc(slices.Clone(found), func(x check.Problem) bool { return known[x.Hash()] }))
	gravestFirst(fresh)
	all := check.Merge(found)
	whole := writeProblems(out, fresh, p.Rows-2)
	count := countProblems(all)
	if len(all) == 0 && p.Refused == 0 {
		fmt.Fprintln(out, "No problems.")
		return false
	}
	text := plural.Of(count[check.Error]+p.Refused, "error")
	if p.Refused > 0 {
		text += fmt.Sprintf(" (%s refused)", plural.Of(p.Refused, "line"))
	}
	text += fmt.Sprintf(", %s, %s", plural.Of(count[check.Warning], "warning"), plural.Of(count[check.Note], "note"))
	if len(fresh) < len(all) {
		text += fmt.Sprintf("; %s new", isAre(len(fresh)))
	}
	if !whole || len(fresh) < len(all) {
		text += "; see show config problems"
	}
	fmt.Fprintln(out, text)
	return p.Refused+count[check.Error] > 0
}

func isAre(n int) string {
	switch n {
	case 0:
		return "none is"
	case 1:
		return "1 is"
	}
	return fmt.Sprintf("%d are", n)
}

func gravestFirst(list []check.Problem) {
	slices.SortStableFunc(list, func(a, b check.Problem) int { return cmp.Compare(a.Severity, b.Severity) })
}

func countProblems(list []check.Problem) map[check.Severity]int {
	count := map[check.Severity]int{}
	for _, p := range list {
		count[p.Severity]++
	}
	return count
}

// writeProblems writes problems within rows, 0 or less for any number: all that is known of as many as can be, and a line each of the
// others, or of the first ones only. It reports whether that was all that is known.
func writeProblems(out io.Writer, list []check.Problem, rows int) (whole bool) {
	var long, short []string
	for _, p := range list {
		long, short = append(long, p.Explained()), append(short, fmt.Sprintf("%s: %s\n", p.Severity, printable.Line(p.Text)))
	}
	if text := strings.Join(long, ""); rows <= 0 || rowsOf(text) <= rows {
		io.WriteString(out, text)
		return true
	}
	for n := len(list) - 1; n >= 0 && len(list) <= rows; n-- {
		if text := strings.Join(long[:n], "") + strings.Join(short[n:], ""); rowsOf(text) <= rows {
			io.WriteString(out, text)
			return false
		}
	}
	rows-- // for the rest
	n := 0
	for ; n < len(short); n++ {
		if rows -= rowsOf(short[n]); rows < 0 {
			break
		}
		io.WriteString(out, short[n])
	}
	if n < len(list) {
		count := countProblems(list[n:])
		var rest []string
		for _, s := range []check.Severity{check.Error, check.Warning, check.Note} {
			if count[s] > 0 {
				rest = append(rest, plural.Of(count[s], s.String()))
			}
		}
		fmt.Fprintf(out, "and %s more\n", strings.Join(rest, ", "))
	}
	return false
}

// screenWidth is how wide a terminal is at least.
const screenWidth = 80

// rowsOf is how many rows of a terminal a text takes.
func rowsOf(text string) (n int) {
	for line := range strings.Lines(text) {
		n += max(1, (utf8.RuneCountInString(strings.TrimRight(line, "\n"))+screenWidth-1)/screenWidth)
	}
	return n
}
