package lang

import (
	"fmt"
	"slices"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// unambiguous rejects a header whose name would mean two things in its context: a function is a mapping table or a complex function, and
// references do not say which.
func (l *Language) unambiguous(cfg *config.Config, w layer, m *cli.Match) error {
	if m.Stmt.Mode == nil || m.Neg || len(w.path) != 1 || len(m.Key()) == 0 {
		return nil
	}
	sw, _ := l.editor.Object(cfg, w.path).(*config.Switch)
	if sw == nil {
		return nil
	}
	name := m.Key()[len(m.Key())-1]
	other, taken := "", []string(nil)
	switch m.Stmt.Into {
	case "MappingTables":
		other, taken = "complex-function", config.Ref[config.Switch, config.ComplexFunction]{}.Names(sw)
	case "Functions":
		other, taken = "mapping-table", config.Ref[config.Switch, config.MappingTable]{}.Names(sw)
	}
	if !slices.ContainsFunc(taken, func(n string) bool { return config.SameName(n) == config.SameName(name) }) {
		return nil
	}
	return fmt.Errorf("the name %s would be ambiguous: context cs %s has a %s of that name, choose another", cli.Quote(name), cli.Quote(sw.Name), other)
}
