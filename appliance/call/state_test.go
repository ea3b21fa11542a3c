package call

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"viaduct/appliance/callstate"
	"viaduct/appliance/media"
)

func TestImpossibleSteps(t *testing.T) {
	for from := range callstate.Ended + 1 {
		for to := range callstate.Ended + 1 {
			var log bytes.Buffer
			c := &call{m: New(Options{}), state: from, log: slog.New(slog.NewTextHandler(&log, nil))}
			c.become(to)
			if possible := from.May(to); possible == strings.Contains(log.String(), impossible) {
				t.Errorf("%s to %s, possible: %v, the log: %s", from, to, possible, &log)
			}
			if from == callstate.Ended && c.state != callstate.Ended {
				t.Errorf("a call that had ended is %s", c.state)
			}
			if a, b := c.up(&side{Which: media.A}), c.up(&side{Which: media.B}); from != callstate.Ended && (a != to.Caller() || b != to.Callee()) {
				t.Errorf("%s: caller up %v, callee up %v", c.state, a, b)
			}
		}
	}
}
