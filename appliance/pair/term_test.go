package pair

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestATermEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var none *Term
		var term Term
		if !none.Runs() || !term.Runs() {
			t.Error("a box that stands alone may always act")
		}
		term.Extend(time.Second)
		time.Sleep(999 * time.Millisecond)
		if !term.Runs() {
			t.Error("over before its time")
		}
		time.Sleep(time.Millisecond)
		if term.Runs() {
			t.Error("not over in time")
		}
		term.Extend(time.Second)
		if term.End(); term.Runs() {
			t.Error("not over when ended")
		}
		if term.Free(); !term.Runs() {
			t.Error("a freed one is over")
		}
	})
}
