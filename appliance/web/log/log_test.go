package log

import "testing"

// What a browser asks for is one line of the language, whatever stands in its fields.
func TestAFilterIsOneCommand(t *testing.T) {
	for want, f := range map[string]filter{
		"show log last 300 raw":                             {Severity: "debug"},
		"show log last 300 raw severity error":              {Severity: "error", Text: "x"},
		`show log last 300 raw severity warning call "a b"`: {Severity: "warning", Call: "a b"},
		`show log last 300 raw call "a\" severity error"`:   {Severity: "debug", Call: `a" severity error`},
	} {
		if got := f.line(300, false); got != want {
			t.Errorf("%+v: %s, want %s", f, got, want)
		}
	}
	if got, want := (filter{Severity: "error"}).line(50, true), "show log last 50 raw follow severity error"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for text, want := range map[string]bool{"": true, "TEAMS": true, "pbx": false} {
		if got := (filter{Text: text}).takes("peer of if_teams is up"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// A line that is none of ours is shown as it is.
func TestLinesOfThePage(t *testing.T) {
	const head = "time=2026-11-30T12:00:00Z level="
	for text, want := range map[string][3]string{
		head + `ERROR msg="it fails" err=x`: {"error", "error", "it fails"},
		head + "WARN msg=away":              {"warning", "warning", "away"},
		head + "INFO msg=up":                {"info", "informational", "up"},
		head + "DEBUG msg=calling":          {"off", "debug", "calling"},
		"panic: runtime error":              {"off", "other", "panic: runtime error"},
		head + "LOUD msg=x":                 {"off", "other", head + "LOUD msg=x"},
		"":                                  {"off", "other", ""},
	} {
		r := rowOf(text)
		if got := [3]string{r.Kind, r.Severity, r.Message}; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if r.Time.IsZero() != (r.Severity == "other") {
			t.Errorf("%q: the time is %v", text, r.Time)
		}
	}
	if r := rowOf(head + `ERROR msg="it fails" err=x`); len(r.Attrs) != 1 || r.Attrs[0].Key != "err" || r.Attrs[0].Value != "x" {
		t.Errorf("%+v", r.Attrs)
	}
}
