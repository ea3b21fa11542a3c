package edit

import (
	"strings"
	"testing"
)

// An error is cut at blanks where the screen ends. Other lines may have to be copied, and stay whole.
func TestErrorsAreCutAtBlanks(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 20))
	for text, want := range map[string]string{
		"% " + long + "\n":                       "% " + long[:74] + "\r\n  " + long[75:] + "\r\n",
		"refused: line 1: " + long + "\n":        "refused: line 1: " + long[:59] + "\r\n  " + long[60:] + "\r\n",
		"% short\n":                              "% short\r\n",
		long + "\n":                              long + "\r\n",
		"% " + strings.Repeat("x", 200) + "\n":   "% " + strings.Repeat("x", 200) + "\r\n",
		"% a " + strings.Repeat("x", 100) + "\n": "% a\r\n  " + strings.Repeat("x", 100) + "\r\n",
	} {
		var out strings.Builder
		p := NewPager(NewScreen(&out), true, nil)
		for _, r := range text { // as it comes
			p.Print(string(r))
		}
		p.End()
		if out.String() != want {
			t.Errorf("%q is shown as\n%q, want\n%q", text, out.String(), want)
		}
	}
}
