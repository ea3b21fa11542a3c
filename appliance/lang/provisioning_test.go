package lang

import (
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/provisioning"
)

func TestPhonesAreLetIn(t *testing.T) {
	l, b := New(), busyBox{newBox()}
	s := &Session{Class: config.Administrator, Mode: []string{"enable"}, User: "anna"}
	run := func(line, body string) string {
		var out strings.Builder
		var block []byte
		if body != "" {
			block = []byte(body)
		}
		l.Exec(t.Context(), b, s, line, block, &out)
		return out.String()
	}
	for _, c := range [][3]string{
		{"provisioning open", "", "phones fetch their settings for the first time until 12:30:00; `provisioning close` ends it\n"},
		{"provisioning open 5", "", "phones fetch their settings for the first time until 12:05:00; `provisioning close` ends it\n"},
		{"provisioning open 90", "", "% there is no provisioning-service that is not shut down\n"},
		{"provisioning close", "", "phones fetch from the addresses that they have\n"},
		{"import provisioning-template yealink", "#!version:1.0.0.1\r\nx = 1\r\n", "template yealink taken: phones get it with their next fetch\n"},
		{"import provisioning-template yealink", "x = 1\n", "% the first line is not #!version:1.0.0.1, without which phones take nothing: nothing was changed\n"},
		{"erase provisioning-template snom-common", "", "template snom-common is the built-in one\n"},
	} {
		if got := run(c[0], c[1]); got != c[2] {
			t.Errorf("%s says %q, want %q", c[0], got, c[2])
		}
	}
	if got := run("import provisioning-template cisco", "x"); !strings.HasPrefix(got, "%") {
		t.Errorf("a template that there is not: %q", got)
	}
	operator := &Session{Class: config.Operator}
	for _, line := range []string{"provisioning open", "provisioning close", "import provisioning-template yealink", "erase provisioning-template yealink"} {
		var out strings.Builder
		if l.Exec(t.Context(), b, operator, line, nil, &out); !strings.HasPrefix(out.String(), "%") && !strings.Contains(out.String(), "\n% ") {
			t.Errorf("an operator may %s: %s", line, out.String())
		}
	}
	var names []string
	for _, c := range l.Help(b, s, "erase provisioning-template ", len("erase provisioning-template ")).Choices {
		if !strings.HasPrefix(c.Word, "<") {
			names = append(names, c.Word)
		}
	}
	for _, name := range provisioning.TemplateNames {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not among the templates that ? lists: %q", name, names)
		}
	}
	if len(names) != len(provisioning.TemplateNames) {
		t.Errorf("? lists %q", names)
	}
}
