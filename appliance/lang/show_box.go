package lang

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// techSupport are the commands whose answers somebody wants who is asked for help.
var techSupport = []string{
	"show version", "show system", "show clock", "show sntp-client", "show alarms", "show config problems", "show running-config", "show config diff",
	"show system images", "show system licenses", "show port ethernet", "show ip interface", "show ip route", "show arp", "show dhcp-client",
	"show pki", "show context sip-gateway", "show sip registrations", "show sip penalty-box", "show call-router", "show calls detail 5",
	"show calls history 50", "show accounts", "show bans", "show users", "show log 300",
}

// showTechSupport prints the answers to many commands, as an operator sees them: without secrets.
func showTechSupport(c *call, _ *none) error {
	s := *c.session
	s.Mode, s.Class = nil, config.Operator
	for _, line := range techSupport {
		c.printf("\n---- %s ----\n\n", line)
		if _, err := c.lang.Exec(c.ctx, c.box, &s, line, nil, c.out); c.ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// showCallRouter lists the tables, and the lines of one.
func showCallRouter(c *call, a *named) error {
	cfg := c.box.Running()
	rows := [][]string{{"Kind", "Name", "Lines", "Used by"}}
	found := false
	for _, sw := range cfg.CS {
		block := func(kind, name string, object any, n int) {
			if a.Name == "" {
				rows = append(rows, []string{kind, config.Scoped(sw.Name, name), fmt.Sprint(n), cmp.Or(strings.Join(usersOf(c, sw, name), ", "), "-")})
				return
			}
			if config.SameName(inContext(sw, a.Name)) == config.SameName(name) {
				found = true
				c.printObject(object)
			}
		}
		for _, t := range sw.RoutingTables {
			block("routing-table", t.Name, t, len(t.Routes))
		}
		for _, t := range sw.MappingTables {
			block("mapping-table", t.Name, t, len(t.Maps))
		}
		for _, f := range sw.Functions {
			block("complex-function", f.Name, f, len(f.Steps))
		}
		for _, h := range sw.HuntGroups {
			block("service hunt-group", h.Name, h, len(h.Routes))
		}
	}
	switch {
	case a.Name != "" && !found:
		return fmt.Errorf("no such table, function or service: %s", a.Name)
	case a.Name == "" && len(rows) == 1:
		c.printf("No tables are configured.\n")
	case a.Name == "":
		c.page().Columns(rows)
	}
	return nil
}

// printObject prints the line of the running configuration that opens an object, and what is in it.
func (c *call) printObject(object any) {
	depth := -1
	c.lang.table.Walk(c.box.Running(), true, func(p *cli.Printed) {
		switch {
		case p.Elem == object:
			depth = len(p.Path)
		case depth >= 0 && len(p.Path) <= depth:
			depth = -1
		}
		if depth >= 0 {
			c.printf("%s%s\n", strings.Repeat("  ", len(p.Path)-depth), p.Text)
		}
	})
}

// usersOf lists the blocks with a line that names an object of a context cs.
func usersOf(c *call, sw *config.Switch, name string) (users []string) {
	seen := map[string]bool{}
	c.walkRefs(func(path []string, within any, refers string) {
		if within != sw || config.SameName(refers) != config.SameName(name) {
			return
		}
		words := strings.Fields(path[len(path)-1])
		if u := words[len(words)-1]; !seen[u] {
			seen[u] = true
			users = append(users, u)
		}
	})
	return users
}

// walkRefs calls f for every reference of the running configuration, with the headers of the block that it stands in, and the
// outermost object.
func (c *call) walkRefs(f func(path []string, within any, name string)) {
	c.lang.table.Walk(c.box.Running(), true, func(p *cli.Printed) {
		p.Refs(func(_ reflect.Type, _, name string, _ any) { f(p.Path, p.Within, name) })
	})
}

func traceroute(c *call, a *host) error {
	c.live()
	return c.box.Traceroute(c.ctx, a.Host, func(line string) { c.printf("%s\n", line) })
}
