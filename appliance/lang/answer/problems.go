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

// PasteEnd reports the problems that a paste has caused, the most severe first, in as much detail as the rows allow (0: any number). One
// line counts all problems, the rejected lines, and the notes that lines have printed. It reports failure if there are errors or
// rejected lines.
func (pg Page) PasteEnd(fresh, all []check.Problem, refused, notes, rows int) (failed bool) {
	gravestFirst(fresh)
	whole := pg.within(fresh, rows-2)
	count := countProblems(all)
	if len(all)+refused+notes == 0 {
		pg.Printf("No problems.\n")
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
	pg.Folded("", text)
	return refused+count[check.Error] > 0
}

// Problems prints problems in full, and their number.
func (pg Page) Problems(list []check.Problem) {
	if len(list) == 0 {
		pg.Printf("No problems.\n")
		return
	}
	gravestFirst(list)
	pg.within(list, 0)
	count := countProblems(list)
	pg.Printf("%s, %s, %s\n", plural.Of(count[check.Error], "error"), plural.Of(count[check.Warning], "warning"), plural.Of(count[check.Note], "note"))
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

// within prints problems within so many rows (0 or less: any number): as many as possible in full, the others in one line each, or only
// the first ones. It reports whether all were printed in full.
func (pg Page) within(list []check.Problem, rows int) (whole bool) {
	var long, short []string
	for _, x := range list {
		long, short = append(long, explained(x)), append(short, fmt.Sprintf("%s: %s\n", x.Severity, printable.Line(x.Text)))
	}
	if text := strings.Join(long, ""); rows <= 0 || rowsOf(text) <= rows {
		io.WriteString(pg.Out, text)
		return true
	}
	for n := len(list) - 1; n >= 0 && len(list) <= rows; n-- {
		if text := strings.Join(long[:n], "") + strings.Join(short[n:], ""); rowsOf(text) <= rows {
			io.WriteString(pg.Out, text)
			return false
		}
	}
	rows-- // for the rest
	n := 0
	for ; n < len(short); n++ {
		if rows -= rowsOf(short[n]); rows < 0 {
			break
		}
		io.WriteString(pg.Out, short[n])
	}
	if n < len(list) {
		count := countProblems(list[n:])
		var rest []string
		for _, s := range []check.Severity{check.Error, check.Warning, check.Note} {
			if count[s] > 0 {
				rest = append(rest, plural.Of(count[s], s.String()))
			}
		}
		fmt.Fprintf(pg.Out, "and %s more\n", strings.Join(rest, ", "))
	}
	return false
}

// explained is a problem in full: its text, where it is and its fixes. The lines to paste are not folded.
func explained(p check.Problem) string {
	var b strings.Builder
	for _, line := range fold(p.Severity.String()+": ", p.Text) {
		fmt.Fprintf(&b, "%s\n", line)
	}
	for _, w := range append([]check.Where{{Path: p.Path, Source: p.Source}}, p.Also[:min(len(p.Also), check.AlsoShown)]...) {
		if w.Source != "" {
			for _, line := range fold("  in: ", strings.Join(append(slices.Clone(w.Path), w.Source), " / ")) {
				fmt.Fprintf(&b, "%s\n", line)
			}
		}
	}
	if more := len(p.Also) - check.AlsoShown; more > 0 {
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

// rowsOf returns how many rows of a terminal a text fills.
func rowsOf(text string) (n int) {
	for line := range strings.Lines(text) {
		n += max(1, (utf8.RuneCountInString(strings.TrimRight(line, "\n"))+ScreenWidth-1)/ScreenWidth)
	}
	return n
}
