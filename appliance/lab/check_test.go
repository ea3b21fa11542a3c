package lab

import (
	"encoding/json"
	"testing"

	"viaduct/appliance/status"
)

// check is `check OF json`.
func (r *running) check(of string) (c status.Checkup) {
	r.t.Helper()
	text := r.says("check " + of + " json")
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		r.t.Fatalf("%v: %s", err, text)
	}
	return c
}

// says is what the box says to a command.
func (r *running) says(line string) string {
	r.t.Helper()
	text, err := r.box.Exec(r.ctx, line)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// first is the first step that failed, and the others that did.
func first(c status.Checkup) (x status.CheckStep, others []string) {
	for _, s := range c.Steps {
		switch {
		case s.State != status.CheckFailed:
		case x.ID == "":
			x = s
		default:
			others = append(others, s.Title+": "+s.Problem)
		}
	}
	return x, others
}

func TestACheckOfASoundBoxFailsNowhere(t *testing.T) {
	r := runBox(t, Setup{Sessions: 4, Channels: 4})
	text := r.says("check all")
	t.Log(text)
	c := r.check("all")
	for _, s := range c.Steps {
		if s.State != status.CheckOK && s.ID != "emergency" { // the reference configuration names no emergency numbers
			t.Errorf("%s %s: %s", s.State, s.Title, s.Problem)
		}
	}
}
