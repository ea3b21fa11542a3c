package netcfg

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

func TestRunFollowsNamesAndLinks(t *testing.T) {
	newWorld(t)
	var mu sync.Mutex
	addr := "192.168.1.100"
	n := must(New(Options{Log: slog.New(slog.DiscardHandler), Cached: func(string) []netip.Addr {
		mu.Lock()
		defer mu.Unlock()
		return []netip.Addr{netip.MustParseAddr(addr)}
	}}))(t)
	defer n.Close()
	must(n.Apply(everyFeature()))(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()

	// Run must stay on this thread, which alone is in the namespace; what happens beside it goes through its callback.
	// The port that goes down has routes in both tables, and loses its IPv6 address with them.
	before, system := firewallText(n), stateOf(t)
	var step int
	done := false
	err := n.Run(ctx, func(e LinkEvent) {
		switch {
		case step == 0 && e.Device == "eth00" && e.Link:
			step = 1
			mu.Lock()
			addr = "192.168.1.101"
			mu.Unlock()
			check(t, netlink.LinkSetDown(must(netlink.LinkByName("eth00"))(t)))
		case step == 1 && e.Device == "eth00" && !e.Up:
			// The routes are gone now; Run switches the port on again and sets them.
			step = 2
		case step == 2 && e.Device == "eth00" && e.Link:
			step = 3
			time.AfterFunc(namesInterval+2*settle, func() {
				for firewallText(n) == before && ctx.Err() == nil {
					time.Sleep(10 * time.Millisecond)
				}
				done = true
				cancel()
			})
		}
	})
	if err != nil || !done {
		t.Fatalf("Run: %v at step %d", err, step)
	}
	if d := cmp.Diff(system, stateOf(t)); d != "" {
		t.Errorf("after the flap (-before +after):\n%s", d)
	}
	if after := firewallText(n); after == before {
		t.Error("the firewall did not follow the name")
	}
	if r := must(n.Apply(everyFeature()))(t); len(r.Changes) > 0 {
		t.Errorf("Apply afterwards changed %q", r.Changes)
	}
}

func firewallText(n *Net) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rules
}
