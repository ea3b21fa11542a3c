package release

import "testing"

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
