package lease_test

import (
	"testing"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/lease"
)

var begin = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

// hub is a Pool with its terms.
type hub struct {
	lease.Pool
	lease.Terms
	now time.Time
}

func newHub(total int, boxes map[string]lease.Box) *hub {
	for name, b := range boxes {
		if b.Serial = name + "-serial"; b.Max == 0 {
			b.Max = lease.MaxCount
		}
		boxes[name] = b
	}
	return &hub{Terms: lease.Terms{Total: total, Boxes: boxes}, now: begin}
}

func (h *hub) ask(box string, sequence uint64, want, has int) lease.Answer {
	next, a := h.Grant(box, fleet.LeaseRequest{Version: fleet.Version, Kind: "sip-sessions", Serial: h.Boxes[box].Serial, Want: want, Has: has, Sequence: sequence}, h.Terms, h.now)
	if a.Write {
		h.Pool = next
	}
	return a
}

func TestBoxAndHub(t *testing.T) {
	h := newHub(10, map[string]lease.Box{"a": {Min: 2}})
	now := lease.Time{Clock: begin}
	b := lease.New("sip-sessions", "a-serial", now)
	b.Use(now, lease.Use{Own: 4, InUse: 6})
	step := b.Next(now)
	for step.Request == nil {
		now.Up += step.Wait
		step = b.Next(now)
	}
	a := h.ask("a", step.Request.Sequence, step.Request.Want, step.Request.Has)
	b.Answered(now, a.Reply, a.Count)
	if n := b.Next(now).Count; n != 4 || a.Count != 4 {
		t.Errorf("%d, %+v", n, a)
	}
}
