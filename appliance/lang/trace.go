package lang

import (
	"fmt"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// traceArgs are where a dry run begins, and the properties of its call.
type traceArgs struct {
	Start     start
	Property  config.Property
	Value     string
	Property2 config.Property
	Value2    string
	Property3 config.Property
	Value3    string
	Property4 config.Property
	Value4    string
}

// start is the name of a routing table, a service, or the interface that a call comes in on.
type start string

// traceCommand is the dry run of a number through the tables.
func traceCommand() Line {
	p := ":" + tableKeys + ">"
	l := command("show call-router trace <start> <property"+p+" <value:text> [<property2"+p+" <value2:text> [<property3"+p+" <value3:text> [<property4"+p+" <value4:text>]]]",
		"Which tables and entries a call passes, and where it ends; nothing is called", showTrace)
	l.Example = "show call-router trace rt_from_starface called-e164 +4930123456"
	return l
}

// startType completes the names at which a trace may begin.
func startType() cli.Type {
	return cli.Type{What: "routing-table, service or interface sip", Names: func(root any) (all []string) {
		for _, s := range root.(*config.Config).CS {
			all = append(all, names(s.RoutingTables, func(x *config.RoutingTable) string { return x.Name })...)
			all = append(all, names(s.HuntGroups, func(x *config.HuntGroup) string { return x.Name })...)
			all = append(all, names(s.Interfaces, func(x *config.SIPInterface) string { return x.Name })...)
		}
		return all
	}}
}

func showTrace(c *call, a *traceArgs) error {
	dest, err := a.Start.dest(c.box.Running())
	if err != nil {
		return err
	}
	var props []PropertyValue
	for _, p := range []PropertyValue{{a.Property, a.Value}, {a.Property2, a.Value2}, {a.Property3, a.Value3}, {a.Property4, a.Value4}} {
		if p.Property != "" {
			props = append(props, p)
		}
	}
	t, err := c.box.Trace(dest, props)
	for _, s := range t.Steps {
		c.printf("%s\n", s)
	}
	for i, s := range t.Attempts {
		c.printf("%d. %s\n", i+1, s)
	}
	if err != nil {
		return fmt.Errorf("not routed: %w", err)
	}
	return nil
}

// dest is where the trace begins.
func (s start) dest(cfg *config.Config) (config.Dest, error) {
	name := string(s)
	if r := (config.Ref[config.RoutingTable]{Name: name}); r.In(cfg) != nil {
		return config.Dest{Table: r}, nil
	}
	if r := (config.Ref[config.HuntGroup]{Name: name}); r.In(cfg) != nil {
		return config.Dest{Service: r}, nil
	}
	if i := (config.Ref[config.SIPInterface]{Name: name}).In(cfg); i != nil {
		if i.Route.IsZero() {
			return config.Dest{}, fmt.Errorf("interface sip %s has no route call", name)
		}
		return i.Route, nil
	}
	return config.Dest{}, fmt.Errorf("no such routing-table, service or interface sip: %s", name)
}
