package lang

import (
	"fmt"
	"slices"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// alone refuses a header whose name is taken in another context. References name an object without its context, so one of two
// objects of a name would be found by the lines of both.
func alone(cfg *config.Config, w layer, m *cli.Match) error {
	if m.Stmt.Mode == nil || m.Neg || len(w.path) != 1 || len(m.Key()) == 0 {
		return nil
	}
	name, here := m.Key()[len(m.Key())-1], w.path[0].Key()[0]
	taken := func(context, owner, kind string, names []string) error {
		same := func(n string) bool { return config.SameName(n) == config.SameName(name) }
		if config.SameName(owner) == config.SameName(here) && kind == m.Stmt.Into || !slices.ContainsFunc(names, same) {
			return nil
		}
		return fmt.Errorf("the name %s would be ambiguous: context %s %s has %s of that name, choose another", cli.Quote(name), context, cli.Quote(owner), kindNames[kind])
	}
	switch w.path[0].Stmt.Prompt {
	case "ctx-ip":
		for _, x := range cfg.IP {
			if err := taken("ip", x.Name, m.Stmt.Into, ipNames(x, m.Stmt.Into)); err != nil {
				return err
			}
		}
	case "ctx-cs":
		for _, x := range cfg.CS {
			for _, kind := range sharing(m.Stmt.Into) {
				if err := taken("cs", x.Name, kind, switchNames(x, kind)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// kindNames are what the lists of a context hold.
var kindNames = map[string]string{
	"Interfaces": "an interface", "Tables": "a routing-table", "RoutingTables": "a routing-table", "MappingTables": "a mapping-table",
	"Functions": "a complex-function", "HuntGroups": "a service",
}

// sharing are the lists whose names one reference may mean: a function is a mapping table or a complex function.
func sharing(list string) []string {
	if functions := []string{"MappingTables", "Functions"}; slices.Contains(functions, list) {
		return functions
	}
	return []string{list}
}

func ipNames(x *config.IPContext, list string) []string {
	switch list {
	case "Interfaces":
		return names(x.Interfaces, func(i *config.IPInterface) string { return i.Name })
	case "Tables":
		// The table of a context's own routes is meant by nobody's reference, and may be in each.
		return slices.DeleteFunc(names(x.Tables, func(t *config.RoutingTableIP) string { return t.Name }),
			func(n string) bool { return strings.EqualFold(n, "DEFAULT") })
	}
	return nil
}

func switchNames(x *config.Switch, list string) []string {
	switch list {
	case "Interfaces":
		return names(x.Interfaces, func(i *config.SIPInterface) string { return i.Name })
	case "RoutingTables":
		return names(x.RoutingTables, func(t *config.RoutingTable) string { return t.Name })
	case "MappingTables":
		return mappingTables(x)
	case "Functions":
		return names(x.Functions, func(f *config.ComplexFunction) string { return f.Name })
	case "HuntGroups":
		return names(x.HuntGroups, func(h *config.HuntGroup) string { return h.Name })
	}
	return nil
}
