package steps

import (
	"testing"

	"viaduct/appliance/status"
)

func TestTheBadgeOfAStep(t *testing.T) {
	for state, want := range map[status.CheckState]string{
		status.CheckOK: "ok", status.CheckWarning: "warning", status.CheckFailed: "error", status.CheckSkipped: "off", 200: "off",
	} {
		if got := Kind(state); got != want {
			t.Errorf("%s: %s, want %s", state, got, want)
		}
	}
}
