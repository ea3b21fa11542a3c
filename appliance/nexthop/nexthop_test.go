package nexthop

import (
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"viaduct/appliance/lab"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	lab.Enter()
	os.Exit(m.Run())
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The answers are those of the kernel: by routes, by rules, by what it knows of neighbours.
func TestHops(t *testing.T) {
	runtime.LockOSThread() // never unlocked: the thread ends with the test's goroutine
	space, err := netns.New()
	check(t, err)
	defer space.Close()
	index := map[string]int{}
	for _, device := range []struct{ name, addr string }{{"eth00", "10.0.0.1/24"}, {"eth01", "10.0.1.1/24"}} {
		check(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: device.name}, PeerName: "p" + device.name}))
		for _, name := range []string{device.name, "p" + device.name} {
			link, err := netlink.LinkByName(name)
			check(t, err)
			check(t, netlink.LinkSetUp(link))
			index[name] = link.Attrs().Index
			if name == device.name {
				addr, err := netlink.ParseAddr(device.addr)
				check(t, err)
				check(t, netlink.AddrAdd(link, addr))
			}
		}
	}
	lo, err := netlink.LinkByName("lo")
	check(t, err)
	check(t, netlink.LinkSetUp(lo))
	neighbour := func(device, addr string, last byte, state int) {
		check(t, netlink.NeighSet(&netlink.Neigh{LinkIndex: index[device], IP: net.ParseIP(addr), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, last}, State: state}))
	}
	neighbour("eth00", "10.0.0.2", 2, netlink.NUD_REACHABLE)
	neighbour("eth00", "10.0.0.3", 3, netlink.NUD_STALE)
	neighbour("eth00", "10.0.0.4", 4, netlink.NUD_FAILED)
	neighbour("eth00", "10.0.0.254", 254, netlink.NUD_PERMANENT)
	neighbour("eth01", "10.0.1.253", 253, netlink.NUD_REACHABLE)
	neighbour("eth01", "10.0.0.5", 5, netlink.NUD_REACHABLE) // of another network than its device has
	check(t, netlink.RouteAdd(&netlink.Route{Dst: prefix("198.51.100.0/24"), Gw: net.ParseIP("10.0.0.254")}))
	check(t, netlink.RouteAdd(&netlink.Route{Dst: prefix("198.51.101.0/24"), Gw: net.ParseIP("10.0.0.254"), MTU: 500}))
	check(t, netlink.RouteAdd(&netlink.Route{Dst: prefix("0.0.0.0/0"), Gw: net.ParseIP("10.0.1.253"), Table: 100}))
	check(t, netlink.RouteAdd(&netlink.Route{Dst: prefix("203.0.113.0/24"), Type: unix.RTN_BLACKHOLE}))
	rule := netlink.NewRule()
	rule.Src, rule.Table = prefix("10.0.1.1/32"), 100
	check(t, netlink.RuleAdd(rule))

	f, err := New()
	check(t, err)
	defer f.Close()
	cases := []struct {
		why, from, to, device string
		last                  byte
		mtu                   int
	}{
		{"neighbour", "10.0.0.1", "10.0.0.2", "eth00", 2, 0},
		{"neighbour that was not heard of for a while", "10.0.0.1", "10.0.0.3", "eth00", 3, 0},
		{"by a gateway", "10.0.0.1", "198.51.100.7", "eth00", 254, 0},
		{"by a narrow path", "10.0.0.1", "198.51.101.7", "eth00", 254, 500},
		{"by a rule for the source", "10.0.1.1", "198.51.100.7", "eth01", 253, 0},
		{"neighbour that does not answer", "10.0.0.1", "10.0.0.4", "", 0, 0},
		{"neighbour of another device", "10.0.0.1", "10.0.0.5", "", 0, 0},
		{"unknown neighbour", "10.0.0.1", "10.0.0.6", "", 0, 0},
		{"no route", "10.0.0.1", "192.0.2.1", "", 0, 0},
		{"blackhole", "10.0.0.1", "203.0.113.1", "", 0, 0},
		{"broadcast", "10.0.0.1", "10.0.0.255", "", 0, 0},
		{"itself", "10.0.0.1", "10.0.0.1", "", 0, 0},
		{"its other address", "10.0.0.1", "10.0.1.1", "", 0, 0},
		{"loopback", "127.0.0.1", "127.0.0.2", "", 0, 0},
		{"an address that is not ours", "10.9.9.9", "10.0.0.2", "", 0, 0},
		{"IPv6", "fe80::1", "fe80::2", "", 0, 0},
		{"nowhere", "10.0.0.1", "0.0.0.0", "", 0, 0},
	}
	var flows []Flow
	for _, c := range cases {
		flows = append(flows, Flow{netip.MustParseAddr(c.from), netip.MustParseAddr(c.to)})
	}
	for i, h := range f.Find(flows) {
		c := cases[i]
		if c.device == "" {
			if h != nil {
				t.Errorf("%s: %+v, want none", c.why, *h)
			}
			continue
		}
		if want := (Hop{c.device, index[c.device], [6]byte{2, 0, 0, 0, 0, c.last}, c.mtu}); h == nil || *h != want {
			t.Errorf("%s: %+v, want %+v", c.why, h, want)
		}
	}
}

func prefix(text string) *net.IPNet {
	_, n, err := net.ParseCIDR(text)
	if err != nil {
		panic(err)
	}
	return n
}
