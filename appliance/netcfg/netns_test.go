package netcfg

import (
	"net/netip"
	"os"
	"runtime"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lab"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

func TestMain(m *testing.M) {
	lab.Enter()
	os.Exit(m.Run())
}

// world is a box namespace with two ports, their other ends in a namespace of the neighbours.
type world struct {
	t         testing.TB
	box, peer netns.NsHandle
}

// newWorld leaves the test's goroutine in the box namespace.
func newWorld(t testing.TB) *world {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the test's goroutine
	w := &world{t: t}
	w.peer = must(netns.New())(t)
	w.box = must(netns.New())(t)
	t.Cleanup(func() { w.peer.Close(); w.box.Close() })
	for _, name := range []string{"eth00", "eth01"} {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "p" + name, PeerNamespace: netlink.NsFd(w.peer)}
		check(t, netlink.LinkAdd(veth))
	}
	w.atPeer(func() {
		for _, name := range []string{"peth00", "peth01"} {
			check(t, netlink.LinkSetUp(must(netlink.LinkByName(name))(t)))
		}
	})
	return w
}

// atPeer runs f in the neighbours' namespace.
func (w *world) atPeer(f func()) {
	check(w.t, netns.Set(w.peer))
	defer func() { check(w.t, netns.Set(w.box)) }()
	f()
}

// address gives the neighbours an address.
func (w *world) address(device string, addrs ...string) {
	w.atPeer(func() {
		for _, a := range addrs {
			check(w.t, netlink.AddrAdd(must(netlink.LinkByName(device))(w.t), must(netlink.ParseAddr(a))(w.t)))
		}
	})
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must(f())(t) is the value of f, or the end of the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

// testConfig is the network part of the STARFACE and Teams configuration.
func testConfig() *config.Config {
	iface := func(name, prefix string) *config.IPInterface {
		i := &config.IPInterface{Name: name, Addresses: []config.IPAddress{{Name: name, Prefix: netip.MustParsePrefix(prefix)}}, AdjustMSSRx: "mtu", AdjustMSSTx: "mtu"}
		i.SetDefaults()
		return i
	}
	bind := func(name string) config.IPBind {
		return config.IPBind{Context: config.Ref[config.Config, config.IPContext]{Name: "ROUTER"}, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: name}}
	}
	c := config.New()
	c.IP = []*config.IPContext{{
		Name:       "ROUTER",
		Interfaces: []*config.IPInterface{iface("if_eth00", "192.168.1.1/24"), iface("if_eth01", "123.123.123.123/28")},
		Tables:     []*config.RoutingTableIP{{Name: "DEFAULT", Routes: []config.IPRoute{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("123.123.123.113")}}}},
	}}
	c.Ports = []*config.EthernetPort{
		{Slot: 0, Port: 0, Bind: bind("if_eth00"), Enabled: true},
		{Slot: 0, Port: 1, Bind: bind("if_eth01"), Enabled: true},
	}
	return c
}
