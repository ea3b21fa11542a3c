package lang

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// checked is a box whose check has two steps. seen is what was printed when the second one began.
type checked struct {
	busyBox
	out  *strings.Builder
	seen string
}

func (b *checked) Check(_ context.Context, of string, report func(status.CheckStep)) status.Checkup {
	steps := []status.CheckStep{{ID: "clock", Title: "the clock", State: status.CheckOK}, {ID: "names", State: status.CheckFailed, Problem: "a\nb\x1b[2J"}}
	for n, s := range steps {
		if n == 1 {
			b.seen = b.out.String()
		}
		report(s)
	}
	return status.Checkup{Of: of, Steps: steps}
}

// With jsonl each step is a line as soon as it is done, and the outcome the last one.
func TestStepsOfACheckAsLinesOfJSON(t *testing.T) {
	var out strings.Builder
	box := &checked{busyBox: busyBox{newBox()}, out: &out}
	if _, err := New().Exec(t.Context(), box, &Session{Class: config.Operator}, "check all jsonl", nil, &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	var first, second status.CheckStep
	var all status.Checkup
	for n, into := range []any{&first, &second, &all} {
		if n >= len(lines) || json.Unmarshal([]byte(lines[n]), into) != nil {
			t.Fatalf("%q", lines)
		}
	}
	if len(lines) != 3 || box.seen != lines[0]+"\n" || first.ID != "clock" || second.State != status.CheckFailed || all.Of != "all" || len(all.Steps) != 2 || strings.Contains(out.String(), "\x1b") {
		t.Errorf("%q; before the second step: %q", lines, box.seen)
	}
}
