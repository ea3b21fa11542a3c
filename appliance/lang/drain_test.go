package lang

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// leavingBox is a box of which parts are being taken out of service.
type leavingBox struct {
	busyBox
	drains []status.Drain
	orders *[]device.Drain
}

func (b leavingBox) System() status.System { return status.System{Draining: b.drains} }

func (leavingBox) Sessions() []status.Session { return nil }

func (b leavingBox) Drain(d device.Drain) error {
	*b.orders = append(*b.orders, d)
	return nil
}

func (b leavingBox) EndDrain(d device.Drain) (bool, error) {
	*b.orders = append(*b.orders, d)
	return d.Interface != "", nil
}

func TestShowSystemSaysHowFarTheBoxIsOutOfService(t *testing.T) {
	x := status.Drain{What: "the box", Since: noon, Next: noon.Add(3 * time.Minute), Limit: noon.Add(time.Hour), Calls: 3, By: "anna"}
	for state, want := range map[status.DrainState]string{
		status.Draining: "the box since 2026-11-22 12:00:00 UTC, by anna: 3 calls left, new ones are refused from 2026-11-22 12:03:00 UTC; what is left is ended at 2026-11-22 13:00:00 UTC",
		status.Refusing: "the box since 2026-11-22 12:00:00 UTC, by anna: 3 calls left, new ones are refused; what is left is ended at 2026-11-22 13:00:00 UTC",
		status.Drained:  "the box since 2026-11-22 12:00:00 UTC, by anna: no call is left, new ones are refused",
	} {
		x.State = state
		var out strings.Builder
		if _, err := New().Exec(t.Context(), leavingBox{busyBox{newBox()}, []status.Drain{x}, nil}, &Session{}, "show system", nil, &out); err != nil || !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want+" Reload:") {
			t.Errorf("%v: %v\n%s\nwant %s", state, err, &out, want)
		}
	}
}

// What is named stands in a context, is found without it while there is one of that name, and is offered.
func TestDrain(t *testing.T) {
	l := New()
	box := newBox()
	box.cfg, _ = l.Parse([]byte(twins))
	var orders []device.Drain
	b := leavingBox{busyBox{box}, nil, &orders}
	s := &Session{User: "anna", Class: config.Administrator, Mode: []string{"enable"}}
	for line, want := range map[string]device.Drain{
		"drain":                                {Limit: time.Hour, By: "anna"},
		"drain limit 5":                        {Limit: 5 * time.Minute, By: "anna"},
		"drain context cs B limit 1":           {Context: "B", Limit: time.Minute, By: "anna"},
		"drain interface sip ONLY-B":           {Context: "B", Interface: "ONLY-B", Limit: time.Hour, By: "anna"},
		"drain interface sip A/IF limit 2":     {Context: "A", Interface: "IF", Limit: 2 * time.Minute, By: "anna"},
		"no drain":                             {By: "anna"},
		"no drain interface sip B/IF":          {Context: "B", Interface: "IF", By: "anna"},
		"drain interface sip IF":               {},
		"drain interface sip NONE":             {},
		"drain limit 0":                        {},
		"reload limit 5":                       {},
		"drain interface sip ONLY-B limit 5 x": {},
	} {
		orders = nil
		var out strings.Builder
		_, err := l.Exec(context.Background(), b, s, line, nil, &out)
		if refused := want == (device.Drain{}); refused != (err != nil) || refused != (len(orders) == 0) || !refused && orders[0] != want {
			t.Errorf("%s: %+v, %v\n%s", line, orders, err, &out)
		}
	}
	h := l.Help(b, s, "drain interface sip ", len("drain interface sip "))
	if offered := strings.Fields(wordsOf(h)); !slices.Contains(offered, "A/IF") || !slices.Contains(offered, "B/ONLY-B") {
		t.Errorf("offered: %v", offered)
	}
}
