package config

import (
	"cmp"
	"net/netip"
	"slices"
)

// Packet is a packet that an access list is asked about.
type Packet struct {
	Protocol        string // "tcp" or "udp"
	Source, To      netip.Addr
	DestinationPort uint16
}

// Decides returns the rule that decides about a packet; nil: none matches, and the packet is dropped.
func (l *ACL) Decides(p Packet) *ACLRule {
	rules := slices.SortedStableFunc(slices.Values(l.Rules), func(a, b ACLRule) int { return cmp.Compare(a.Index, b.Index) })
	n := slices.IndexFunc(rules, func(r ACLRule) bool { return r.matches(p) })
	if n < 0 {
		return nil
	}
	return &rules[n]
}

// Permits reports whether the list lets a packet pass.
func (l *ACL) Permits(p Packet) bool {
	r := l.Decides(p)
	return r != nil && r.Action == "permit"
}

func (r ACLRule) matches(p Packet) bool {
	if r.Protocol != "ip" && r.Protocol != p.Protocol || !r.Source.Holds(p.Source) || !r.Destination.Holds(p.To) {
		return false
	}
	return r.PortFirst == 0 || r.PortFirst <= p.DestinationPort && p.DestinationPort <= max(r.PortFirst, r.PortLast)
}
