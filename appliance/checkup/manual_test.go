package checkup

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/checks.md")

func TestManual(t *testing.T) {
	const path = "../../docs/checks.md"
	if *update {
		if err := os.WriteFile(path, []byte(Manual()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != Manual() {
		t.Errorf("%s is not current (%v): make docs", path, err)
	}
}
