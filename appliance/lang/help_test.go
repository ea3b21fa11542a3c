package lang

import (
	"strings"
	"testing"
)

// A header line completes to the objects that exist, because it opens them again.
func TestHeadersCompleteToWhatExists(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	for line := range strings.Lines(string(reference(t, "starface-teams.cfg"))) {
		c.types(line)
	}
	for _, x := range []struct{ line, first, insert string }{
		{"profile voip pf_voip_s", "pf_voip_starface", "tarface "},
		{"interface sip if_sip_st", "if_sip_starface", "arface "},
		{"context cs S", "SWITCH", "WITCH "},
		{"profile voip unheard", "<name>", ""},
	} {
		h := l.Help(c.box, &c.s, x.line, len(x.line))
		if h.Insert != x.insert || len(h.Choices) == 0 || h.Choices[0].Word != x.first {
			t.Errorf("%q: %+v", x.line, h)
		}
	}
}

// Every keyword that `show ?` lists says what it is about.
func TestEveryKeywordHasHelp(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	for _, line := range []string{"", "show ", "no ", "show system ", "show context ", "debug ", "show call-router "} {
		for _, x := range l.Help(c.box, &c.s, line, len(line)).Choices {
			if x.Help == "" {
				t.Errorf("%q: %s has no help", line, x.Word)
			}
		}
	}
}
