// Package nexthop finds out where the kernel would send a packet: by which device, and to whose hardware address.
//
// It owns a connection to the kernel's routing tables and changes nothing there. It has no goroutines and remembers nothing: an answer is
// as old as its caller lets it become. Whether a packet may leave without the kernel's firewall is not its question.
package nexthop

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Flow is the way from an address of ours to another one.
type Flow struct{ From, To netip.Addr }

// Hop is the first station of a way.
type Hop struct {
	Device string
	Index  int // of the device
	MAC    [6]byte
	MTU    int // of the way, where it is known to be less than the device's; 0 otherwise
}

// Finder asks the kernel. It is for one goroutine at a time.
type Finder struct{ kernel *netlink.Handle }

// New opens a connection to the kernel, in the network namespace of the calling thread.
func New() (*Finder, error) {
	kernel, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &Finder{kernel}, nil
}

// Close closes the connection.
func (f *Finder) Close() { f.kernel.Close() }

// neighbour is a host on the network of a device.
type neighbour struct {
	device int
	addr   netip.Addr
}

// valid are the states in which the kernel sends to a neighbour without asking for it first.
const valid = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE | netlink.NUD_PERMANENT

// Find returns the hop of each flow, and nil for a flow that has none: nothing is routed there, it stays in the machine, it is no Ethernet,
// it is not IPv4, or the neighbour is not known at the moment. The kernel learns of a neighbour, and keeps what it knows up to date, only
// while packets go its own way.
func (f *Finder) Find(flows []Flow) []*Hop {
	hops := make([]*Hop, len(flows))
	known := f.neighbours()
	devices := map[int]string{}
	for i, w := range flows {
		n, mtu, ok := f.route(w)
		mac, there := known[n]
		if !ok || !there {
			continue
		}
		name, seen := devices[n.device]
		if !seen {
			name = f.ethernet(n.device)
			devices[n.device] = name
		}
		if name != "" {
			hops[i] = &Hop{name, n.device, mac, mtu}
		}
	}
	return hops
}

// neighbours that the kernel knows now.
func (f *Finder) neighbours() map[neighbour][6]byte {
	list, err := f.kernel.NeighList(0, netlink.FAMILY_V4)
	if err != nil {
		return nil
	}
	known := map[neighbour][6]byte{}
	for _, n := range list {
		addr, ok := netip.AddrFromSlice(n.IP)
		if ok && n.State&valid != 0 && len(n.HardwareAddr) == 6 {
			known[neighbour{n.LinkIndex, addr.Unmap()}] = [6]byte(n.HardwareAddr)
		}
	}
	return known
}

// route is the neighbour that a packet goes to first, and the MTU of its way. The rules by source address count.
func (f *Finder) route(w Flow) (n neighbour, mtu int, ok bool) {
	if !w.From.Is4() || !w.To.Is4() {
		return n, 0, false
	}
	routes, err := f.kernel.RouteGetWithOptions(net.IP(w.To.AsSlice()), &netlink.RouteGetOptions{SrcAddr: net.IP(w.From.AsSlice())})
	if err != nil || len(routes) != 1 {
		return n, 0, false
	}
	r := routes[0]
	if r.Type != unix.RTN_UNICAST || r.LinkIndex == 0 || len(r.MultiPath) > 0 || r.Encap != nil || r.Via != nil {
		return n, 0, false
	}
	n = neighbour{r.LinkIndex, w.To}
	if gateway, routed := netip.AddrFromSlice(r.Gw); routed {
		n.addr = gateway.Unmap()
	}
	return n, r.MTU, true
}

// ethernet is the name of a device whose packets have an Ethernet header, "" of any other.
func (f *Finder) ethernet(index int) string {
	link, err := f.kernel.LinkByIndex(index)
	if err != nil || link.Attrs().EncapType != "ether" || link.Attrs().Flags&net.FlagLoopback != 0 {
		return ""
	}
	return link.Attrs().Name
}
