package lang

import (
	"os"
	"testing"
)

func TestReference(t *testing.T) {
	l := New()
	for _, f := range []string{"starface-teams.cfg", "starface-teams-as-printed.cfg"} {
		text, err := os.ReadFile("testdata/" + f)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range l.CheckFile(f, text, Env{}) {
			t.Log(p)
		}
	}
}
