package lang

import (
	"fmt"
	"reflect"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// showSystem is how the box is.
func showSystem(c *call, _ *none) error {
	v, now := c.box.Version(), c.box.Clock()
	rows := [][]string{
		{"Serial number:", v.Serial}, {"Software:", v.Product + " " + v.Release}, {"Board:", v.Board},
		{"Time:", c.local(now.Now)},
	}
	if !v.Started.IsZero() {
		rows = append(rows, []string{"Up for:", span(now.Now.Sub(v.Started))})
	}
	if r := c.box.Coming(); r != nil {
		rows = append(rows, []string{"Reload:", r.In(now.Now)})
	}
	rows = append(rows, []string{"Load:", dash(v.Load)}, []string{"Memory:", fmt.Sprintf("%.1f MiB in use by sbcd", float64(v.Memory)/(1<<20))})
	for _, m := range v.More {
		rows = append(rows, []string{m.Name + ":", m.Value})
	}
	rows = append(rows, []string{"Temperature:", dash(v.Temperature)},
		[]string{"Calls:", fmt.Sprint(c.box.CallCount())}, []string{"Sessions:", fmt.Sprint(len(c.box.Sessions()))})
	c.page().Columns(rows)
	return nil
}

func showUptime(c *call, _ *none) error {
	c.printf("Up for %s\n", span(c.box.Clock().Now.Sub(c.box.Version().Started)))
	return nil
}

// techSupport are the commands whose answers somebody wants who is asked for help.
var techSupport = []string{
	"show version", "show system", "show clock", "show sntp-client", "show config problems", "show running-config", "show config diff",
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
	block := func(kind, header, name string, n int) {
		if a.Name == "" {
			rows = append(rows, []string{kind, name, fmt.Sprint(n), dash(strings.Join(usersOf(c, name), ", "))})
			return
		}
		if config.SameName(a.Name) == config.SameName(name) {
			found = true
			c.printBlock(header)
		}
	}
	for _, s := range cfg.CS {
		for _, t := range s.RoutingTables {
			block("routing-table", fmt.Sprintf("routing-table %s %s", t.Key, t.Name), t.Name, len(t.Routes))
		}
		for _, t := range s.MappingTables {
			block("mapping-table", fmt.Sprintf("mapping-table %s to %s %s", t.In, t.Out, t.Name), t.Name, len(t.Maps))
		}
		for _, f := range s.Functions {
			block("complex-function", "complex-function "+f.Name, f.Name, len(f.Steps))
		}
		for _, h := range s.HuntGroups {
			block("service hunt-group", "service hunt-group "+h.Name, h.Name, len(h.Routes))
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

// printBlock prints a block of the running configuration with what is in it.
func (c *call) printBlock(header string) {
	depth := -1
	for line := range strings.Lines(string(c.lang.Print(c.box.Running(), c.masked()))) {
		text := strings.TrimLeft(line, " ")
		indent := len(line) - len(text)
		switch {
		case strings.TrimRight(text, "\n") == header:
			depth = indent
		case depth >= 0 && indent <= depth && text != "\n":
			return
		}
		if depth >= 0 && text != "\n" {
			c.printf("%s\n", strings.TrimRight(line[depth:], "\n"))
		}
	}
}

// usersOf lists the blocks with a line that names an object.
func usersOf(c *call, name string) (users []string) {
	seen := map[string]bool{}
	c.walkRefs(func(path []string, refers string) {
		if config.SameName(refers) != config.SameName(name) || len(path) == 0 {
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

// walkRefs calls f for every reference of the running configuration, with the headers of the block that it stands in.
func (c *call) walkRefs(f func(path []string, name string)) {
	c.lang.table.Walk(c.box.Running(), true, func(p *cli.Printed) {
		p.Refs(func(_ reflect.Type, _, name string, _ any) { f(p.Path, name) })
	})
}

func traceroute(c *call, a *host) error {
	c.live()
	return c.box.Traceroute(c.ctx, a.Host, func(line string) { c.printf("%s\n", line) })
}
