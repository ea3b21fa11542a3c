package lang

import (
	"os"
	"testing"
)

func TestReference(t *testing.T) {
	l := New()
	text, err := os.ReadFile("testdata/starface-teams.cfg")
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems := l.Parse(text)
	for _, p := range problems {
		t.Log(p.Line, p)
	}
	t.Logf("%s", l.Print(cfg, false))
}
