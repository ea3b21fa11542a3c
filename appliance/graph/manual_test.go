package graph_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"viaduct/appliance/graph"
)

var update = flag.Bool("update", false, "write the table of docs/presence.md")

// docs/presence.md tells of each code what the box says of it.
func TestTheManualHasTheCodes(t *testing.T) {
	const manual, begin, end = "../../docs/presence.md", "<!-- sign-in codes: begin -->\n", "<!-- sign-in codes: end -->\n"
	file, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(file), begin)
	got, tail, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no table of codes", manual)
	}
	want := "| AADSTS | means | what to do |\n|---|---|---|\n"
	for _, c := range graph.SignInCodes() {
		want += fmt.Sprintf("| %s | %s | %s |\n", strings.Trim(strings.ReplaceAll(fmt.Sprint(c.Numbers), " ", ", "), "[]"), c.Means, c.Cure)
	}
	if *update {
		if err := os.WriteFile(manual, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("go test ./appliance/graph -run Manual -update renews %s:\n%s", manual, diff)
	}
}
