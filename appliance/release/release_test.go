package release

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The changelog and the programs name the same version, and it is one that a newer one can be compared with.
func TestTheVersionIsNamed(t *testing.T) {
	if v := Of("", "0123", "").Version; !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(v) {
		t.Errorf("version %q", v)
	}
	log, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "\n## "+Number()) {
		t.Errorf("CHANGELOG.md has no section %s", Number())
	}
}

func TestABuildSaysWhatItIs(t *testing.T) {
	for built, want := range map[string]string{
		"2026-11-22T07:00:00+01:00": "v1, commit 0123, built 2026-11-22 06:00 UTC",
		"unknown":                   "v1, commit 0123",
		"":                          "v1, commit 0123",
	} {
		if got := Of("v1", "0123", built).String(); got != want {
			t.Errorf("%q: %q, want %q", built, got, want)
		}
	}
}
