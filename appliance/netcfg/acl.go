package netcfg

import (
	"cmp"
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
		c.rules = append(c.rules, aclRule(r))
	}
	c.add(counter, drop)
	return c
}

func aclRule(r config.ACLRule) rule {
	var parts rule
	if p := r.Source.Prefix; p.IsValid() && p.Bits() > 0 {
		parts = append(parts, address("saddr", p))
	}
	if p := r.Destination.Prefix; p.IsValid() && p.Bits() > 0 {
		parts = append(parts, address("daddr", p))
	}
	switch {
	case r.Protocol == "ip":
	case r.PortFirst != 0 && r.Protocol != "icmp":
		parts = append(parts, ports(r.Protocol, "dport", r.PortFirst, max(r.PortFirst, r.PortLast)))
	default:
		parts = append(parts, protocol(r.Protocol))
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
	if a := p.conf.ACLIn; !a.IsZero() {
		in.add(reply, accept)
		add(a, in)
	}
	if a := p.conf.ACLOut; !a.IsZero() {
		out.add(device("oifname", p.device), reply, accept)
		add(a, out, device("oifname", p.device))
	}
	return chains
}

// protocol matches "tcp", "udp" or "icmp".
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
