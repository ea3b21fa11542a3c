package chains

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// aspects are what is compared of a chain. A hub has many nodes, which may show several chains at a time, so sets are compared: what was seen
// before and is not seen any more is no change.
var aspects = []struct {
	name string
	of   func(c status.ShownChain) []string // what is compared, and what is shown of it
	show bool
}{
	{"leaf", func(c status.ShownChain) []string { return sums(c.Links[:1]) }, false},
	{"intermediate", func(c status.ShownChain) (list []string) {
		for _, l := range between(c) {
			list = append(list, l.Subject)
		}
		return list
	}, true},
	{"certificate of an intermediate", func(c status.ShownChain) []string { return sums(between(c)) }, false},
	{"root", func(c status.ShownChain) []string { return []string{c.Root} }, true},
	{"key type", func(c status.ShownChain) []string { return []string{c.Links[0].KeyType} }, true},
	{"lifetime", func(c status.ShownChain) []string {
		return []string{plural.Of(int((c.Links[0].NotAfter.Sub(c.Links[0].NotBefore)+12*time.Hour)/(24*time.Hour)), "day")}
	}, true},
}

// between are the certificates of a chain without its leaf and without a root that was sent along.
func between(c status.ShownChain) []status.ChainLink {
	rest := c.Links[1:]
	if n := len(rest); n > 0 && rest[n-1].Subject == rest[n-1].Issuer {
		rest = rest[:n-1]
	}
	return rest
}

func sums(links []status.ChainLink) (list []string) {
	for _, l := range links {
		list = append(list, l.SHA256)
	}
	return list
}

// differences says what of this week's chains was not there last week, "" when nothing is new, and which chains are new.
func differences(before, now []status.ShownChain) (text string, fresh []status.ShownChain) {
	for _, c := range now {
		if !slices.ContainsFunc(before, func(o status.ShownChain) bool { return same(o, c) }) {
			fresh = append(fresh, c)
		}
	}
	if len(fresh) == 0 {
		return "", nil
	}
	var parts []string
	for _, a := range aspects {
		old, new := all(before, a.of), all(fresh, a.of)
		added := slices.DeleteFunc(slices.Clone(new), func(s string) bool { return slices.Contains(old, s) })
		switch {
		case len(added) == 0:
		case !a.show:
			parts = append(parts, a.name)
		case len(old) == 0:
			parts = append(parts, fmt.Sprintf("%s (now %s)", a.name, strings.Join(added, ", ")))
		default:
			parts = append(parts, fmt.Sprintf("%s (now %s; before %s)", a.name, strings.Join(added, ", "), strings.Join(old, ", ")))
		}
	}
	if len(parts) == 0 {
		parts = []string{"order of the chain"}
	}
	return strings.Join(parts, ", "), fresh
}

// all is the set of an aspect.
func all(list []status.ShownChain, of func(status.ShownChain) []string) (set []string) {
	for _, c := range list {
		set = append(set, of(c)...)
	}
	slices.Sort(set)
	return slices.Compact(set)
}
