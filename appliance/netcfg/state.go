package netcfg

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/status"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// State reads the kernel. cfg says which ports there are.
func (n *Net) State(cfg *config.Config) (status.Network, error) {
	var s status.Network
	var errs []error
	names := map[int]string{}
	var links []netlink.Link
	if err := again(func() (err error) {
		links, err = n.kernel.LinkList()
		return err
	}); err != nil {
		return s, fmt.Errorf("read devices: %w", err)
	}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	var ports []status.Port
	for _, c := range cfg.Ports {
		p := status.Port{Slot: c.Slot, Port: c.Port, Name: n.o.PortName(c.Slot, c.Port), Enabled: c.Enabled,
			Context: c.Bind.Context.Name, Interface: c.Bind.Interface.Name}
		ports = append(ports, p)
		for _, v := range c.VLANs {
			ports = append(ports, status.Port{Slot: c.Slot, Port: c.Port, VLAN: v.ID, Name: vlanDevice(p.Name, v.ID), Enabled: c.Enabled && v.Enabled,
				Context: v.Bind.Context.Name, Interface: v.Bind.Interface.Name})
		}
	}
	n.mu.Lock()
	clients := n.clients
	n.mu.Unlock()
	for _, p := range ports {
		if c := clients[p.Name]; c != nil {
			lease := c.Status()
			p.DHCP = &lease
		}
		if i := slices.IndexFunc(links, func(l netlink.Link) bool { return l.Attrs().Name == p.Name }); i >= 0 {
			errs = append(errs, n.portState(&p, links[i]))
		}
		s.Ports = append(s.Ports, p)
	}
	routes, err := n.routesOf(unix.RT_TABLE_MAIN)
	if err != nil {
		errs = append(errs, fmt.Errorf("read routes: %w", err))
	}
	for _, r := range routes {
		key := keyOf(r)
		gateway, _ := netip.AddrFromSlice(r.Gw)
		route := status.Route{Prefix: key.prefix, Gateway: gateway.Unmap(), Interface: names[r.LinkIndex], Metric: key.metric}
		switch r.Protocol {
		case ours:
			route.Origin = status.RouteConfigured
		case unix.RTPROT_KERNEL:
			route.Origin = status.RouteConnected
		}
		s.Routes = append(s.Routes, route)
	}
	return s, errors.Join(errs...)
}

func (n *Net) portState(p *status.Port, link netlink.Link) error {
	a := link.Attrs()
	p.MAC, p.MTU = a.HardwareAddr.String(), a.MTU
	switch up, link := linkState(a); {
	case !up:
		p.State = status.LinkDown
	case !link:
		p.State = status.LinkNoCarrier
	default:
		p.State = status.LinkUp
	}
	p.Speed, p.Duplex = n.probe.speed(p.Name)
	p.Driver = n.probe.driver(p.Name)
	if st := a.Statistics; st != nil {
		p.Rx = status.Counters{Packets: st.RxPackets, Octets: st.RxBytes, Errors: st.RxErrors, Dropped: st.RxDropped}
		p.Tx = status.Counters{Packets: st.TxPackets, Octets: st.TxBytes, Errors: st.TxErrors, Dropped: st.TxDropped}
	}
	addrs, err := n.kernelAddresses(link)
	if err != nil {
		return fmt.Errorf("read addresses of %s: %w", p.Name, err)
	}
	for _, a := range addrs {
		p.Addresses = append(p.Addresses, prefixOf(a.IPNet))
	}
	return nil
}

// linkState tells whether a device is switched on, and whether the wire is good.
func linkState(a *netlink.LinkAttrs) (up, link bool) {
	return a.Flags&net.FlagUp != 0, a.RawFlags&unix.IFF_LOWER_UP != 0 && a.RawFlags&unix.IFF_RUNNING != 0
}

// Interfaces lists the IP interfaces of a configuration with the state of their ports.
func Interfaces(cfg *config.Config, ports []status.Port) (list []status.IPInterface) {
	for _, c := range cfg.IP {
		for _, i := range c.Interfaces {
			x := status.IPInterface{Context: c.Name, Name: i.Name, State: status.LinkNotBound}
			for _, p := range ports {
				if p.Context == c.Name && p.Interface == i.Name {
					x.Port, x.State, x.Addresses, x.MTU, x.DHCP = p.Name, p.State, p.Addresses, p.MTU, p.DHCP
				}
			}
			list = append(list, x)
		}
	}
	return list
}
