package lang

import (
	"strings"
	"testing"
)

// The fix of every problem can be pasted, with what only the administrator knows filled in.
func TestFixesCanBePasted(t *testing.T) {
	known := strings.NewReplacer("ADDRESS", "192.168.1.254", "HOST", "ntp.example.com", "COUNTRY", "49", "PASSWORD", "secret")
	l := New()
	for _, file := range []string{"starface-teams.cfg", "starface-teams-as-printed.cfg"} {
		text := reference(t, file)
		fixes := 0
		for _, p := range l.CheckFile(file, text, Env{}) {
			if p.Fix == "" {
				continue
			}
			fixes++
			c := configuringConsole(l)
			for line := range strings.Lines(string(text)) {
				c.types(line)
			}
			c.types("end", "configure")
			path := p.Path
			if p.FixPath != nil {
				path = p.FixPath
			}
			for _, line := range append(append([]string{}, path...), p.Fix) {
				if out := c.types(known.Replace(line)); strings.Contains(out, "^\n") || strings.Contains(out, "% ") && !strings.Contains(out, "note: ") {
					t.Errorf("%v\nthe line %q says:\n%s", p, line, out)
				}
			}
		}
		if fixes < 3 {
			t.Errorf("%s: %d fixes", file, fixes)
		}
	}
}
