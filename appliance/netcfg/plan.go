package netcfg

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"viaduct/appliance/config"

	"github.com/vishvananda/netlink"
)

// job is one run of Apply.
type job struct {
	*Net
	cfg    *config.Config
	ports  []*port
	table  []route  // routes of the main table
	tables []*table // other tables
	report Report
	errs   []error
}

// port is one of our devices, with its configuration.
type port struct {
	name         string              // for people: "port ethernet 0 1"
	device       string              // for the kernel: "eth01"
	conf         *config.IPInterface // bound to it; nil: no addresses
	seat         *seat               // of one of the pair's ports; nil: it is none
	up           bool
	lan          bool // port ethernet 0 0
	medium       config.Medium
	vlan         int          // its tag, 0: none
	parent       *port        // of a VLAN
	link         netlink.Link // nil: the kernel has no such device
	unconfigured bool         // the configuration does not name it any more
}

func (j *job) change(format string, a ...any) {
	j.report.Changes = append(j.report.Changes, fmt.Sprintf(format, a...))
}

func (j *job) warn(format string, a ...any) {
	j.report.Warnings = append(j.report.Warnings, fmt.Sprintf(format, a...))
}

func (j *job) fail(format string, a ...any) { j.errs = append(j.errs, fmt.Errorf(format, a...)) }

// plan lists our devices: first those of the configuration, then those of earlier configurations, which are taken down. It also lists the
// routes.
func (j *job) plan() {
	bound := map[*config.IPInterface]string{}
	configured := map[string]bool{}
	add := func(p *port, b config.IPBind) {
		configured[p.device] = true
		if !b.Interface.IsZero() {
			p.conf = j.cfg.IPInterface(b.Context, b.Interface)
			if p.conf == nil {
				j.warn("%s: context ip %s has no interface %s", p.name, b.Context.Name, b.Interface.Name)
			} else if other := bound[p.conf]; other != "" {
				j.fail("%s: interface %s is bound to %s already", p.name, b.Interface.Name, other)
				p.conf = nil
			} else {
				bound[p.conf] = p.name
			}
		}
		p.seat = j.seat(p.conf)
		p.link = j.find(p.device)
		j.ports = append(j.ports, p)
	}
	for _, c := range j.cfg.Ports {
		p := &port{name: portTitle(c), device: j.o.PortName(c.Slot, c.Port), up: c.Enabled, lan: c.Slot == 0 && c.Port == 0, medium: c.Medium}
		if add(p, c.Bind); p.link == nil && p.up {
			j.fail("%s: this box has no device %s", p.name, p.device)
		}
		for _, v := range c.VLANs {
			add(&port{name: vlanTitle(c, v), device: vlanDevice(p.device, v.ID), up: c.Enabled && v.Enabled, vlan: v.ID, parent: p}, v.Bind)
		}
	}
	j.table = j.routingTable()
	j.tables = j.otherTables()
	var gone []string
	for device := range j.owned {
		if !configured[device] {
			gone = append(gone, device)
		}
	}
	slices.Sort(gone)
	for _, device := range gone {
		j.ports = append(j.ports, &port{name: "former port " + device, unconfigured: true, device: device, link: j.find(device)})
	}
}

// find returns the kernel's device of this name, or nil.
func (j *job) find(device string) netlink.Link {
	link, err := j.kernel.LinkByName(device)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); err != nil && !missing {
		j.fail("read device %s: %w", device, err)
	}
	if err != nil {
		return nil
	}
	return link
}

// addresses returns the addresses of the port while it is up: at one of the pair's ports the box's own, and the pair's whoever has them now.
func (p *port) addresses() []netip.Prefix {
	var list []netip.Prefix
	if p.seat != nil {
		if list = p.lasting(); list == nil {
			return nil
		}
	}
	if p.conf != nil && p.up {
		for _, a := range p.conf.Addresses {
			if a.Prefix.IsValid() && !slices.Contains(list, a.Prefix) {
				list = append(list, a.Prefix)
			}
		}
	}
	return list
}

// mtuOf returns the MTU of the port in octets: Ethernet's by default, and for a VLAN that of its port.
func mtuOf(p *port) int {
	switch {
	case p.conf != nil && p.conf.MTU != 0:
		return p.conf.MTU
	case p.parent != nil:
		return mtuOf(p.parent)
	}
	return 1500
}

// through returns the port whose network holds the gateway, or nil.
func (j *job) through(gateway netip.Addr) *port {
	for _, p := range j.ports {
		if slices.ContainsFunc(p.networks(), func(a netip.Prefix) bool { return a.Contains(gateway) }) {
			return p
		}
	}
	return nil
}
