package lang

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"viaduct/appliance/health"
)

// pasted runs lines as one paste and returns what is said at its end.
func (c *console) pasted(rows int, lines ...string) string {
	p := Paste{Known: c.lang.Known(c.box), Rows: rows}
	for _, line := range lines {
		if c.types(line); c.err != nil {
			p.Refused++
		}
		p.Notes += c.last.Notes
	}
	var out bytes.Buffer
	c.lang.EndPaste(c.box, p, &out)
	return out.String()
}

func TestEndOfAPaste(t *testing.T) {
	reference, err := os.ReadFile("testdata/starface-teams.cfg")
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Split(string(reference), "\n")
	for n := range 60 { // lines of which something is to be said each
		old = append(old, fmt.Sprintf("profile voip OLD%d", n), "media-processing forced", fmt.Sprintf("profile acl A%d", n), "exit")
	}
	for _, x := range []struct {
		name          string
		first, lines  []string
		want, without string
	}{
		{"what was known is counted and not said again", strings.Split(string(reference), "\n"), []string{"banner Hello", "system hostname x"},
			`^0 errors, \d+ warnings?, \d+ notes?; none is new; see show config problems\n$`, ""},
		{"a line that was refused is an error", nil, []string{"banner Hello", "foo bar"}, `^1 error \(1 line refused\), 0 warnings, 0 notes\n$`, ""},
		{"notes at lines", []string{"context ip R", "interface W"}, []string{"ipaddress 192.0.2.1 255.255.255.0", "isdn 0"}, `(?m)^0 errors, \d+ warnings?, 2 notes \(2 at their lines\)`, ""},
		{"nothing to say", nil, []string{"banner Hello"}, `^No problems\.\n$`, ""},
		{"a new problem, with what puts it right", []string{"profile voip VOICE"}, []string{"context cs S", "interface sip I", "use profile voip VOIC"},
			`(?s)^error: no such profile voip: VOIC, did you mean VOICE\?\n  in: .*\n  fix:\n.*    use profile voip VOICE\n.*\d errors?, `, ""},
		{"another line with a note that is known", []string{"profile voip A", "media-processing forced"}, []string{"profile voip B", "media-processing forced"},
			`(?s)^note: .*\n  in: profile voip B / .*\n0 errors, 0 warnings, 1 note`, "profile voip A"},
		{"gravest first", nil, []string{"profile voip A", "media-processing forced", "context cs S", "interface sip I", "use profile voip B"}, `(?s)^error: .*\nnote: `, ""},
		{"more than fits", nil, old, `(?s)^warning: .*\d+ warnings, \d+ notes; see show config problems\n$`, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := configuringConsole(New())
			c.types(x.first...)
			const rows = 23
			got := c.pasted(rows, x.lines...)
			if !regexp.MustCompile(x.want).MatchString(got) || x.without != "" && strings.Contains(got, x.without) {
				t.Errorf("said:\n%s\nwant %s, without %q", got, x.want, x.without)
			}
			if n := rowsOn80(got); n > rows {
				t.Errorf("%d rows:\n%s", n, got)
			}
		})
	}
}

// An alarm that is raised while somebody pastes is none of the paste's problems.
func TestAnAlarmDuringAPasteIsNotNew(t *testing.T) {
	c := configuringConsole(New())
	c.types("profile voip A", "media-processing forced")
	p := Paste{Known: c.lang.Known(c.box), Rows: 20}
	c.box.alarms = []health.Alarm{{Severity: health.Warning, Text: "no name server answers"}}
	var out bytes.Buffer
	if c.lang.EndPaste(c.box, p, &out); !strings.Contains(out.String(), "0 errors, 1 warning, 1 note; none is new") {
		t.Error(out.String())
	}
}

// rowsOn80 is how many rows of 80 columns a text takes.
func rowsOn80(text string) (n int) {
	for line := range strings.Lines(text) {
		n += max(1, (utf8.RuneCountInString(strings.TrimRight(line, "\n"))+79)/80)
	}
	return n
}
