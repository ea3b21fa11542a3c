package lang

import (
	"fmt"
	"slices"

	"viaduct/appliance/config"
)

// The type of a table decides about its entries: the keys of a table of times are times.

func completeMapping(owner, elem any) error {
	t, m := owner.(*config.MappingTable), elem.(*config.Mapping)
	if err := t.Out.CheckValue(m.To); err != nil || m.Default {
		return err
	}
	return completeKey(t.In, &m.Key)
}

func completeRoute(owner, elem any) error {
	t, r := owner.(*config.RoutingTable), elem.(*config.Route)
	if r.Default {
		return nil
	}
	return completeKey(t.Key, &r.Key)
}

// completePresenceMap reads a line that names a state alone as one with `none`.
func completePresenceMap(_, elem any) error {
	m := elem.(*config.PresenceMap)
	m.None = m.Refuse == 0 && !m.Publish && !m.StarfaceDND
	return nil
}

func completeKey(p config.Property, k *config.Pattern) (err error) {
	*k, err = config.ParseKey(p, k.String())
	return err
}

// completeMappingTable checks the entries of a table whose header is entered again: they may not fit a new type.
func completeMappingTable(_, elem any) error {
	t := elem.(*config.MappingTable)
	t.Maps = slices.Clone(t.Maps)
	for i := range t.Maps {
		if err := completeMapping(t, &t.Maps[i]); err != nil {
			return fmt.Errorf("mapping-table %s has entries of another type: %w", t.Name, err)
		}
	}
	return nil
}

func completeRoutingTable(_, elem any) error {
	t := elem.(*config.RoutingTable)
	t.Routes = slices.Clone(t.Routes)
	for i := range t.Routes {
		if err := completeRoute(t, &t.Routes[i]); err != nil {
			return fmt.Errorf("routing-table %s has entries of another type: %w", t.Name, err)
		}
	}
	return nil
}

// completeInterface records the context of an interface.
func completeInterface(owner, elem any) error {
	elem.(*config.SIPInterface).Context = owner.(*config.Switch).Name
	return nil
}

// fixBindOrder swaps the names of `bind interface` lines in the older order, if they came before their context ip: only now can the two
// names be told apart.
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

// inOrder returns a bind whose names are in the order in which they exist.
func inOrder(cfg *config.Config, b config.IPBind) (config.IPBind, bool) {
	other := config.IPBind{Context: config.Ref[config.Config, config.IPContext]{Name: b.Interface.Name}, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: b.Context.Name}}
	if bindable(cfg, b) || !bindable(cfg, other) {
		return b, false
	}
	return other, true
}

// bindable reports whether both names of a bind exist.
func bindable(cfg *config.Config, b config.IPBind) bool {
	return b.Context.In(cfg) != nil && cfg.IPInterface(config.Ref[config.Config, config.IPContext]{}, b.Interface) != nil
}
