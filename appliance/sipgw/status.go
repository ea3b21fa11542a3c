package sipgw

import (
	"maps"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// Gateways describes the configured gateways, in the order of the configuration that was applied last.
func (s *Stack) Gateways() (list []status.Gateway) {
	s.mu.Lock()
	cfg, running := s.cfg, maps.Clone(s.gateways)
	s.mu.Unlock()
	for _, conf := range cfg.Gateways {
		list = append(list, running[conf.Name].status(conf))
	}
	return list
}

// Connections lists the open connections of all gateways.
func (s *Stack) Connections() (list []status.Connection) {
	s.mu.Lock()
	cfg, running := s.cfg, maps.Clone(s.gateways)
	s.mu.Unlock()
	for _, conf := range cfg.Gateways {
		if g := running[conf.Name]; g != nil {
			list = append(list, g.Connections()...)
		}
	}
	return list
}

// status describes a gateway; g is nil for one that does not run.
func (g *gateway) status(conf *config.SIPGateway) status.Gateway {
	x := status.Gateway{Name: conf.Name}
	var listeners map[string][]status.Listener
	if g != nil {
		listeners = g.Figures(&x)
		x.Legs = g.dialogs.count()
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
