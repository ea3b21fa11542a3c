package call_test

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/lang/answer"
	"viaduct/appliance/messages"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// TestExplanations makes the calls of testdata/explained, which are scenarios, and compares what `show calls explain` and `show calls ladder`
// say of them with the golden file beside each.
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
				w.messages = messages.New()
				play(t, w, s)
				w.mu.Lock()
				defer w.mu.Unlock()
				page := answer.Page{Out: &text, Zone: time.UTC}
				for _, r := range w.records {
					r.ID = "1a2b3c4d"
					page.Explanation(r, time.Now())
					text.WriteString("\n")
					page.Ladder(w.ladder(r), false)
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

// traced keeps a message, where they are kept.
func (w *world) traced(e siptransport.TraceEntry) {
	if w.messages != nil {
		w.messages.Trace(e)
	}
}

// ladder are the messages of a call.
func (w *world) ladder(r status.Record) status.CallTrace {
	t := status.CallTrace{ID: r.ID, Calling: r.Calling, Called: r.Called, Legs: []status.TraceLeg{{Interface: r.From, CallID: r.CallID}}}
	for _, a := range r.Attempts {
		if a.CallID != "" {
			t.Legs = append(t.Legs, status.TraceLeg{Interface: a.Interface, CallID: a.CallID})
		}
	}
	w.messages.Fill(&t)
	// What the box sends at once has no order of its own, on several legs, nor a response and a request on one.
	for n := 0; n < len(t.Messages); n++ {
		end := n
		for end < len(t.Messages) && t.Messages[end].Sent && t.Messages[end].Time.Sub(t.Messages[n].Time) < time.Millisecond {
			end++
		}
		slices.SortStableFunc(t.Messages[n:max(n, end)], func(a, b status.TraceMessage) int {
			return cmp.Or(a.Leg-b.Leg, min(b.Code, 1)-min(a.Code, 1))
		})
		n = max(n, end-1)
	}
	return t
}
