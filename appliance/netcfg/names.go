package netcfg

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
)

// NamePorts renames devices: from the kernel's name to the port's. The kernel numbers devices in the order in which drivers
// find them, so after an update or with another cable eth0 may be what eth1 was. Devices that go by another's new name move
// out of the way first. Errors name the device, are joined, and stop nothing else.
func NamePorts(names map[string]string) error {
	var errs []error
	moved := map[string]string{} // where a device is now -> its new name
	for _, from := range slices.Sorted(maps.Keys(names)) {
		to := names[from]
		if from == to {
			continue
		}
		at := from
		if _, taken := names[to]; taken {
			at = "moving-" + to // 15 characters at most
			if err := rename(from, at); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		moved[at] = to
	}
	for _, at := range slices.Sorted(maps.Keys(moved)) {
		errs = append(errs, rename(at, moved[at]))
	}
	return errors.Join(errs...)
}

// rename takes the device down for it, since older kernels refuse to rename a device that is up.
func rename(from, to string) error {
	link, err := netlink.LinkByName(from)
	if err != nil {
		return fmt.Errorf("rename %s to %s: %w", from, to, err)
	}
	up := link.Attrs().Flags&net.FlagUp != 0
	if up {
		err = netlink.LinkSetDown(link)
	}
	if err == nil {
		err = netlink.LinkSetName(link, to)
	}
	if up {
		err = errors.Join(err, netlink.LinkSetUp(link))
	}
	if err != nil {
		return fmt.Errorf("rename %s to %s: %w", from, to, err)
	}
	return nil
}
