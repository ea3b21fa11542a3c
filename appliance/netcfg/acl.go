package netcfg

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"viaduct/appliance/config"

	"github.com/google/nftables/expr"
)

// list returns the name of the chain of an access list. A packet that it permits goes on through the rest of the firewall.
func (w *wall) list(a *config.ACL) (name string) {
	if c := w.acls[a]; c != nil {
		return c.name
	}
	c := &chain{name: fmt.Sprintf("acl-%d", len(w.acls)+1), title: " # profile acl " + a.Name}
	w.acls[a] = c
	w.lateChains = append(w.lateChains, c)
	rules := slices.Clone(a.Rules)
	slices.SortStableFunc(rules, func(a, b config.ACLRule) int { return cmp.Compare(a.Index, b.Index) })
	for _, e := range joined(rules) {
		for _, layer := range e.layers() {
			c.rules = append(c.rules, e.rule(layer))
		}
	}
	c.add(counter, refuse)
	return c.name
}

// entry is one line of an access list, or several consecutive lines that one rule with sets can replace.
type entry struct {
	action, protocol     string
	sources, destination []netip.Prefix // empty: any
	ports                []portRange    // empty: any
}

// joined makes entries of the lines. Consecutive lines with one action may change places, so lines that differ only in the source, the
// port or the destination become one entry.
func joined(rules []config.ACLRule) (entries []entry) {
	for len(rules) > 0 {
		n := 1
		for n < len(rules) && rules[n].Action == rules[0].Action {
			n++
		}
		row := make([]entry, n)
		for i, r := range rules[:n] {
			row[i] = entryOf(r)
		}
		for _, d := range []dimension{bySource, byPort, byDestination} {
			row = join(row, d)
		}
		entries, rules = append(entries, row...), rules[n:]
	}
	return entries
}

func entryOf(r config.ACLRule) entry {
	// A network of length 0 is still one of its family.
	e := entry{action: r.Action, protocol: r.Protocol, sources: slices.Clone(r.Source.Networks()), destination: slices.Clone(r.Destination.Networks())}
	if r.PortFirst != 0 && r.Protocol != "icmp" {
		e.ports = []portRange{{r.PortFirst, max(r.PortFirst, r.PortLast)}}
	}
	return e
}

// dimension is a property in which entries may differ and still become one.
type dimension struct {
	wildcard func(e *entry) bool // the entry stands for all values: it is one with nothing
	family   func(e *entry) bool // a set holds one family
	forget   func(e *entry)
	take     func(e, from *entry)
}

var (
	bySource = dimension{
		wildcard: func(e *entry) bool { return len(e.sources) == 0 },
		family:   func(e *entry) bool { return e.sources[0].Addr().Is6() },
		forget:   func(e *entry) { e.sources = nil },
		take:     func(e, from *entry) { e.sources = append(e.sources, from.sources...) },
	}
	byDestination = dimension{
		wildcard: func(e *entry) bool { return len(e.destination) == 0 },
		family:   func(e *entry) bool { return e.destination[0].Addr().Is6() },
		forget:   func(e *entry) { e.destination = nil },
		take:     func(e, from *entry) { e.destination = append(e.destination, from.destination...) },
	}
	byPort = dimension{
		wildcard: func(e *entry) bool { return len(e.ports) == 0 },
		family:   func(*entry) bool { return false },
		forget:   func(e *entry) { e.ports = nil },
		take:     func(e, from *entry) { e.ports = append(e.ports, from.ports...) },
	}
)

// join merges entries that are equal except in one dimension into the first of them.
func join(row []entry, d dimension) (kept []entry) {
	first := map[string]int{}
	for _, e := range row {
		if d.wildcard(&e) {
			kept = append(kept, e)
			continue
		}
		rest := e
		d.forget(&rest)
		key := fmt.Sprint(d.family(&e), rest)
		if i, known := first[key]; known {
			d.take(&kept[i], &e)
			continue
		}
		first[key] = len(kept)
		kept = append(kept, e)
	}
	return kept
}

// layers are the protocols that an entry is about: icmp is that of either family, and a port is one of tcp and of udp.
func (e entry) layers() []string {
	families := slices.Concat(e.sources, e.destination)
	switch {
	case e.protocol == "ip" && len(e.ports) > 0:
		return []string{"tcp", "udp"}
	case e.protocol != "icmp":
		return []string{e.protocol}
	case slices.ContainsFunc(families, func(p netip.Prefix) bool { return p.Addr().Is4() }):
		return []string{"icmp"}
	case slices.ContainsFunc(families, func(p netip.Prefix) bool { return p.Addr().Is6() }):
		return []string{"icmpv6"}
	}
	return []string{"icmp", "icmpv6"}
}

func (e entry) rule(layer string) rule {
	parts := append(among("saddr", e.sources), among("daddr", e.destination)...)
	switch {
	case layer == "ip":
	case len(e.ports) > 0:
		parts = append(parts, portsAmong(layer, "dport", e.ports))
	default:
		parts = append(parts, protocol(layer))
	}
	if e.action == "permit" {
		return append(parts, leave)
	}
	return append(parts, counter, refuse)
}

// lists puts the access lists of a port before all its other rules.
func (w *wall) lists(p *port, in, out *chain) {
	if p.conf == nil {
		return
	}
	add := func(r config.Ref[config.Config, config.ACL], to *chain, match ...part) {
		if a := r.In(w.cfg); a != nil {
			to.add(append(match, jump(w.list(a)))...)
		}
	}
	six := slices.ContainsFunc(p.addresses(), func(a netip.Prefix) bool { return a.Addr().Is6() })
	// IPv6 needs the hardware addresses of neighbours, and no administrator would write a rule for neighbour discovery.
	neighbours := func(to *chain, match ...part) {
		for _, kind := range []string{"nd-neighbor-solicit", "nd-neighbor-advert"} {
			if six {
				to.add(append(slices.Clone(match), icmp("icmpv6", kind), rate(100), accept)...)
			}
		}
	}
	if a := p.conf.ACLIn; !a.IsZero() {
		in.add(reply, accept)
		neighbours(in)
		add(a, in)
	}
	if a := p.conf.ACLOut; !a.IsZero() {
		out.add(device("oifname", p.device), reply, accept)
		neighbours(out, device("oifname", p.device))
		add(a, out, device("oifname", p.device))
	}
}

// protocol matches "tcp", "udp", "icmp", "icmpv6", "igmp" or "vrrp".
func protocol(name string) part {
	return part{text: "meta l4proto " + name, exprs: meta(expr.MetaKeyL4PROTO, []byte{protocols[name]})}
}

var (
	leave = part{text: "return", exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}}}
	// reply matches replies to a connection that was permitted.
	reply = part{text: "ct direction reply", exprs: []expr.Any{
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{1}},
	}}
)
