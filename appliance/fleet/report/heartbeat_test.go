package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/health"
)

func TestTheHeartbeat(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHub()
		h.connect(false)
		b := start(t, t.TempDir(), h, member())
		pass(time.Hour)
		if _, n := h.status(); n > 0 {
			t.Errorf("%d without a connection", n)
		}
		h.connect(true)
		pass(time.Millisecond)
		if _, n := h.status(); n != 1 {
			t.Errorf("%d at once", n)
		}
		pass(time.Hour)
		if _, n := h.status(); n != 121 {
			t.Errorf("%d in an hour", n)
		}
		pass(10 * time.Second)
		b.down("clock")
		pass(gather)
		if s, n := h.status(); n != 122 || len(s.Alarms) != 1 || s.Alarms[0].What != raised || s.Alarms[0].Cure == "" {
			t.Errorf("%d, %+v", n, s)
		}
		pass(10 * time.Second)
		b.Changed()
		pass(gather)
		if _, n := h.status(); n != 123 {
			t.Errorf("%d after a change", n)
		}
		for range 600 { // it flaps for a minute
			b.up("clock")
			pass(50 * time.Millisecond)
			b.down("clock")
			pass(50 * time.Millisecond)
		}
		if _, n := h.status(); n > 123+11 {
			t.Errorf("%d while an alarm flaps for a minute", n-123)
		}
		pass(time.Minute)
		h.mu.Lock()
		for n := range h.beats[1:] {
			if d := h.beats[n+1].Sub(h.beats[n]); d > fleet.Heartbeat {
				t.Errorf("nothing for %v", d)
			}
		}
		h.mu.Unlock()
	})
}

// However many alarms there are, and however long, a message has its bound.
func TestTheBoundsOfMessages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHub()
		b := start(t, t.TempDir(), h, member())
		var many []health.Args
		for n := range 60 {
			many = append(many, health.Args{"engine": fmt.Sprintf("%d%s", n, strings.Repeat("<", 1000)), "why": strings.Repeat("<", 1024)})
		}
		b.health.Replace(health.ServiceDown, many)
		pass(time.Minute)
		s, _ := h.status()
		if len(s.Alarms) == 0 || len(s.Alarms)+s.More != 60 || h.longest > fleet.MaxStatus {
			t.Errorf("%d alarms and %d more in %d octets", len(s.Alarms), s.More, h.longest)
		}
		list := h.has("box.berlin.alarms")
		if len(list) != 60 {
			t.Errorf("%d alarms", len(list))
		}
		for n, k := range list {
			if len(k.body) > fleet.MaxAlarm || !strings.Contains(string(k.body), fmt.Sprintf(`"subject":"%d\u003c`, n)) {
				t.Errorf("%d octets: %.100s", len(k.body), k.body)
			}
		}
	})
}
