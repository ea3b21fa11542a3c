package check

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// Lines gives the checks access to the language: it locates each line of a configuration and knows what the line may refer to.
type Lines struct {
	Table   *cli.Table
	Types   map[reflect.Type]cli.Type // of the table
	Sealing bool                      // the box has a key for sealed passwords
}

// Configuration returns all problems of cfg, one for each line.
func (l Lines) Configuration(cfg *config.Config, env Env) []Problem {
	c := &checker{cfg: cfg, env: env, language: l, lines: map[lineKey]Where{}, headers: map[any]Where{}, names: map[nameKey][]string{}}
	l.Table.Walk(cfg, true, c.line)
	for _, check := range checks {
		check(c)
	}
	return c.problems
}

// checks judge what the lines of a configuration mean together.
var checks = []func(*checker){
	checkBinds, checkPorts, checkIdentities, checkNetwork, checkNames, checkClock, checkSwitches, checkTables, checkInterfaces,
	checkTeams, checkCallingNumber, checkMedia, checkDomains, checkHuntGroups, checkGateways, checkTLS, checkACME, checkConsole, checkWeb, checkSyslog, checkSNMP, checkMetrics, checkSeals, checkRecords, checkHEP, checkFleet, checkRedundancy, checkPresence,
	checkPhones, checkSurvivals, checkProvisioning,
}

// checker collects problems.
type checker struct {
	cfg      *config.Config
	env      Env
	language Lines
	problems []Problem
	lines    map[lineKey]Where    // where each field of each object is printed
	headers  map[any]Where        // the line that opens each object
	names    map[nameKey][]string // of the objects that a reference may mean
}

// nameKey is a kind of reference, and the outermost object around it.
type nameKey struct {
	kind   reflect.Type
	within any
}

type lineKey struct {
	owner any
	field string
	index int
}

// line records where a line stands and checks its references.
func (c *checker) line(p *cli.Printed) {
	w := Where{Path: p.Path, Source: p.Text}
	c.lines[lineKey{p.Owner, p.Field, p.Index}] = w
	if p.Elem != nil {
		c.headers[p.Elem] = w
	}
	if p.Stmt.Note != "" && !strings.HasPrefix(p.Text, "no ") {
		c.add(w, Note, p.Stmt.Note, "")
	}
	p.Refs(func(t reflect.Type, what, name string, value any) {
		if t == reflect.TypeFor[config.Ref[config.IPContext, config.IPInterface]]() || t == reflect.TypeFor[config.Ref[config.LocationService, config.IdentityGroup]]() {
			return // bound to a context: see checkBinds and checkIdentities
		}
		k := nameKey{t, p.Within}
		defined, ok := c.names[k]
		if !ok {
			for _, n := range c.language.Types[t].Names(c.cfg, p.Within) {
				defined = append(defined, config.SameName(n))
			}
			c.names[k] = defined
		}
		if !slices.Contains(defined, config.SameName(name)) {
			c.missing(w, what, name, defined)
		}
	})
}

// missing reports a reference to an object that does not exist.
func (c *checker) missing(w Where, what, name string, defined []string) {
	text := fmt.Sprintf("no such %s: %s", what, name)
	near := cli.Nearest(name, defined)
	switch {
	case len(near) > 0:
		text += ", did you mean " + near[0] + "?"
	case len(defined) == 1:
		near = defined
		fallthrough
	case len(defined) > 0 && len(defined) <= 8:
		text += ", defined: " + strings.Join(defined, ", ")
	case len(defined) == 0:
		text += ", none is defined"
	}
	fix := ""
	if len(near) > 0 {
		fix = replaceWord(w.Source, name, near[0])
	}
	c.add(w, Error, text, fix)
}

// replaceWord replaces the last word of a line that is name.
func replaceWord(line, name, with string) string {
	words := strings.Split(line, " ")
	for i := len(words) - 1; i >= 0; i-- {
		if words[i] == cli.Quote(name) {
			words[i] = cli.Quote(with)
			return strings.Join(words, " ")
		}
	}
	return ""
}

func (c *checker) add(w Where, s Severity, text, fix string) {
	c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: s, Text: text, Fix: fix})
}

// at returns the line that prints a field of an object. If the field is not printed, it returns the object's header.
func (c *checker) at(owner any, field string, index ...int) Where {
	k := lineKey{owner: owner, field: field}
	if len(index) > 0 {
		k.index = index[0]
	}
	if w, ok := c.lines[k]; ok {
		return w
	}
	return c.headers[owner]
}

// in reports a line that is missing in an object: the problem is that of the object's header, and the fix belongs below it.
func (c *checker) in(owner any, s Severity, text, fix string) {
	w := c.headers[owner]
	p := Problem{Path: w.Path, Source: w.Source, Severity: s, Text: text, Fix: fix}
	if fix != "" {
		p.FixPath = append(slices.Clone(w.Path), w.Source)
	}
	c.problems = append(c.problems, p)
}

// interfaces calls f for each SIP interface with the gateway that it uses; nil if it uses none.
func (c *checker) interfaces(f func(*config.Switch, *config.SIPInterface, *config.SIPGateway)) {
	for _, s := range c.cfg.CS {
		for _, i := range s.Interfaces {
			f(s, i, i.Gateway.In(c.cfg))
		}
	}
}

func names[T any](list []*T, nameOf func(*T) string) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = nameOf(x)
	}
	return out
}
