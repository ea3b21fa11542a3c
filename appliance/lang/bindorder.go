package lang

import (
	"slices"

	"viaduct/appliance/config"
)

// fixBindOrder turns around the words of `bind interface` lines that stood in the older order in front of the context ip that
// they name: only now can they be told apart.
func fixBindOrder(cfg *config.Config) *config.Config {
	for n, p := range cfg.Ports {
		port := *p
		bind, changed := inOrder(cfg, p.Bind)
		port.Bind = bind
		for i, v := range p.VLANs {
			bind, turned := inOrder(cfg, v.Bind)
			if !turned {
				continue
			}
			vlan := *v
			vlan.Bind = bind
			port.VLANs = slices.Clone(port.VLANs)
			port.VLANs[i], changed = &vlan, true
		}
		if !changed {
			continue
		}
		cp := *cfg
		cp.Ports = slices.Clone(cfg.Ports)
		cp.Ports[n] = &port
		cfg = &cp
	}
	return cfg
}

// inOrder is a bind in the order of words in which it names an interface that exists.
func inOrder(cfg *config.Config, b config.IPBind) (config.IPBind, bool) {
	other := config.IPBind{Context: config.Ref[config.Config, config.IPContext]{Name: b.Interface.Name}, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: b.Context.Name}}
	if bindable(cfg, b) || !bindable(cfg, other) {
		return b, false
	}
	return other, true
}

// bindable reports whether both names of a bind exist, each for itself.
func bindable(cfg *config.Config, b config.IPBind) bool {
	return b.Context.In(cfg) != nil && cfg.IPInterface(config.Ref[config.Config, config.IPContext]{}, b.Interface) != nil
}
