package netcfg

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// port configures one device: MTU, IPv6, addresses, up or down. A failure does not stop the rest.
func (j *job) port(p *port) {
	if p.link == nil {
		delete(j.owned, p.device)
		return
	}
	o := j.owned[p.device]
	if o == nil {
		o = &owned{}
		j.owned[p.device] = o
	}
	if p.vlan == 0 && !p.unconfigured {
		j.medium(p, o)
	}
	j.mtu(p)
	j.ipv6(p)
	j.addresses(p, o)
	j.upDown(p)
	if p.unconfigured {
		delete(j.owned, p.device)
		j.dropVLAN(p)
	}
}

func (j *job) mtu(p *port) {
	want, have := mtuOf(p), p.link.Attrs().MTU
	if want == have {
		return
	}
	if err := j.kernel.LinkSetMTU(p.link, want); err != nil {
		j.fail("%s: set MTU %d: %w", p.name, want, err)
		return
	}
	j.change("%s: MTU %d, was %d", p.device, want, have)
}

// ipv6 switches IPv6 off unless an IPv6 address is configured, and then has the kernel leave routers' advertisements alone: otherwise it
// takes addresses and routes from any host on the wire.
func (j *job) ipv6(p *port) {
	if p.unconfigured {
		return
	}
	if slices.ContainsFunc(p.addresses(), func(a netip.Prefix) bool { return a.Addr().Is6() }) {
		j.ipv6Setting(p, "accept_ra", "0")
		j.ipv6Setting(p, "disable_ipv6", "0")
	} else {
		j.ipv6Setting(p, "disable_ipv6", "1")
	}
}

func (j *job) ipv6Setting(p *port, setting, want string) {
	j.setting(p, "ipv6", setting, want)
}

// setting writes one of the kernel's settings for a device.
func (j *job) setting(p *port, family, setting, want string) {
	name := "/proc/sys/net/" + family + "/conf/" + p.device + "/" + setting
	have, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || strings.TrimSpace(string(have)) == want {
		return // a kernel without IPv6, or no change
	}
	title := map[string]string{"ipv4": "IPv4", "ipv6": "IPv6"}[family]
	if err = os.WriteFile(name, []byte(want), 0); err != nil {
		j.warn("%s: %s cannot be switched: %v", p.name, title, err)
		return
	}
	j.change("%s: %s %s %s", p.device, title, setting, want)
}

// addresses removes addresses that are not configured, then adds missing ones. It removes first and reads the list again: with the first
// address of a network the kernel removes the others of that network, too. Where a pair has or had its addresses, it adds first: they are in use.
func (j *job) addresses(p *port, o *owned) {
	want := p.lasting()
	have, ok := j.present(p)
	if !ok {
		return
	}
	if o.paired || p.seat != nil {
		j.promote(p)
		if j.add(p, want, have) {
			if have, ok = j.present(p); !ok {
				return
			}
		}
	}
	o.paired = p.seat != nil
	removed := false
	for _, a := range have {
		prefix := prefixOf(a.IPNet)
		switch {
		case slices.Contains(want, prefix):
			continue
		case p.shared(prefix.Addr()):
			if permanent(a) {
				j.lend(p, a)
			}
			continue
		}
		if err := j.kernel.AddrDel(p.link, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			j.fail("%s: remove address %s: %w", p.name, prefix, err)
			continue
		}
		removed = true
		j.change("%s: address %s removed", p.device, prefix)
	}
	if removed {
		if have, ok = j.present(p); !ok {
			return
		}
	}
	j.add(p, want, have)
}

// present are the addresses that the port has in the kernel.
func (j *job) present(p *port) ([]netlink.Addr, bool) {
	have, err := j.kernelAddresses(p.link)
	if err != nil {
		j.fail("%s: read addresses: %w", p.name, err)
	}
	return have, err == nil
}

// add adds the addresses that the kernel lacks, and lets those stay that it would remove in a moment.
func (j *job) add(p *port, want []netip.Prefix, have []netlink.Addr) (added bool) {
	for _, prefix := range want {
		if slices.ContainsFunc(have, func(a netlink.Addr) bool { return prefixOf(a.IPNet) == prefix && (permanent(a) || prefix.Addr().Is6()) }) {
			continue
		}
		if err := j.kernel.AddrReplace(p.link, &netlink.Addr{IPNet: ipNet(prefix)}); err != nil {
			j.fail("%s: add address %s: %w", p.name, prefix, err)
			continue
		}
		added = true
		j.change("%s: address %s added", p.device, prefix)
	}
	return added
}

func (j *job) upDown(p *port) {
	switch up := p.link.Attrs().Flags&net.FlagUp != 0; {
	case up == p.up:
	case p.up:
		if err := j.kernel.LinkSetUp(p.link); err != nil {
			j.fail("%s: switch on: %w", p.name, err)
			return
		}
		j.change("%s: up", p.device)
	default:
		if err := j.kernel.LinkSetDown(p.link); err != nil {
			j.fail("%s: shut down: %w", p.name, err)
			return
		}
		j.change("%s: down", p.device)
	}
}

// kernelAddresses returns the addresses that were given to the device, without those that IPv6 makes by itself.
func (n *Net) kernelAddresses(link netlink.Link) (list []netlink.Addr, err error) {
	err = again(func() (err error) {
		list, err = n.kernel.AddrList(link, netlink.FAMILY_ALL)
		return err
	})
	return slices.DeleteFunc(list, func(a netlink.Addr) bool {
		return a.IPNet == nil || a.IP.To4() == nil && (a.Scope != unix.RT_SCOPE_UNIVERSE || a.Flags&unix.IFA_F_PERMANENT == 0)
	}), err
}

// again repeats a reading that a change in the kernel interrupted: its result may lack entries.
func again(read func() error) error {
	err := read()
	for range 4 {
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
		err = read()
	}
	return err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// prefixOf keeps the host bits; nil, the kernel's way to say default, is the zero Prefix.
func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	a, _ := netip.AddrFromSlice(n.IP)
	bits, size := n.Mask.Size()
	if size == 32 {
		a = a.Unmap()
	}
	return netip.PrefixFrom(a, bits)
}
