package sipgw

import (
	"errors"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/status"

	"golang.org/x/sys/unix"
)

// Gateways describes the configured gateways, in the order of the configuration that was applied last.
func (s *Stack) Gateways() (list []status.Gateway) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg == nil {
		return nil
	}
	for _, conf := range s.cfg.Gateways {
		list = append(list, s.gateways[conf.Name].status(conf))
	}
	return list
}

// status describes a gateway; g is nil for one that does not run.
func (g *gateway) status(conf *config.SIPGateway) status.Gateway {
	x := status.Gateway{Name: conf.Name}
	var listeners map[string][]status.Listener
	if g != nil {
		listeners = g.figures(&x)
	}
	for _, i := range conf.Interfaces {
		y := status.GatewayInterface{Name: i.Name, Listeners: listeners[i.Name]}
		switch {
		case len(y.Listeners) > 0:
			y.State = status.GatewayUp
		case !conf.Enabled:
			y.State = status.GatewayShutdown
		}
		for _, l := range y.Listeners {
			if l.State != status.ListenerOpen {
				y.State, y.Error = status.GatewayFailed, l.Error
			}
		}
		x.Interfaces = append(x.Interfaces, y)
	}
	return x
}

// figures fills in the gateway's counters and returns the sockets of each interface.
func (g *gateway) figures(x *status.Gateway) map[string][]status.Listener {
	g.mu.Lock()
	defer g.mu.Unlock()
	x.Connections, x.Legs = len(g.streams), g.dialogs.count()
	x.Requests, x.Untrusted, x.Malformed = g.counters.requests.Load(), g.counters.untrusted.Load(), g.counters.malformed.Load()
	x.Refused, x.Surplus = g.counters.refused.Load(), g.counters.surplus.Load()
	of := map[string][]status.Listener{}
	for k, l := range g.listeners {
		y := status.Listener{Transport: k.transport, Address: k.addr}
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
