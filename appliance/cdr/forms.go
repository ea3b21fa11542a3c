package cdr

import (
	"encoding/csv"
	"log/slog"
	"regexp"
	"strings"

	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// Header is the first row of a table of records.
func Header() string {
	names := make([]string, len(fields))
	for n, f := range fields {
		names[n] = f.name
	}
	return join(names)
}

// Row is a record as a row (RFC 4180), without the line end.
func Row(r status.Record) string {
	values := make([]string, len(fields))
	for n, f := range fields {
		s, foreign := text(f.value(&r))
		if foreign {
			s = inert(printable.Line(s))
		}
		values[n] = s
	}
	return join(values)
}

func join(values []string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Write(values) // a Builder takes everything
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// inert puts an apostrophe in front of text that a spreadsheet would take for a formula, +49 as well: spreadsheets read it as the sign of text.
// So it does behind a semicolon, which is where spreadsheets in Germany begin the next cell, also within quotes.
func inert(s string) string { return formula.ReplaceAllString(s, "$1'$2") }

var formula = regexp.MustCompile(`((?:^|;)[\s"]*)([=+\-@＝＋－＠|%])`)

// Attrs is a record as attributes of a log line, in the order of the columns, without those that are empty. The id is called call, as in the
// other lines of the log.
func Attrs(r status.Record) []slog.Attr {
	attrs := make([]slog.Attr, 0, len(fields))
	for _, f := range fields {
		if s, _ := text(f.value(&r)); s != "" {
			name := f.name
			if name == "id" {
				name = "call"
			}
			attrs = append(attrs, slog.String(name, s))
		}
	}
	return attrs
}
