package answer

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"viaduct/appliance/printable"
)

// Page is what an answer is written to.
type Page struct {
	Out  io.Writer
	Zone *time.Location // in which times are shown
}

// Printf writes a line. Line ends are those of the format: a value of several lines could forge one, such as a fix to paste. Text that
// has lines of its own goes to Out.
func (p Page) Printf(format string, a ...any) {
	values := make([]any, len(a))
	for i, v := range a {
		values[i] = oneLine(v)
	}
	fmt.Fprintf(p.Out, format, values...)
}

// oneLine makes a value that is text printable.
func oneLine(v any) any {
	switch v := v.(type) {
	case error:
		return Sentence(v)
	case []byte:
		return printable.Line(string(v))
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.String {
		return printable.Line(r.String())
	}
	return v
}

// Sentence is an error on one line. Errors that were joined stand on a line each.
func Sentence(err error) string { return printable.Line(strings.ReplaceAll(err.Error(), "\n", "; ")) }

// gap is what stands between two columns, and indent what stands before the columns that did not fit beside the others.
const (
	gap    = "  "
	indent = "    "
)

// screenWidth is how wide a terminal is at least.
const screenWidth = 80

// widestCell is how much of a value a table shows.
const widestCell = 512

// Columns lays a table out. Where it is wider than a screen, its last columns stand on lines of their own below the others.
func (p Page) Columns(rows [][]string) {
	var width []int
	for _, row := range rows {
		for n, cell := range row {
			row[n] = printable.Short(cell, widestCell)
			if n == len(width) {
				width = append(width, 0)
			}
			if n < len(row)-1 || len(row) == len(rows[0]) { // a remark below a row is no column
				width[n] = max(width[n], utf8.RuneCountInString(row[n]))
			}
		}
	}
	breaks := breaksOf(width)
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for n, cell := range row {
			if breaks[n] {
				if line = strings.TrimRight(line, " "); line != "" { // else the row only goes on with the one before it
					b.WriteString(line + "\n")
				}
				line = indent
			}
			line += cell + strings.Repeat(" ", max(0, width[n]-utf8.RuneCountInString(cell))) + gap
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	io.WriteString(p.Out, b.String())
}

// breaksOf are the columns that begin a line, besides the first.
func breaksOf(width []int) map[int]bool {
	breaks := map[int]bool{}
	used := 0
	for n, w := range width {
		if n > 0 && used+w > screenWidth {
			breaks[n] = true
			used = len(indent)
		}
		used += w + len(gap)
	}
	return breaks
}
