package call_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the scenarios into the table of docs/teams.md")

const teamsTable = "../../docs/teams.md"

// points are those of the tables: what Teams demands (A), what the PBX does (B), and what others tripped over (C).
func points() (list []string) {
	for _, part := range []struct {
		name string
		last int
	}{{"A", 53}, {"B", 11}, {"C", 19}} {
		for n := range part.last {
			list = append(list, fmt.Sprintf("%s.%d", part.name, n+1))
		}
	}
	return list
}

var (
	tableRow = regexp.MustCompile(`^\| ([ABC]\.\d+) \|([^|]*)\|([^|]*)\|([^|]*)\|$`)
	quoted   = regexp.MustCompile("`([^`]*)`")
)

// checkTable demands a row for every point in docs/teams.md, with scenarios that were played and say themselves that they prove it, or
// Go tests that exist; only a point for a later version has neither.
func checkTable(t *testing.T, played map[string]*scenario) {
	proofs := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(played)) {
		for _, p := range played[name].proves {
			proofs[p] = append(proofs[p], "`"+name+"`")
		}
	}
	text, err := os.ReadFile(teamsTable)
	if err != nil {
		t.Fatalf("read table: %v", err)
	}
	lines := strings.Split(string(text), "\n")
	seen := map[string]bool{}
	for i, line := range lines {
		m := tableRow.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		point, tests := m[1], m[4]
		seen[point] = true
		if want := strings.Join(proofs[point], " "); strings.TrimSpace(m[3]) != want {
			if lines[i] = fmt.Sprintf("| %s |%s| %s |%s|", point, m[2], want, tests); !*update {
				t.Errorf("%s: the table names %q, but these scenarios were played and prove it: %q (go test ./appliance/call -update writes them)",
					point, strings.TrimSpace(m[3]), want)
			}
		}
		for _, q := range quoted.FindAllStringSubmatch(tests, -1) {
			if !goTestExists(q[1]) {
				t.Errorf("%s: there is no test %s", point, q[1])
			}
		}
		if len(proofs[point]) == 0 && !quoted.MatchString(tests) && !strings.Contains(tests, "later version") {
			t.Errorf("%s: nothing proves it", point)
		}
	}
	for _, p := range points() {
		if !seen[p] {
			t.Errorf("%s has no row in docs/teams.md", p)
		}
		delete(proofs, p)
	}
	for p, names := range proofs {
		t.Errorf("%s prove %s, which is no point of the table", names, p)
	}
	if *update {
		if err := os.WriteFile(teamsTable, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// goTestExists looks for a test such as "pki.TestChains" in the source of its package.
func goTestExists(name string) bool {
	pkg, test, _ := strings.Cut(name, ".")
	files, _ := filepath.Glob(filepath.Join("..", pkg, "*_test.go"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(text), "\nfunc "+test+"(t *testing.T)") {
			return true
		}
	}
	return false
}
