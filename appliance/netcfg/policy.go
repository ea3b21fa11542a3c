package netcfg

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/config"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Tables of ours beside the main one, and the priority of the rules that choose them (before the main table's 32766).
const (
	firstTable   = 8600
	rulePriority = 8600
)

// table is a routing table that an interface uses.
type table struct {
	name    string // for people: "context ip ROUTER routing-table WAN2"
	number  int
	routes  []config.IPRoute
	sources []netip.Addr // packets from these addresses use it
}

// otherTables lists the routing tables besides DEFAULT, and the addresses of the interfaces that use each.
func (j *job) otherTables() []*table {
	var list []*table
	for _, c := range j.cfg.IP {
		for _, t := range c.Tables {
			if strings.EqualFold(t.Name, "DEFAULT") {
				continue
			}
			x := &table{name: fmt.Sprintf("context ip %s routing-table %s", c.Name, t.Name), number: firstTable + len(list), routes: t.Routes}
			for _, p := range j.ports {
				if uses(p, c, t) {
					for _, a := range p.addresses() {
						x.sources = append(x.sources, a.Addr())
					}
				}
			}
			if len(x.sources) == 0 && len(t.Routes) > 0 && !slices.ContainsFunc(j.ports, func(p *port) bool { return uses(p, c, t) }) {
				j.warn("%s: no interface uses it (use routing-table %s)", x.name, t.Name)
			}
			list = append(list, x)
		}
	}
	return list
}

// uses reports whether a port is bound to an interface of context c that uses its table t.
func uses(p *port, c *config.IPContext, t *config.RoutingTableIP) bool {
	return p.conf != nil && slices.Contains(c.Interfaces, p.conf) && p.conf.Table.In(c) == t
}

// policy sets the rules that choose a table by source address. The routes are set by routes, like those of the main table.
func (j *job) policy(tables []*table) (supported bool) {
	// The main table goes first, for its networks; its default route is left out.
	type choice struct {
		source   netip.Prefix
		table    int
		priority int
	}
	want := map[choice]string{}
	for _, t := range tables {
		for _, a := range t.sources {
			want[choice{single(a), unix.RT_TABLE_MAIN, rulePriority}] = t.name
			want[choice{single(a), t.number, rulePriority + 1}] = t.name
		}
	}
	have, supported, err := j.policyRules()
	if err != nil {
		j.fail("read rules: %w", err)
		return false
	}
	if !supported {
		for _, t := range tables {
			if len(t.sources) > 0 {
				j.warn("%s: the kernel of this image has one routing table only (no policy routing): packets of its interfaces take the routes of table DEFAULT", t.name)
			}
		}
		return false
	}
	for _, r := range have {
		key := choice{prefixOf(r.Src), r.Table, r.Priority}
		if want[key] != "" {
			delete(want, key)
			continue
		}
		if err := j.kernel.RuleDel(&r); err != nil && !errors.Is(err, unix.ENOENT) {
			j.fail("remove rule from %s: %w", key.source, err)
			continue
		}
		j.change("rule from %s table %d removed", key.source, key.table)
	}
	left := slices.SortedFunc(maps.Keys(want), func(a, b choice) int {
		return cmp.Or(a.source.Addr().Compare(b.source.Addr()), a.priority-b.priority)
	})
	for _, key := range left {
		r := netlink.NewRule()
		r.Src, r.Table, r.Priority, r.Family, r.Protocol = ipNet(key.source), key.table, key.priority, netlink.FAMILY_V4, uint8(ours)
		if key.source.Addr().Is6() {
			r.Family = netlink.FAMILY_V6
		}
		if key.table == unix.RT_TABLE_MAIN {
			r.SuppressPrefixlen = 0
		}
		if err := j.kernel.RuleAdd(r); err != nil {
			j.fail("%s: rule from %s: %w", want[key], key.source.Addr(), err)
			continue
		}
		j.change("rule from %s table %d set", key.source, key.table)
	}
	return true
}

// policyRules returns our rules. A kernel without policy routing has no rules at all, not even that of the table local; it would put routes
// of other tables into the main one.
func (n *Net) policyRules() (list []netlink.Rule, supported bool, err error) {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		var all []netlink.Rule
		err := again(func() (err error) {
			all, err = n.kernel.RuleList(family)
			return err
		})
		if err != nil && (errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT)) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		supported = supported || family == netlink.FAMILY_V4 && len(all) > 0
		for _, r := range all {
			if (r.Priority == rulePriority || r.Priority == rulePriority+1) && r.Protocol == uint8(ours) && r.Src != nil {
				r.Family = family
				list = append(list, r)
			}
		}
	}
	return list, supported, nil
}
