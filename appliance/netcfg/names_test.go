package netcfg

import (
	"context"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

func TestPortsAreNamedWhateverTheProbeOrder(t *testing.T) {
	newWorld(t)
	// The kernel found them the other way round, and a third is there.
	eth00, eth01 := must(netlink.LinkByName("eth00"))(t), must(netlink.LinkByName("eth01"))(t)
	check(t, netlink.LinkSetUp(eth00))
	check(t, NamePorts(map[string]string{"eth00": "eth01", "eth01": "eth00"}))
	if got := must(netlink.LinkByName("eth01"))(t); got.Attrs().Index != eth00.Attrs().Index {
		t.Error("eth00 did not become eth01")
	}
	if got := must(netlink.LinkByName("eth00"))(t); got.Attrs().Index != eth01.Attrs().Index {
		t.Error("eth01 did not become eth00")
	}
	check(t, NamePorts(map[string]string{"eth00": "eth00", "eth01": "eth01"}))
	err := NamePorts(map[string]string{"enx1": "eth07", "eth00": "eth02"})
	if errorText(err) != "rename enx1 to eth07: Link not found" {
		t.Errorf("error %q", err)
	}
	must(netlink.LinkByName("eth02"))(t)
}

func TestRunTellsOfALinkFlap(t *testing.T) {
	w := newWorld(t)
	n := newNet(t)
	must(n.Apply(testConfig()))(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	// The kernel tells of a good wire with some delay, so each step waits for the event that it needs.
	steps := []struct {
		name string
		wait LinkEvent
		then func()
	}{
		{"link at the start", LinkEvent{"eth01", true, true, false}, func() {
			w.atPeer(func() { check(t, netlink.LinkSetDown(must(netlink.LinkByName("peth01"))(t))) })
		}},
		{"wire taken out", LinkEvent{"eth01", true, false, false}, func() {
			w.atPeer(func() { check(t, netlink.LinkSetUp(must(netlink.LinkByName("peth01"))(t))) })
		}},
		{"wire back", LinkEvent{"eth01", true, true, false}, func() { check(t, netlink.LinkDel(must(netlink.LinkByName("eth01"))(t))) }},
		{"device gone", LinkEvent{"eth01", false, false, true}, cancel},
	}
	err := n.Run(ctx, func(e LinkEvent) {
		if len(steps) > 0 && e == steps[0].wait {
			then := steps[0].then
			steps = steps[1:]
			then()
		}
	})
	if err != nil || len(steps) > 0 {
		t.Errorf("Run returned %v, still waiting for %+v", err, steps)
	}
}
