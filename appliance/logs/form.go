package logs

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"viaduct/appliance/printable"
)

const (
	// largestStream is what every receiver of RFC 5425 (4.3.1) and rsyslog take.
	largestStream = 8192
	// largestDatagram keeps a message within one packet of most networks (RFC 5426, 3.2).
	largestDatagram = 1400
)

// sdID names our structured data (RFC 5424, 6.3.2): what stands behind the @ is an enterprise number. Nobody has given this product one,
// and 32473 is for examples in documents. 0 is reserved at IANA: no other product's data can be taken for ours.
const sdID = "viaduct@0"

// structured are the attributes that collectors sort by: of which call a message is, or of which alarm, or who did it.
var structured = [...]string{"call", "alarm", "severity", "subject", "account"}

// form is how a record is written.
type form struct {
	hostname string
	old      bool           // RFC 3164
	zone     *time.Location // of times in the old form, which does not name it
}

// format writes a record as one line of at most largestStream octets. id is the kind of message (MSGID).
func (f form) format(facility int, id string, r slog.Record, attrs []slog.Attr) []byte {
	severity := 7
	switch {
	case r.Level >= slog.LevelError:
		severity = 3
	case r.Level >= slog.LevelWarn:
		severity = 4
	case r.Level >= slog.LevelInfo:
		severity = 6
	}
	var b bytes.Buffer
	if f.old {
		fmt.Fprintf(&b, "<%d>%s %s sbcd: ", facility*8+severity, r.Time.In(f.zone).Format(time.Stamp), f.hostname)
	} else {
		fmt.Fprintf(&b, "<%d>1 %s %s sbcd - %s %s ", facility*8+severity, r.Time.UTC().Format("2006-01-02T15:04:05.000000Z"), f.hostname, id, data(r, attrs))
	}
	plain := slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return printable.Attr(groups, a)
	}})
	if err := plain.WithAttrs(attrs).Handle(context.Background(), r); err != nil {
		b.WriteString(printable.Text(r.Message))
	}
	return cut(bytes.TrimRight(b.Bytes(), "\n"), largestStream)
}

// data is the structured data of a record.
func data(r slog.Record, attrs []slog.Attr) string {
	var values [len(structured)]string
	note := func(a slog.Attr) bool {
		for n, name := range structured {
			if a.Key == name {
				values[n] = printable.Text(a.Value.Resolve().String())
			}
		}
		return true
	}
	for _, a := range attrs {
		note(a)
	}
	r.Attrs(note)
	var b strings.Builder
	for n, v := range values {
		if v != "" {
			fmt.Fprintf(&b, " %s=\"%s\"", structured[n], escaper.Replace(v))
		}
	}
	if b.Len() == 0 {
		return "-"
	}
	return "[" + sdID + b.String() + "]"
}

// escaper writes a value as RFC 5424, 6.3.3 wants it.
var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

// cut shortens a line to at most n octets, and leaves no half of a character.
func cut(line []byte, n int) []byte {
	if len(line) <= n {
		return line
	}
	for n > 0 && !utf8.RuneStart(line[n]) {
		n--
	}
	return line[:n]
}
