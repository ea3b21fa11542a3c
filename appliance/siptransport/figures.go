package siptransport

import (
	"errors"
	"slices"
	"strings"

	"viaduct/appliance/status"

	"golang.org/x/sys/unix"
)

// Figures fills in the gateway's counters and returns the sockets of each interface.
func (g *Gate) Figures(x *status.Gateway) map[string][]status.Listener {
	x.Connections = g.connections.size()
	x.Requests, x.Untrusted, x.Malformed = g.Counters.Requests.Load(), g.Counters.Untrusted.Load(), g.Counters.Malformed.Load()
	x.Refused, x.Surplus, x.Shed = g.Counters.Refused.Load(), g.Counters.Surplus.Load(), g.Counters.Shed.Load()
	return g.sockets.figures()
}

// figures describes the sockets of each interface.
func (s *sockets) figures() map[string][]status.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := map[string][]status.Listener{}
	for k, l := range s.listeners {
		y := status.Listener{Transport: k.transport.String(), Address: k.addr}
		switch {
		case errors.Is(l.err, unix.EADDRNOTAVAIL):
			y.State, y.Error = status.ListenerNoAddress, l.err.Error()
		case l.err != nil:
			y.State, y.Error = status.ListenerFailed, l.err.Error()
		}
		of[l.iface] = append(of[l.iface], y)
	}
	for _, list := range of {
		slices.SortFunc(list, func(a, b status.Listener) int {
			return strings.Compare(a.Transport+a.Address.String(), b.Transport+b.Address.String())
		})
	}
	return of
}
