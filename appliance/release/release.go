// Package release is what a build says of itself: its version, which the file VERSION names, and the commit and time that the linker has
// put into a program.
//
// It owns how they are read and printed, the same in every program. It has no goroutines.
package release

import (
	"cmp"
	_ "embed"
	"fmt"
	"strings"
	"time"
)

//go:embed VERSION
var number string

// Number is the version of this source, for example "0.2.0".
func Number() string { return strings.TrimSpace(number) }

// Release is one build.
type Release struct {
	Version, Commit string
	Built           time.Time // of the commit, so that builds can be repeated; zero: the build does not say
}

// Of reads what the linker has set: no version is that of the source, built is as in RFC 3339, and anything else is not known.
func Of(version, commit, built string) Release {
	t, err := time.Parse(time.RFC3339, built)
	if err != nil {
		t = time.Time{}
	}
	return Release{Version: cmp.Or(version, Number()), Commit: commit, Built: t}
}

// String is what -version prints behind the name of the program.
func (r Release) String() string {
	s := fmt.Sprintf("%s, commit %s", r.Version, r.Commit)
	if !r.Built.IsZero() {
		s += ", built " + Time(r.Built)
	}
	return s
}

// Time is the time of a build as people read it.
func Time(built time.Time) string { return built.UTC().Format("2006-01-02 15:04 UTC") }
