package answer

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"viaduct/appliance/lang/check"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
)

// PasteEnd writes which problems a paste has brought, the gravest first and in as much detail as the rows allow (0 for any number), and one
// line that counts all problems there are, the lines that were refused, and the notes that were said at lines and are no problem of the
// configuration. failed: there are errors, or lines were refused.
func (p Page) PasteEnd(fresh, all []check.Problem, refused, notes, rows int) (failed bool) {
	gravestFirst(fresh)
	whole := p.within(fresh, rows-2)
	count := countProblems(all)
	if len(all)+refused+notes == 0 {
		p.Printf("No problems.\n")
		return false
	}
	text := plural.Of(count[check.Error]+refused, "error")
	if refused > 0 {
		text += fmt.Sprintf(" (%s refused)", plural.Of(refused, "line"))
	}
	text += fmt.Sprintf(", %s, %s", plural.Of(count[check.Warning], "warning"), plural.Of(count[check.Note]+notes, "note"))
	if notes > 0 {
		text += fmt.Sprintf(" (%d at their lines)", notes)
	}
	if len(fresh) < len(all) {
		text += fmt.Sprintf("; %s new", isAre(len(fresh)))
	}
	if !whole || len(fresh) < len(all) {
		text += "; see show config problems"
	}
	p.Printf("%s\n", text)
	return refused+count[check.Error] > 0
}

// Problems writes all that is known of problems, and how many they are.
func (p Page) Problems(list []check.Problem) {
	if len(list) == 0 {
		p.Printf("No problems.\n")
		return
	}
	gravestFirst(list)
	p.within(list, 0)
	count := countProblems(list)
	p.Printf("%s, %s, %s\n", plural.Of(count[check.Error], "error"), plural.Of(count[check.Warning], "warning"), plural.Of(count[check.Note], "note"))
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

// within writes problems within rows, 0 or less for any number: all that is known of as many as can be, and a line each of the
// others, or of the first ones only. It reports whether that was all that is known.
func (p Page) within(list []check.Problem, rows int) (whole bool) {
	var long, short []string
	for _, x := range list {
		long, short = append(long, x.Explained()), append(short, fmt.Sprintf("%s: %s\n", x.Severity, printable.Line(x.Text)))
	}
	if text := strings.Join(long, ""); rows <= 0 || rowsOf(text) <= rows {
		io.WriteString(p.Out, text)
		return true
	}
	for n := len(list) - 1; n >= 0 && len(list) <= rows; n-- {
		if text := strings.Join(long[:n], "") + strings.Join(short[n:], ""); rowsOf(text) <= rows {
			io.WriteString(p.Out, text)
			return false
		}
	}
	rows-- // for the rest
	n := 0
	for ; n < len(short); n++ {
		if rows -= rowsOf(short[n]); rows < 0 {
			break
		}
		io.WriteString(p.Out, short[n])
	}
	if n < len(list) {
		count := countProblems(list[n:])
		var rest []string
		for _, s := range []check.Severity{check.Error, check.Warning, check.Note} {
			if count[s] > 0 {
				rest = append(rest, plural.Of(count[s], s.String()))
			}
		}
		fmt.Fprintf(p.Out, "and %s more\n", strings.Join(rest, ", "))
	}
	return false
}

// rowsOf is how many rows of a terminal a text takes.
func rowsOf(text string) (n int) {
	for line := range strings.Lines(text) {
		n += max(1, (utf8.RuneCountInString(strings.TrimRight(line, "\n"))+screenWidth-1)/screenWidth)
	}
	return n
}
