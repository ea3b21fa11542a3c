package lang

import (
	"io"
	"strings"
	"unicode/utf8"

	"viaduct/appliance/printable"
)

// gap is what stands between two columns, and indent what stands before the columns that did not fit beside the others.
const (
	gap    = "  "
	indent = "    "
)

// widestCell is how much of a value a table shows.
const widestCell = 512

// columns lays a table out. Where it is wider than a screen, its last columns stand on lines of their own below the others.
func (c *call) columns(rows [][]string) {
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
	io.WriteString(c.out, b.String())
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
