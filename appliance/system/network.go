package system

import (
	"context"
	"fmt"
	"net/netip"

	"viaduct/appliance/lang"
	"viaduct/appliance/netcfg"
	"viaduct/appliance/netcfg/dhcp"

	"golang.org/x/net/icmp"
)

// network is the kernel's state of the configured ports; an error leaves it empty and in the log.
func (s *System) network() netcfg.State {
	st, err := s.net.State(s.Running())
	if err != nil {
		s.log.Warn("network state not read", "err", err)
	}
	return st
}

// IPInterfaces lists the interfaces of every IP context with what the kernel has.
func (s *System) IPInterfaces() []lang.IPInterface {
	var list []lang.IPInterface
	st := s.network()
	for _, c := range s.Running().IP {
		for _, i := range c.Interfaces {
			x := lang.IPInterface{Context: c.Name, Name: i.Name, State: "not bound"}
			for _, p := range st.Ports {
				if p.Context == c.Name && p.Interface == i.Name {
					x.Port, x.State, x.Addresses, x.MTU = p.Device, state(p), p.Addresses, p.MTU
					x.DHCP = lease(p.DHCP)
				}
			}
			list = append(list, x)
		}
	}
	return list
}

func lease(d *dhcp.State) *lang.Lease {
	if d == nil {
		return nil
	}
	x := &lang.Lease{State: d.Step, Err: d.Problem}
	if l := d.Lease; l != nil {
		x.Address, x.Router, x.NameServers, x.Server, x.Renew, x.Expires = l.Prefix, l.Router, l.NameServers, l.Server, l.Renew, l.Expires
		for _, r := range l.Routes {
			x.Routes = append(x.Routes, lang.IPRoute{Prefix: r.Prefix, Gateway: r.Gateway})
		}
	}
	return x
}

// IPRoutes lists the kernel's routes.
func (s *System) IPRoutes() []lang.IPRoute {
	var list []lang.IPRoute
	for _, r := range s.network().Routes {
		list = append(list, lang.IPRoute{Prefix: r.Prefix, Gateway: r.Gateway, Interface: r.Device, Metric: r.Metric})
	}
	return list
}

// Neighbours lists the hosts of the attached networks that the kernel knows.
func (s *System) Neighbours() (list []lang.Neighbour, err error) {
	known, err := s.net.Neighbours()
	for _, n := range known {
		list = append(list, lang.Neighbour(n))
	}
	return list, err
}

// Ports lists the physical ports.
func (s *System) Ports() []lang.Port {
	var list []lang.Port
	for _, p := range s.network().Ports {
		if p.VLAN != 0 {
			continue
		}
		list = append(list, lang.Port{
			Slot: p.Slot, Port: p.Port, Name: p.Device, MAC: p.MAC, State: state(p), Speed: speed(p),
			RxPackets: p.Rx.Packets, TxPackets: p.Tx.Packets, RxErrors: p.Rx.Errors, TxErrors: p.Tx.Errors,
		})
	}
	return list
}

func state(p netcfg.PortState) string {
	switch {
	case !p.Present:
		return "missing"
	case !p.Up:
		return "down"
	case !p.Link:
		return "no carrier"
	}
	return "up"
}

func speed(p netcfg.PortState) string {
	if p.Speed == 0 {
		return ""
	}
	return fmt.Sprintf("%d Mbit/s %s duplex", p.Speed, p.Duplex)
}

// icmp finds a host's address and opens a socket for echo requests to it; the caller closes it.
func (s *System) icmp(ctx context.Context, host string) (netip.Addr, *icmp.PacketConn, error) {
	addrs, err := s.resolver.Lookup(ctx, host)
	if err != nil {
		return netip.Addr{}, nil, err
	}
	conn, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return netip.Addr{}, nil, fmt.Errorf("open icmp socket: %w", err)
	}
	return addrs[0], conn, nil
}

// networkAlarm keeps the lasting failures of the network. A box without its firewall does no work: its ports stay down.
func (s *System) networkAlarm(name, text string) {
	if text == "" {
		s.standing.clear("network: " + name)
		return
	}
	s.standing.raise("network: "+name, failure{text: text, unfit: name == netcfg.AlarmFirewall})
}
