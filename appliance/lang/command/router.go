package command

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/lang/word"
)

// The call router: its tables, and dry runs through them.

// showCallRouter lists the tables and services, or the lines of one.
func showCallRouter(c *Call, a *named) error {
	cfg := c.Box.Running()
	rows := [][]string{{"Kind", "Name", "Lines", "Used by"}}
	var found []any
	contexts := map[any]*config.Switch{} // of what was found
	var users map[target][]string
	if a.Name == "" {
		users = c.routerUsers()
	}
	for _, sw := range cfg.CS {
		block := func(kind string, t target, name string, object any, n int) {
			if a.Name == "" {
				rows = append(rows, []string{kind, config.Scoped(sw.Name, name), fmt.Sprint(n), "-"})
				for i, user := range users[t] { // a line each: the names of interfaces are long
					if i > 0 {
						rows = append(rows, []string{"", "", "", ""})
					}
					rows[len(rows)-1][3] = user
				}
				return
			}
			if config.SameName(inContext(sw, a.Name)) == t.name {
				found = append(found, object)
				contexts[object] = sw
			}
		}
		for _, t := range sw.RoutingTables {
			block("routing-table", targetOf[config.Ref[config.Switch, config.RoutingTable]](sw, t.Name), t.Name, t, len(t.Routes))
		}
		for _, t := range sw.MappingTables {
			block("mapping-table", targetOf[config.FunctionRef](sw, t.Name), t.Name, t, len(t.Maps))
		}
		for _, f := range sw.Functions {
			block("complex-function", targetOf[config.FunctionRef](sw, f.Name), f.Name, f, len(f.Steps))
		}
		for _, h := range sw.HuntGroups {
			block("service hunt-group", targetOf[config.ServiceRef](sw, h.Name), h.Name, h, len(h.Routes))
		}
	}
	var in *config.Switch
	for _, object := range found {
		if sw := contexts[object]; sw != in && contexts[found[0]] != contexts[found[len(found)-1]] {
			c.Printf("context cs %s\n", cli.Quote(sw.Name))
			in = sw
		}
		c.printObject(object)
	}
	switch {
	case a.Name != "" && len(found) == 0:
		return fmt.Errorf("no such table, function or service: %s", a.Name)
	case a.Name == "" && len(rows) == 1:
		c.Printf("No tables are configured.\n")
	case a.Name == "":
		c.page().Columns(rows)
	}
	return nil
}

// printObject prints the block of an object in the running configuration.
func (c *Call) printObject(object any) {
	depth := -1
	c.Language.Walk(c.Box.Running(), true, func(p *cli.Printed) {
		switch {
		case p.Elem == object:
			depth = len(p.Path)
		case depth >= 0 && len(p.Path) <= depth:
			depth = -1
		}
		if depth >= 0 {
			c.Printf("%s%s\n", strings.Repeat("  ", len(p.Path)-depth), p.Text)
		}
	})
}

// target is an object of a context cs as references mean it. One name may stand for objects of several kinds.
type target struct {
	in   *config.Switch
	ref  reflect.Type
	name string
}

func targetOf[R any](in *config.Switch, name string) target {
	return target{in, reflect.TypeFor[R](), config.SameName(name)}
}

// routerUsers lists the blocks that refer to each object of the contexts cs. It is one walk through the configuration for all objects.
func (c *Call) routerUsers() map[target][]string {
	users := map[target][]string{}
	c.Language.Walk(c.Box.Running(), true, func(p *cli.Printed) {
		sw, ok := p.Within.(*config.Switch)
		if !ok {
			return
		}
		p.Refs(func(ref reflect.Type, _, name string, _ any) {
			if ref == reflect.TypeFor[config.Ref[config.Switch, config.MappingTable]]() {
				ref = reflect.TypeFor[config.FunctionRef]() // both name a mapping table
			}
			words := cli.Words(p.Path[len(p.Path)-1])
			to, user := target{sw, ref, config.SameName(name)}, words[len(words)-1].Text
			if !slices.Contains(users[to], user) {
				users[to] = append(users[to], user)
			}
		})
	})
	return users
}

// traceArgs are the start of a dry run and the properties of its call.
type traceArgs struct {
	Start                                 start
	Property, Property2, Property3        config.Property
	Property4, Property5, Property6       config.Property
	Value, Value2, Value3, Value4, Value5 string
	Value6                                string
}

// properties returns the properties that were given.
func (a *traceArgs) properties() (list []device.PropertyValue) {
	for _, p := range []device.PropertyValue{
		{Property: a.Property, Value: a.Value}, {Property: a.Property2, Value: a.Value2}, {Property: a.Property3, Value: a.Value3},
		{Property: a.Property4, Value: a.Value4}, {Property: a.Property5, Value: a.Value5}, {Property: a.Property6, Value: a.Value6},
	} {
		if p.Property != "" {
			list = append(list, p)
		}
	}
	return list
}

// start is the name of a routing table, a service, or the interface that receives the call.
type start string

// traceCommand is the dry run of a call through the tables.
func traceCommand() cli.Line {
	one := func(n string) string { return "<property" + n + ":" + word.TableKeys + "> <value" + n + ":text>" }
	more := ""
	for n := 6; n >= 2; n-- {
		more = " [" + one(strconv.Itoa(n)) + more + "]"
	}
	l := command("show call-router trace <start> "+one("")+more,
		"Dry run: the tables and entries that a call with these properties passes, whether it would go through, and with which numbers", showTrace)
	l.Example = "show call-router trace rt_from_starface called-e164 +4930123456"
	return l
}

// startType completes the names at which a trace can start.
func startType() cli.Type {
	return cli.Type{What: "routing-table, service or interface sip", Names: scopedNames(
		config.Ref[config.Switch, config.RoutingTable]{}.Names,
		config.ServiceRef{}.Names,
		config.Ref[config.Switch, config.SIPInterface]{}.Names,
	)}
}

func showTrace(c *Call, a *traceArgs) error {
	begin, err := a.Start.resolve(c.Box.Running())
	if err != nil {
		return err
	}
	t, err := c.Box.Trace(begin, a.properties())
	if err != nil {
		return err
	}
	for _, s := range t.Steps {
		c.page().Folded(s[:len(s)-len(strings.TrimLeft(s, " "))], s)
	}
	for i, s := range t.Attempts {
		c.page().Folded(fmt.Sprintf("%d. ", i+1), s)
	}
	for _, s := range t.Notes {
		c.page().Folded("% note: ", s)
	}
	c.page().Folded("", t.Result)
	return nil
}

// resolve finds the start of a trace.
func (s start) resolve(cfg *config.Config) (device.TraceStart, error) {
	var found []device.TraceStart
	var contexts []string
	for _, sw := range cfg.CS {
		if begin, ok := startIn(sw, inContext(sw, string(s))); ok {
			found, contexts = append(found, begin), append(contexts, sw.Name+"/"+inContext(sw, string(s)))
		}
	}
	switch len(found) {
	case 0:
		return device.TraceStart{}, fmt.Errorf("no such routing-table, service or interface sip: %s", s)
	case 1:
		return found[0], nil
	}
	return device.TraceStart{}, fmt.Errorf("%s exists in several contexts cs, write %s", s, strings.Join(contexts, " or "))
}

func startIn(sw *config.Switch, name string) (device.TraceStart, bool) {
	if r := (config.Ref[config.Switch, config.RoutingTable]{Name: name}); r.In(sw) != nil {
		return device.TraceStart{Context: sw.Name, Dest: config.Dest{Table: r}}, true
	}
	if slices.Contains(config.ServiceRef{}.Names(sw), config.SameName(name)) {
		return device.TraceStart{Context: sw.Name, Dest: config.Dest{Service: config.ServiceRef{Name: name}}}, true
	}
	if i := (config.Ref[config.Switch, config.SIPInterface]{Name: name}).In(sw); i != nil {
		return device.TraceStart{Context: sw.Name, Interface: i.ID()}, true
	}
	return device.TraceStart{}, false
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
