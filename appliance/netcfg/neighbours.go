package netcfg

import (
	"errors"
	"net/netip"

	"viaduct/appliance/status"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// neighbourStates are the kernel's states of neighbours that are shown.
var neighbourStates = map[int]status.NeighbourState{
	netlink.NUD_INCOMPLETE: status.NeighbourAsked, netlink.NUD_PROBE: status.NeighbourAsked, netlink.NUD_REACHABLE: status.NeighbourReachable,
	netlink.NUD_STALE: status.NeighbourStale, netlink.NUD_DELAY: status.NeighbourStale, netlink.NUD_FAILED: status.NeighbourSilent,
	netlink.NUD_PERMANENT: status.NeighbourFixed,
}

// Neighbours lists the hosts that the kernel knows.
func (n *Net) Neighbours() ([]status.Neighbour, error) {
	links, err := n.kernel.LinkList()
	if err != nil {
		return nil, err
	}
	var list []status.Neighbour
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		known, err := n.kernel.NeighList(0, family)
		if errors.Is(err, unix.EAFNOSUPPORT) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, k := range known {
			addr, ok := netip.AddrFromSlice(k.IP)
			state, shown := neighbourStates[k.State]
			if !ok || !shown || addr.IsMulticast() {
				continue
			}
			x := status.Neighbour{Address: addr.Unmap(), MAC: k.HardwareAddr.String(), State: state}
			for _, l := range links {
				if l.Attrs().Index == k.LinkIndex {
					x.Port = l.Attrs().Name
				}
			}
			list = append(list, x)
		}
	}
	return list, nil
}

// AskNeighbour has the kernel ask a host that it knows for its hardware address again: what it has may be half a minute old. The outcome is in
// Neighbours within three seconds. It does nothing for a host that the kernel does not know or is asking already.
func (n *Net) AskNeighbour(a netip.Addr) error {
	family := netlink.FAMILY_V4
	if a.Is6() {
		family = netlink.FAMILY_V6
	}
	known, err := n.kernel.NeighList(0, family)
	if err != nil {
		return err
	}
	const confirmed = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY
	for _, k := range known {
		if addr, ok := netip.AddrFromSlice(k.IP); ok && addr.Unmap() == a && k.State&confirmed != 0 {
			return n.kernel.NeighSet(&netlink.Neigh{LinkIndex: k.LinkIndex, Family: family, State: netlink.NUD_PROBE, IP: k.IP, HardwareAddr: k.HardwareAddr})
		}
	}
	return nil
}
