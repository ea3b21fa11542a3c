package logline

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"viaduct/appliance/printable"
)

// logged is a line as the log has it.
func logged(level slog.Level, message string, attrs ...any) string {
	var out bytes.Buffer
	r := slog.NewRecord(time.Date(2026, 11, 9, 22, 4, 5, 678e6, time.UTC), level, message, 0)
	r.Add(attrs...)
	slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: printable.Attr}).Handle(context.Background(), r)
	return strings.TrimSuffix(out.String(), "\n")
}

const hostile = "x\x1b[2J\nNov  9 22:04:05.678 error   forged\r\u009b31m\u202e\u2028\xff\t\"=y  code=200"

func TestHowALineReads(t *testing.T) {
	for name, x := range map[string]struct{ text, want string }{
		"words alone": {logged(slog.LevelInfo, "the box is up"), "Nov  9 22:04:05.678 info    the box is up"},
		"attributes":  {logged(slog.LevelWarn, "peer is up", "gw", "WAN", "code", 200, "name", "a b"), `Nov  9 22:04:05.678 warning peer is up  gw=WAN  code=200  name="a b"`},
		"a reason":    {logged(slog.LevelError, "clock", "err", errors.New("no answer"), "name", ""), `Nov  9 22:04:05.678 error   clock: no answer  name=""`},
		"a reason that passes for attributes": {logged(slog.LevelDebug, "clock", "err", "x  code=200"),
			`Nov  9 22:04:05.678 debug   clock  err="x  code=200"`},
		"a long one": {logged(slog.LevelInfo, "registration failed", "err", strings.Repeat("word ", 20)+"end", "name", strings.Repeat("x", 120), "gw", "WAN"),
			"Nov  9 22:04:05.678 info    registration failed: word word word word word word word word word word\n" +
				"        word word word word word word word word word word end\n" +
				"        name=" + strings.Repeat("x", 120) + "\n" +
				"        gw=WAN"},
		"not of the log": {"panic: \x1b[2J", `panic: \x1b[2J`},
		"half of one":    {`time=2026-11-09T22:04:05.678Z level=INFO msg="torn`, `time=2026-11-09T22:04:05.678Z level=INFO msg="torn`},
	} {
		if got := strings.Join(Lay(x.text, 100), "\n"); got != x.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, x.want)
		}
		if got := Lay(x.text, 0); len(got) != 1 {
			t.Errorf("%s: %d lines without a width", name, len(got))
		}
	}
}

// A peer's text is on one line of the log, in its place, and steers nothing.
func TestAPeerForgesNothing(t *testing.T) {
	for _, text := range []string{
		logged(slog.LevelInfo, hostile, hostile, hostile, "err", hostile), hostile,
		"time=2026-11-09T22:04:05.678Z level=INFO msg=" + `"\x1b[2J\nNov" a="\u202e"`, // written by somebody else
	} {
		for n, line := range Lay(text, 100) {
			if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) || n > 0 && !strings.HasPrefix(line, below) {
				t.Errorf("%q", line)
			}
		}
	}
}

func TestWhichLinesAreTaken(t *testing.T) {
	warn, info := logged(slog.LevelWarn, "w", "call", "7"), logged(slog.LevelInfo, "joined", "call", "8", "other", "7")
	for name, x := range map[string]struct {
		Selection
		want string
	}{
		"all":             {Selection{Least: slog.LevelDebug}, "torn" + warn + info},
		"severity":        {Selection{Least: slog.LevelWarn}, warn},
		"a call":          {Selection{Least: slog.LevelDebug, Call: "7"}, warn + info},
		"both":            {Selection{Least: slog.LevelWarn, Call: "8"}, ""},
		"a call's prefix": {Selection{Least: slog.LevelDebug, Call: "77"}, ""},
	} {
		got := ""
		for _, line := range []string{"torn", warn, info} {
			if x.Takes(line) {
				got += line
			}
		}
		if got != x.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What slog writes is read back as it was, and anything else does no harm.
func FuzzParse(f *testing.F) {
	f.Add("msg", "key", "value")
	f.Add(hostile, "a b", hostile)
	f.Add(`time=x level=y msg="`, "", `"`)
	f.Fuzz(func(t *testing.T, message, key, value string) {
		for _, line := range Lay(message, 40) {
			if strings.ContainsFunc(line, unicode.IsControl) {
				t.Errorf("%q", line)
			}
		}
		l, ok := Parse(logged(slog.LevelInfo, message, key, value))
		if !utf8.ValidString(message+key+value) || key == "" || key == "!BADKEY" {
			return
		}
		short := func(s string) string { return printable.Short(s, 1024) }
		if !ok || l.Message != short(message) || len(l.Attrs) != 1 || l.Attrs[0] != (Attr{key, short(value)}) {
			t.Errorf("%v: %+v of %q %q %q", ok, l, message, key, value)
		}
	})
}
