// Package answer lays out what commands print: tables that fit a terminal, the state of the box, the problems of a configuration, the
// differences between two configurations, and the filters behind a command.
//
// The package formats plain values, mostly of package status. It owns the wording and the layout of answers. It does not fetch anything and
// does not know which command it answers. It has no goroutines. Page.Printf turns every value into one line of printable characters, so
// text from a peer cannot forge a line.
package answer

import (
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"viaduct/appliance/printable"
)

// Page is the output of a command.
type Page struct {
	Out  io.Writer
	Zone *time.Location // for times
}

// Printf writes lines. Only the format may have line ends: a value with a line end could forge a line, such as a fix to paste. Text with
// several lines is written to Out.
func (pg Page) Printf(format string, a ...any) {
	values := make([]any, len(a))
	for i, v := range a {
		values[i] = oneLine(v)
	}
	fmt.Fprintf(pg.Out, format, values...)
}

// oneLine makes text printable and leaves other values alone.
func oneLine(v any) any {
	switch v := v.(type) {
	case error:
		return Sentence(v)
	case []byte:
		return printable.Line(string(v))
	case netip.Addr, netip.AddrPort, netip.Prefix: // an address of IPv6 may have a zone, which is any text
		return printable.Line(fmt.Sprint(v))
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.String {
		return printable.Line(r.String())
	}
	return v
}

// Sentence formats an error on one line; joined errors have several.
func Sentence(err error) string { return printable.Line(strings.ReplaceAll(err.Error(), "\n", "; ")) }

// JSON writes JSON as a line. It stays JSON, which the escapes of Printf are not.
func (pg Page) JSON(text []byte) error {
	_, err := fmt.Fprintf(pg.Out, "%s\n", printable.JSON(text))
	return err
}

// Folded writes prose behind a head, and goes on below it where the screen ends. Lines to paste are not folded.
func (pg Page) Folded(head, text string) {
	for _, line := range fold(head, text) {
		pg.Printf("%s\n", line)
	}
}

func fold(head, text string) []string {
	var lines []string
	line := head
	for n, word := range strings.Fields(printable.Line(text)) {
		if n > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > ScreenWidth {
			lines = append(lines, line)
			line = strings.Repeat(" ", utf8.RuneCountInString(head))
		} else if n > 0 {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// gap separates two columns. indent precedes the columns that are continued on the next line.
const (
	gap    = "  "
	indent = "    "
)

// ScreenWidth is how wide a text is laid out: every terminal has that width.
const ScreenWidth = 80

// widestCell limits the length of a value in a table.
const widestCell = 512

// Columns prints a table. If it is wider than the screen, the last columns of each row continue on further lines.
func (pg Page) Columns(rows [][]string) { pg.columns(rows, ScreenWidth) }

func (pg Page) columns(rows [][]string, screen int) {
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
	breaks := breaksOf(width, screen)
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
	io.WriteString(pg.Out, b.String())
}

// breaksOf returns the columns that start a further line.
func breaksOf(width []int, screen int) map[int]bool {
	breaks := map[int]bool{}
	used := 0
	for n, w := range width {
		if n > 0 && used+w > screen {
			breaks[n] = true
			used = len(indent)
		}
		used += w + len(gap)
	}
	return breaks
}
