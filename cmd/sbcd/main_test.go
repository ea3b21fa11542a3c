package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sbcd": main})
}

// Scripts run sbcd as a person would. REFERENCE is the configuration that integrators paste.
func TestScripts(t *testing.T) {
	reference, err := filepath.Abs("../../appliance/lang/testdata/starface-teams.cfg")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			text, err := os.ReadFile(reference)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "starface-teams.cfg"), text, 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"replace": replace},
	})
}

// replace OLD NEW FILE writes NEW for the first OLD in FILE.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace OLD NEW FILE")
	}
	text := ts.ReadFile(args[2])
	changed := strings.Replace(text, args[0], args[1], 1)
	if changed == text {
		ts.Fatalf("%s does not hold %q", args[2], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(changed), 0o600))
}
