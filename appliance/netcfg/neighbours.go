package netcfg

import (
	"errors"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Neighbour is a host of an attached network, as the kernel knows it from ARP or neighbour discovery.
type Neighbour struct {
	Addr   netip.Addr
	MAC    string // "" while nobody answers
	Device string
	State  string // "reachable", "stale", "failed", ...
}

// neighbourStates are the kernel's, in words.
var neighbourStates = map[int]string{
	netlink.NUD_INCOMPLETE: "asked", netlink.NUD_REACHABLE: "reachable", netlink.NUD_STALE: "stale", netlink.NUD_DELAY: "stale",
	netlink.NUD_PROBE: "asked", netlink.NUD_FAILED: "no answer", netlink.NUD_PERMANENT: "fixed",
}

// Neighbours lists the hosts that the kernel knows.
func (n *Net) Neighbours() ([]Neighbour, error) {
	links, err := n.kernel.LinkList()
	if err != nil {
		return nil, err
	}
	var list []Neighbour
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
			x := Neighbour{Addr: addr.Unmap(), MAC: k.HardwareAddr.String(), State: state}
			for _, l := range links {
				if l.Attrs().Index == k.LinkIndex {
					x.Device = l.Attrs().Name
				}
			}
			list = append(list, x)
		}
	}
	return list, nil
}
