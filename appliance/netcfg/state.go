package netcfg

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/netcfg/dhcp"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// State is what the kernel has at one moment.
type State struct {
	Ports  []PortState
	Routes []RouteState // every route of the main table, ours and others'
}

// PortState is one `port ethernet` of the configuration.
type PortState struct {
	Slot, Port int
	VLAN       int    // its tag, 0: the port itself
	Device     string // kernel's name, for example "eth01"
	Context    string // what it is bound to, "" when it is not
	Interface  string
	Enabled    bool // no shutdown
	Present    bool // the kernel has the device; everything below is zero when not
	Up, Link   bool // administratively up; carrier there
	MAC        string
	MTU        int    // octets
	Speed      int    // Mbit/s, 0 when unknown or without link
	Duplex     string // "full", "half" or ""
	Driver     string
	Addresses  []netip.Prefix
	Rx, Tx     Counters
	DHCP       *dhcp.State // nil: no DHCP client runs for the port
}

// Counters of one direction since the device came up.
type Counters struct{ Packets, Octets, Errors, Dropped uint64 }

// RouteState is one route.
type RouteState struct {
	Prefix  netip.Prefix
	Gateway netip.Addr // zero when directly connected
	Device  string
	Metric  int
	Origin  string // "configured", "connected" or "other"
}

// State reads the kernel. cfg says which ports there are.
func (n *Net) State(cfg *config.Config) (State, error) {
	var s State
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
	var ports []PortState
	for _, c := range cfg.Ports {
		p := PortState{Slot: c.Slot, Port: c.Port, Device: n.o.PortName(c.Slot, c.Port), Enabled: c.Enabled,
			Context: c.Bind.Context.Name, Interface: c.Bind.Interface.Name}
		ports = append(ports, p)
		for _, v := range c.VLANs {
			ports = append(ports, PortState{Slot: c.Slot, Port: c.Port, VLAN: v.ID, Device: vlanDevice(p.Device, v.ID), Enabled: c.Enabled && v.Enabled,
				Context: v.Bind.Context.Name, Interface: v.Bind.Interface.Name})
		}
	}
	n.mu.Lock()
	clients := n.clients
	n.mu.Unlock()
	for _, p := range ports {
		if c := clients[p.Device]; c != nil {
			state := c.State()
			p.DHCP = &state
		}
		if i := slices.IndexFunc(links, func(l netlink.Link) bool { return l.Attrs().Name == p.Device }); i >= 0 {
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
		state := RouteState{Prefix: key.prefix, Gateway: gateway.Unmap(), Device: names[r.LinkIndex], Metric: key.metric, Origin: "other"}
		switch r.Protocol {
		case ours:
			state.Origin = "configured"
		case unix.RTPROT_KERNEL:
			state.Origin = "connected"
		}
		s.Routes = append(s.Routes, state)
	}
	return s, errors.Join(errs...)
}

func (n *Net) portState(p *PortState, link netlink.Link) error {
	a := link.Attrs()
	p.Present, p.MAC, p.MTU = true, a.HardwareAddr.String(), a.MTU
	p.Up, p.Link = linkState(a)
	p.Speed, p.Duplex = n.probe.speed(p.Device)
	p.Driver = n.probe.driver(p.Device)
	if st := a.Statistics; st != nil {
		p.Rx = Counters{st.RxPackets, st.RxBytes, st.RxErrors, st.RxDropped}
		p.Tx = Counters{st.TxPackets, st.TxBytes, st.TxErrors, st.TxDropped}
	}
	addrs, err := n.kernelAddresses(link)
	if err != nil {
		return fmt.Errorf("read addresses of %s: %w", p.Device, err)
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
