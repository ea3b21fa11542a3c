package netcfg

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"viaduct/appliance/status"

	"github.com/vishvananda/netlink"
)

// The kernel takes a host for reachable up to half a minute after it has gone.
func TestAHostThatHasGoneIsNoticedWhenItIsAsked(t *testing.T) {
	w := newWorld(t)
	n := firewallNet(t)
	must(n.Apply(sipConfig()))(t)
	host := netip.MustParseAddr("192.168.1.100")
	w.address("peth00", host.String()+"/24")
	w.atPeer(func() { waitRunning(t, "peth00") })
	state := func() status.NeighbourState {
		for _, x := range must(n.Neighbours())(t) {
			if x.Address == host {
				return x.State
			}
		}
		return status.NeighbourAsked
	}
	until := func(want status.NeighbourState) {
		t.Helper()
		for end := time.Now().Add(patience); state() != want; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it is %s, want %s", state(), want)
			}
		}
	}
	check(t, n.AskNeighbour(host)) // nobody has met it yet
	conn := must(net.Dial("udp", host.String()+":5060"))(t)
	defer conn.Close()
	must(conn.Write([]byte("x")))(t)
	until(status.NeighbourReachable)
	check(t, n.AskNeighbour(host))
	until(status.NeighbourReachable)
	w.atPeer(func() {
		check(t, netlink.AddrDel(must(netlink.LinkByName("peth00"))(t), must(netlink.ParseAddr(host.String()+"/24"))(t)))
	})
	check(t, n.AskNeighbour(host))
	until(status.NeighbourSilent)
}
