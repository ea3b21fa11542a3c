package lab

import (
	"os"
	"testing"
)

// The language is tested with the same file.
func TestConfigurationIsTheReference(t *testing.T) {
	want, err := os.ReadFile("../lang/testdata/starface-teams.cfg")
	if err != nil {
		t.Fatal(err)
	}
	if Configuration != string(want) {
		t.Error("starface-teams.cfg differs from that of appliance/lang")
	}
}
