package system

import (
	"slices"

	"viaduct/appliance/netcfg"
	"viaduct/appliance/status"
)

// network reads the state of the configured ports from the kernel. An error goes to the log, and the state is empty.
func (s *System) network() status.Network {
	n, err := s.net.State(s.Running())
	if err != nil {
		s.log.Warn("network state not read", "err", err)
	}
	return n
}

// IPInterfaces lists the interfaces of every IP context with their state in the kernel.
func (s *System) IPInterfaces() []status.IPInterface {
	return netcfg.Interfaces(s.Running(), s.network().Ports)
}

// IPRoutes lists the kernel's routes.
func (s *System) IPRoutes() []status.Route { return s.network().Routes }

// Neighbours lists the hosts of the attached networks that the kernel knows.
func (s *System) Neighbours() ([]status.Neighbour, error) { return s.net.Neighbours() }

// Ports lists the physical ports.
func (s *System) Ports() []status.Port {
	return slices.DeleteFunc(s.network().Ports, func(p status.Port) bool { return p.VLAN != 0 })
}

// NameServers lists the name servers in use.
func (s *System) NameServers() []status.NameServer { return s.resolver.Status() }
