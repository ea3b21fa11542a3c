package call

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/callstate"
	"viaduct/appliance/mailbox"
)

// All calls stand still at once, however few may work at a time.
func TestManyCallsStandStillAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{})
		m.turns = mailbox.NewTurns(2)
		for n := range 50 {
			c := &call{m: m, id: fmt.Sprint(n), log: m.log, box: mailbox.Under(m.turns, false), done: make(chan struct{}), state: callstate.Ended}
			m.calls[c.id] = c
			go c.box.Run()
		}
		began := time.Now()
		m.HandOver()
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
		m.Resume()
		for _, c := range m.list("") {
			c.box.End()
		}
	})
}
