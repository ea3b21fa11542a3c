// Package logline reads a line of the log back: when, how grave, what, and the attributes. It selects lines, and lays them out for people.
//
// It owns neither the log nor the form in which slog writes it. It has no goroutines.
package logline

import (
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"viaduct/appliance/printable"
)

// Line is a line of the log.
type Line struct {
	Time    time.Time
	Level   slog.Level
	Message string
	Attrs   []Attr
}

// Attr is an attribute of a line.
type Attr struct{ Key, Value string }

// Parse reads a line as slog.TextHandler writes it. false: it is none.
func Parse(text string) (Line, bool) {
	var l Line
	for n, rest := 0, text; rest != ""; n++ {
		key, value, after, ok := pair(rest)
		if !ok {
			return Line{}, false
		}
		rest = after
		var err error
		switch {
		case n == 0 && key == slog.TimeKey:
			l.Time, err = time.Parse(time.RFC3339, value)
		case n == 1 && key == slog.LevelKey:
			err = l.Level.UnmarshalText([]byte(value))
		case n == 2 && key == slog.MessageKey:
			l.Message = value
		case n < 3:
			return Line{}, false
		default:
			l.Attrs = append(l.Attrs, Attr{key, value})
		}
		if err != nil {
			return Line{}, false
		}
	}
	return l, !l.Time.IsZero()
}

// pair cuts the first key=value off, and the blank behind it.
func pair(text string) (key, value, rest string, ok bool) {
	if key, text, ok = token(text); !ok || !strings.HasPrefix(text, "=") {
		return "", "", "", false
	}
	if value, rest, ok = token(text[1:]); !ok || rest != "" && rest[0] != ' ' {
		return "", "", "", false
	}
	return key, value, strings.TrimPrefix(rest, " "), true
}

// token cuts a word off, in quotes or up to the next blank or =.
func token(text string) (word, rest string, ok bool) {
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", "", false
		}
		word, err = strconv.Unquote(quoted)
		return word, text[len(quoted):], err == nil
	}
	end := strings.IndexAny(text, " =")
	if end < 0 {
		end = len(text)
	}
	return text[:end], text[end:], true
}

// Selection is which lines somebody wants.
type Selection struct {
	Least slog.Level
	Call  string // with this call; "": any
}

// Takes reports whether a line is selected. One that is not of the log's form is only taken when all are.
func (s Selection) Takes(text string) bool {
	if s == (Selection{Least: slog.LevelDebug}) {
		return true
	}
	l, ok := Parse(text)
	return ok && l.Level >= s.Least && (s.Call == "" || slices.ContainsFunc(l.Attrs, func(a Attr) bool {
		return (a.Key == "call" || a.Key == "other") && a.Value == s.Call
	}))
}

// Levels are the words of severities, as syslog-client has them.
var Levels = map[string]slog.Level{"error": slog.LevelError, "warning": slog.LevelWarn, "informational": slog.LevelInfo, "debug": slog.LevelDebug}

const (
	// stamp is the form of times: the log is in UTC.
	stamp = "Jan _2 15:04:05.000"
	// below is the indent of lines that go on.
	below = "        "
)

// Lay lays a line out for people, in lines of at most width characters; 0: in one line. A word that is longer than a line is not broken,
// so that it can be copied. A line that is not of the log's form stays as it is.
func Lay(text string, width int) []string {
	l, ok := Parse(text)
	if !ok {
		return []string{printable.Line(text)}
	}
	words := []string{l.Time.UTC().Format(stamp), severity(l.Level)}
	words = append(words, strings.Fields(printable.Line(l.Message))...)
	for _, a := range l.Attrs {
		if a.Key == "err" && !strings.ContainsAny(a.Value, `="`) { // or it could pass for other attributes
			words[len(words)-1] += ":"
			words = append(words, strings.Fields(printable.Line(a.Value))...)
		}
	}
	for _, a := range l.Attrs {
		if a.Key == "err" && !strings.ContainsAny(a.Value, `="`) {
			continue
		}
		value := printable.Line(a.Value)
		if value == "" || strings.ContainsAny(value, ` ="`) {
			value = strconv.Quote(value)
		}
		attr := strings.Split(printable.Line(a.Key)+"="+value, " ")
		attr[0] = " " + attr[0] // two blanks stand before an attribute
		words = append(words, attr...)
	}
	return fold(words, width)
}

// severity is a level as a word, in a column.
func severity(l slog.Level) string {
	word := "debug  "
	switch {
	case l >= slog.LevelError:
		word = "error  "
	case l >= slog.LevelWarn:
		word = "warning"
	case l >= slog.LevelInfo:
		word = "info   "
	}
	return word
}

func fold(words []string, width int) (lines []string) {
	line := ""
	for n, w := range words {
		switch {
		case n == 0:
			line = w
		case width > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > width:
			lines, line = append(lines, strings.TrimRight(line, " ")), below+strings.TrimLeft(w, " ")
		default:
			line += " " + w
		}
	}
	return append(lines, line)
}
