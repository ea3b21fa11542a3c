package netcfg

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/config"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// set is the set in which one rule looks up a value: networks of one family, or ports. With a rule for each of a thousand networks every
// packet would pass all of them, and they would not fit into one message to the kernel.
type set struct {
	kind     nftables.SetDatatype
	elements []nftables.SetElement // where each range begins and where the next value outside begins
	lookup   *expr.Lookup          // in the rule; sets gives it the set's name
	kernel   *nftables.Set
}

// sets are the sets of all rules; their names are numbers.
func (r ruleset) sets(table *nftables.Table) (list []*set) {
	for _, c := range r {
		for _, rule := range c.rules {
			for _, p := range rule {
				if p.set == nil || slices.Contains(list, p.set) {
					continue
				}
				list = append(list, p.set)
				name := fmt.Sprintf("set-%d", len(list))
				p.set.lookup.SetName = name
				p.set.kernel = &nftables.Set{Table: table, Name: name, KeyType: p.set.kind, Interval: true}
			}
		}
	}
	return list
}

// elementsAtOnce fit into one message: its list has 64 KiB at most, and an IPv6 address takes 44 octets of it.
const elementsAtOnce = 1000

// write queues the set and its elements.
func (s *set) write(conn *nftables.Conn) error {
	err := conn.AddSet(s.kernel, nil)
	for chunk := range slices.Chunk(s.elements, elementsAtOnce) {
		if err == nil {
			err = conn.SetAddElements(s.kernel, chunk)
		}
	}
	s.lookup.SetID = s.kernel.ID
	return err
}

// in is the expression that looks the register up in a set.
func (s *set) in() expr.Any {
	s.lookup = &expr.Lookup{SourceRegister: reg}
	return s.lookup
}

// add adds a range. The end is the first value behind it; without one the range goes on to the last value there is.
func (s *set) add(first, behind []byte) {
	s.elements = append(s.elements, nftables.SetElement{Key: first})
	if behind != nil {
		s.elements = append(s.elements, nftables.SetElement{Key: behind, IntervalEnd: true})
	}
}

// among matches addresses ("saddr" or "daddr") in any of the networks: one part for each family that is among them.
func among(side string, networks []netip.Prefix) (parts []part) {
	for _, six := range []bool{false, true} {
		list := merge(slices.DeleteFunc(slices.Clone(networks), func(p netip.Prefix) bool { return p.Addr().Is6() != six }))
		switch len(list) {
		case 0:
		case 1:
			parts = append(parts, address(side, list[0]))
		default:
			parts = append(parts, addressSet(side, list))
		}
	}
	return parts
}

// addressSet matches addresses in networks of one family, which are sorted and apart.
func addressSet(side string, list []netip.Prefix) part {
	first := list[0].Addr()
	s := &set{kind: nftables.TypeIPAddr}
	if first.Is6() {
		s.kind = nftables.TypeIP6Addr
	}
	words := make([]string, len(list))
	var begin netip.Addr
	for i, p := range list {
		if words[i] = p.String(); p.IsSingleIP() {
			words[i] = p.Addr().String()
		}
		if !begin.IsValid() {
			begin = p.Addr()
		}
		behind := config.LastOf(p).Next() // invalid behind the last address of all
		if i+1 < len(list) && list[i+1].Addr() == behind {
			continue // the kernel's sets take no range that begins where another ends
		}
		if behind.IsValid() {
			s.add(begin.AsSlice(), behind.AsSlice())
		} else {
			s.add(begin.AsSlice(), nil)
		}
		begin = netip.Addr{}
	}
	word, load := addressField(side, first)
	return part{text: word + " { " + strings.Join(words, ", ") + " }", exprs: append(load, s.in()), set: s}
}

// merge sorts networks and drops networks inside others.
func merge(list []netip.Prefix) []netip.Prefix {
	list = slices.Clone(list)
	for i, p := range list {
		list[i] = p.Masked()
	}
	// A network comes right before all that lie in it.
	slices.SortFunc(list, func(a, b netip.Prefix) int { return cmp.Or(a.Addr().Compare(b.Addr()), a.Bits()-b.Bits()) })
	var kept []netip.Prefix
	for _, p := range list {
		if n := len(kept); n == 0 || !kept[n-1].Contains(p.Addr()) {
			kept = append(kept, p)
		}
	}
	return kept
}

// portRange are ports from first to last.
type portRange struct{ first, last uint16 }

// portsAmong matches "sport" or "dport" of tcp or udp in any of the ranges.
func portsAmong(protocol, side string, ranges []portRange) part {
	ranges = mergePorts(ranges)
	if len(ranges) == 1 {
		return ports(protocol, side, ranges[0].first, ranges[0].last)
	}
	s := &set{kind: nftables.TypeInetService}
	words := make([]string, len(ranges))
	for i, r := range ranges {
		if words[i] = fmt.Sprint(r.first); r.last > r.first {
			words[i] = fmt.Sprintf("%d-%d", r.first, r.last)
		}
		if r.last < 1<<16-1 {
			s.add(number(r.first), number(r.last+1))
		} else {
			s.add(number(r.first), nil)
		}
	}
	return part{text: fmt.Sprintf("%s %s { %s }", protocol, side, strings.Join(words, ", ")), exprs: append(portField(protocol, side), s.in()), set: s}
}

// mergePorts sorts ranges and joins overlapping or adjacent ones.
func mergePorts(list []portRange) (kept []portRange) {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b portRange) int { return cmp.Compare(a.first, b.first) })
	for _, r := range list {
		if n := len(kept); n > 0 && int(r.first) <= int(kept[n-1].last)+1 {
			kept[n-1].last = max(kept[n-1].last, r.last)
			continue
		}
		kept = append(kept, r)
	}
	return kept
}
