package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/presence.md has a row for each state, with what follows from it by default.
func TestTheManualHasTheDefaultsOfPresence(t *testing.T) {
	text, err := os.ReadFile("../../docs/presence.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range PresenceStates {
		m := DefaultPresence(s)
		var follows []string
		if m.Refuse != 0 {
			follows = append(follows, fmt.Sprint("refuse ", m.Refuse))
		}
		if m.Publish {
			follows = append(follows, "publish")
		}
		if m.StarfaceDND {
			follows = append(follows, "starface-dnd")
		}
		if len(follows) == 0 {
			follows = []string{"none"}
		}
		_, row, found := strings.Cut(string(text), "\n| `"+string(s)+"` | ")
		row, _, _ = strings.Cut(row, "\n")
		if want := "| `" + strings.Join(follows, " ") + "` |"; !found || !strings.HasSuffix(row, want) {
			t.Errorf("the row of %s is %q, and should end in %s", s, row, want)
		}
	}
}
