package call_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/lang/answer"
)

// TestExplanations makes the calls of testdata/explained, which are scenarios, and compares what `show calls explain` says of them with
// the golden file beside each.
func TestExplanations(t *testing.T) {
	files, err := filepath.Glob("testdata/explained/*.sip")
	if err != nil || len(files) == 0 {
		t.Fatalf("no calls: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".sip"), func(t *testing.T) {
			s, err := readScenario(file)
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				play(t, w, s)
				w.mu.Lock()
				defer w.mu.Unlock()
				for _, r := range w.records {
					r.ID = "1a2b3c4d"
					answer.Page{Out: &text, Zone: time.UTC}.Explanation(r, time.Now())
				}
			})
			golden := strings.TrimSuffix(file, ".sip") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if text.String() != string(want) {
				t.Errorf("%s is another now:\n%s", golden, text.String())
			}
		})
	}
}
