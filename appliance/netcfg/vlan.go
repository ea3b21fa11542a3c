package netcfg

import (
	"errors"
	"fmt"

	"viaduct/appliance/config"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func portTitle(p *config.EthernetPort) string {
	return fmt.Sprintf("port ethernet %d %d", p.Slot, p.Port)
}

func vlanTitle(p *config.EthernetPort, v *config.VLAN) string {
	return fmt.Sprintf("%s vlan %d", portTitle(p), v.ID)
}

// vlanDevice is the kernel's name of a VLAN: eth00.20.
func vlanDevice(port string, id int) string { return fmt.Sprintf("%s.%d", port, id) }

// makeVLAN makes the device of a VLAN when it is missing. A kernel without the 8021q module says so in one clear warning: the
// statement stays in the configuration, for a kernel that has it.
func (j *job) makeVLAN(p *port) {
	if p.link != nil || p.vlan == 0 || p.parent == nil || p.parent.link == nil || !p.up {
		return
	}
	a := netlink.NewLinkAttrs()
	a.Name, a.ParentIndex = p.device, p.parent.link.Attrs().Index
	switch err := j.kernel.LinkAdd(&netlink.Vlan{LinkAttrs: a, VlanId: p.vlan, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}); {
	case errors.Is(err, unix.EOPNOTSUPP):
		j.warn("%s: the kernel of this image has no VLANs (8021q): no packet of it goes in or out; use an untagged port of the switch", p.name)
	case err != nil:
		j.fail("%s: make device %s: %w", p.name, p.device, err)
	default:
		j.change("%s: made", p.device)
		p.link = j.find(p.device)
	}
}

// dropVLAN removes the device of a VLAN that is not configured any more.
func (j *job) dropVLAN(p *port) {
	if v, ok := p.link.(*netlink.Vlan); ok {
		if err := j.kernel.LinkDel(v); err != nil {
			j.fail("%s: remove: %w", p.device, err)
			return
		}
		j.change("%s: removed", p.device)
	}
}
