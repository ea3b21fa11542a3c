package callstate

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// reachable are all states that a diagram leads to from a first one.
func reachable[S comparable](first S, next func(S) []S) []S {
	found := []S{first}
	for i := 0; i < len(found); i++ {
		for _, n := range next(found[i]) {
			if !slices.Contains(found, n) {
				found = append(found, n)
			}
		}
	}
	return found
}

func TestStateDiagram(t *testing.T) {
	if n := len(reachable(Routing, func(s State) []State { return states[s].next })); n != len(states) {
		t.Errorf("%d of %d states can be reached", n, len(states))
	}
	names := map[string]bool{}
	for s := range State(len(states)) {
		i := states[s]
		if names[s.String()] || s.String() == "" || s.Explain() == "" {
			t.Errorf("state %d has no name or meaning of its own: %q %q", s, s, s.Explain())
		}
		names[s.String()] = true
		if s != Ended && !slices.Contains(i.next, Ended) {
			t.Errorf("%s cannot end", s)
		}
		if i.callee && !i.caller {
			t.Errorf("%s: a call whose callee alone is answered", s)
		}
		for _, to := range i.next {
			if to == Ended {
				continue
			}
			if n := states[to]; i.caller && !n.caller || i.callee && !n.callee || n.stage < i.stage {
				t.Errorf("an answer is taken back from %s to %s", s, to)
			}
		}
		text, err := json.Marshal(s)
		var back State
		if err != nil || json.Unmarshal(text, &back) != nil || back != s {
			t.Errorf("%s is written %s and read %s, %v", s, text, back, err)
		}
	}
	var s State
	if json.Unmarshal([]byte(`"flying"`), &s) == nil {
		t.Error("a state that does not exist was read")
	}
	if len(states[Ended].next) != 0 {
		t.Error("there is something after the end")
	}
}

func TestTransferDiagram(t *testing.T) {
	if n := len(reachable(TargetCalled, func(s Target) []Target { return targets[s].next })); n != len(targets) {
		t.Errorf("%d of %d states can be reached", n, len(targets))
	}
	for s, i := range targets {
		for _, to := range i.next {
			if Target(s).Heard() && !to.Heard() {
				t.Errorf("the transferee is turned back to who is about to leave: %s to %s", Target(s), to)
			}
		}
	}
}

// The diagram in the docs is that of the code.
func TestStateDiagramInTheDocs(t *testing.T) {
	var b strings.Builder
	b.WriteString("| state | what it means | next |\n|---|---|---|\n")
	for s := range State(len(states)) {
		var next []string
		for _, n := range states[s].next {
			next = append(next, n.String())
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s, s.Explain(), strings.Join(next, ", "))
	}
	docs, err := os.ReadFile("../../docs/architecture.md")
	if err != nil || !strings.Contains(string(docs), b.String()) {
		t.Errorf("docs/architecture.md should hold, %v:\n%s", err, b.String())
	}
}
