package netcfg

import (
	"cmp"
	"net/netip"
	"slices"

	"viaduct/appliance/config"

	"github.com/google/nftables/expr"
)

func aclChain(a *config.ACL) string { return "acl-" + a.Name }

// list is the chain of an access list. A packet that it permits goes on through the rest of the firewall.
func list(a *config.ACL) *chain {
	c := &chain{name: aclChain(a)}
	rules := slices.Clone(a.Rules)
	slices.SortStableFunc(rules, func(a, b config.ACLRule) int { return cmp.Compare(a.Index, b.Index) })
	for _, r := range rules {
		for _, p := range protocolsOf(r) {
			c.rules = append(c.rules, aclRule(r, p))
		}
	}
	c.add(counter, drop)
	return c
}

// protocolsOf are those that a rule is about: icmp is that of either family, and a port is one of tcp and of udp.
func protocolsOf(r config.ACLRule) []string {
	families := []netip.Prefix{r.Source.Prefix, r.Destination.Prefix}
	switch {
	case r.Protocol == "ip" && r.PortFirst != 0:
		return []string{"tcp", "udp"}
	case r.Protocol != "icmp":
		return []string{r.Protocol}
	case slices.ContainsFunc(families, func(p netip.Prefix) bool { return p.IsValid() && p.Addr().Is4() }):
		return []string{"icmp"}
	case slices.ContainsFunc(families, func(p netip.Prefix) bool { return p.IsValid() && p.Addr().Is6() }):
		return []string{"icmpv6"}
	}
	return []string{"icmp", "icmpv6"}
}

func aclRule(r config.ACLRule, layer string) rule {
	var parts rule
	// A network of length 0 is still one of its family.
	if p := r.Source.Prefix; p.IsValid() {
		parts = append(parts, address("saddr", p))
	}
	if p := r.Destination.Prefix; p.IsValid() {
		parts = append(parts, address("daddr", p))
	}
	switch {
	case layer == "ip":
	case r.PortFirst != 0 && (layer == "tcp" || layer == "udp"):
		parts = append(parts, ports(layer, "dport", r.PortFirst, max(r.PortFirst, r.PortLast)))
	default:
		parts = append(parts, protocol(layer))
	}
	if r.Action == "permit" {
		return append(parts, leave)
	}
	return append(parts, counter, drop)
}

// lists puts the access lists of a port in front of everything else that comes in and goes out, and returns their chains.
func (j *job) lists(p *port, in, out *chain) (chains []*config.ACL) {
	if p.conf == nil {
		return nil
	}
	add := func(r config.Ref[config.ACL], to *chain, match ...part) {
		if a := r.In(j.cfg); a != nil {
			to.add(append(match, jump(aclChain(a)))...)
			chains = append(chains, a)
		}
	}
	six := slices.ContainsFunc(p.addresses(), func(a netip.Prefix) bool { return a.Addr().Is6() })
	// Without its neighbours' hardware addresses nothing of IPv6 works, and no rule would be written for them.
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
	return chains
}

// protocol matches "tcp", "udp", "icmp" or "icmpv6".
func protocol(name string) part {
	return part{"meta l4proto " + name, meta(expr.MetaKeyL4PROTO, []byte{protocols[name]})}
}

var (
	leave = part{"return", []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}}}
	// reply matches what answers a connection that was let through.
	reply = part{"ct direction reply", []expr.Any{
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{1}},
	}}
)
