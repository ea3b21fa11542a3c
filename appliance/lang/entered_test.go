package lang

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// Who enters a line with its question mark, in a paste or as `ssh NAME@BOX 'show ?'`, gets the help that the key alone shows.
func TestAnEnteredQuestionMarkIsAnsweredWithHelp(t *testing.T) {
	c := configuringConsole(New())
	for line, want := range map[string]string{
		"show ?":       "  running-config  The active configuration\n",
		"?":            "  reload",
		"show clock ?": "  <cr>  Date and time\n",
	} {
		out := c.types(line)
		if !strings.Contains(out, want) || strings.Contains(out, "%") {
			t.Errorf("%s says %q, want %q", line, out, want)
		}
		for row := range strings.Lines(out) {
			if utf8.RuneCountInString(row) > 81 {
				t.Errorf("%s: a line is wider than the screen: %s", line, row)
			}
		}
	}
	for _, line := range []string{"frobnicate ?", "show clock? ", "show foo ?"} {
		if out := c.types(line); !strings.Contains(out, "% ") {
			t.Errorf("%s says %q, want a refusal", line, out)
		}
	}
}

// A refusal is short: a list of forty words hides which one was wrong.
func TestARefusalDoesNotListDozensOfWords(t *testing.T) {
	c := configuringConsole(New())
	for line, want := range map[string]string{
		"show":          "% incomplete: expected one of ",
		"show nonsense": "% unknown word \"nonsense\", expected one of ",
		"show sip":      "% incomplete: expected registrations, penalty-box, events or bindings\n",
		"show versoin":  "did you mean version?\n",
	} {
		if out := c.types(line); !strings.Contains(out, want) || len(out) > 200 {
			t.Errorf("%s says %q, want %q", line, out, want)
		}
	}
}

// The tables of the vendor's guide have users with long names: each has a line of its own.
func TestTheListOfTheCallRouterIsNoWiderThanTheScreen(t *testing.T) {
	c := configuringConsole(New())
	text, err := os.ReadFile("testdata/starface-teams.cfg")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		c.types(strings.TrimSuffix(line, "\n"))
	}
	out := c.types("show call-router")
	if !strings.Contains(out, "    if_sip_microsoft-directrouting-primary\n    if_sip_microsoft-directrouting-secondary\n") {
		t.Errorf("show call-router:\n%s", out)
	}
	for line := range strings.Lines(out) {
		if utf8.RuneCountInString(line) > 81 {
			t.Errorf("wider than the screen: %s", line)
		}
	}
}
