package hubcli

import (
	"flag"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every `hub ...` of the docs is a command that there is, with flags that it has and as many words as it takes.
func TestCommandsOfTheDocs(t *testing.T) {
	inline := regexp.MustCompile("`hub ([^`]*)`|(?m)^    (?:.*[ (|])?hub ((?:node|box|operator|license|customer|authority|init|run|show|unit|boxes|alarms|calls|connect) .*)$")
	looked := 0
	for _, page := range []string{"fleet.md", "licenses.md", "operation.md"} {
		text, err := os.ReadFile("../../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inline.FindAllStringSubmatch(string(text), -1) {
			line := m[1] + m[2]
			for _, end := range []string{" > ", "   ", "' ", ")", "..."} { // what a shell does with it, what it is for
				line, _, _ = strings.Cut(line, end)
			}
			args := strings.Fields(line)
			if host := len(args) > 0 && strings.Contains(args[0], "."); host || len(args) == 0 {
				continue // the line `hub HOST` of a box
			}
			looked++
			c, rest := find(args)
			if c == nil {
				t.Errorf("%s: there is no command `hub %s`", page, line)
				continue
			}
			flags := flag.NewFlagSet("hub", flag.ContinueOnError)
			flags.SetOutput(io.Discard)
			flags.String("dir", "", "")
			c.make(flags)
			words := 0
			for len(rest) > 0 {
				if err := flags.Parse(rest); err != nil {
					t.Errorf("%s: `hub %s`: %v", page, line, err)
					break
				}
				if rest = flags.Args(); len(rest) > 0 {
					words, rest = words+1, rest[1:]
				}
			}
			if most := len(strings.Fields(c.args)); words > most {
				t.Errorf("%s: `hub %s` has %d words, not up to %d", page, line, words, most)
			}
		}
	}
	if looked < 30 {
		t.Errorf("only %d commands were found", looked)
	}
}
