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

// scopedNames completes names in all contexts cs, as config.Scoped writes them.
func scopedNames(kinds ...func(*config.Switch) []string) func(root, within any) []string {
	return func(root, _ any) (all []string) {
		for _, sw := range root.(*config.Config).CS {
			for _, names := range kinds {
				for _, name := range names(sw) {
					all = append(all, config.Scoped(sw.Name, name))
				}
			}
		}
		return all
	}
}

// inContext returns the name that a word means in a context cs. The word is CONTEXT/NAME, or a plain name, which fits every context.
func inContext(sw *config.Switch, word string) string {
	if n := len(sw.Name); len(word) > n && word[n] == '/' && config.SameName(word[:n]) == config.SameName(sw.Name) {
		return word[n+1:]
	}
	return word
}
