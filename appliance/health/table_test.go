package health

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
)

var renew = flag.Bool("update", false, "write docs/alarms.md")

func TestManualIsCurrent(t *testing.T) {
	const name = "../../docs/alarms.md"
	if *renew {
		if err := os.WriteFile(name, []byte(Manual()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != Manual() {
		t.Errorf("%s is not current (%v): make docs", name, err)
	}
}

func TestTheTableIsComplete(t *testing.T) {
	kebab := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := map[string]bool{}
	for _, w := range declared {
		switch {
		case !kebab.MatchString(w.ID), seen[w.ID]:
			t.Errorf("id %q", w.ID)
		case w.Title == "" || w.Text == "" || strings.HasSuffix(w.Text, ".") || strings.HasSuffix(w.Title, "."):
			t.Errorf("%s: its title or its text", w.ID)
		case w.Advice == "" && w.Cure == nil:
			t.Errorf("%s: nobody knows what to do about it", w.ID)
		case w.Advice != "" && !strings.HasSuffix(w.Advice, ".") && !strings.HasSuffix(w.Advice, "}"):
			t.Errorf("%s: advice %q", w.ID, w.Advice)
		}
		for _, c := range w.After {
			if c.Of == nil || c.Of.Delay > 0 && c.Same == "" {
				t.Errorf("%s: a cause", w.ID)
			}
		}
		seen[w.ID] = true
	}
}

// Every Warnable is declared in the tables, and by declare: others would never be shown.
func TestAllAreDeclaredInTheTable(t *testing.T) {
	n := 0
	for _, name := range []string{"table.go", "table_services.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				n += len(g.Specs)
			}
		}
	}
	if n != len(declared) {
		t.Errorf("%d in the tables, %d declared", n, len(declared))
	}
}
