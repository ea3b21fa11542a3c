package names

import (
	"cmp"
	"math/rand/v2"
	"net"
	"slices"
)

// ordered returns the records as a client has to try them: lowest priority first; within a priority one after the other is
// drawn with a chance in proportion to its weight (RFC 2782, "Weight").
func ordered(records []net.SRV) []*net.SRV {
	rest := make([]*net.SRV, 0, len(records))
	for _, rec := range records {
		rest = append(rest, &rec)
	}
	slices.SortStableFunc(rest, func(a, b *net.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	out := make([]*net.SRV, 0, len(rest))
	for len(rest) > 0 {
		n, sum := 0, 0
		for n < len(rest) && rest[n].Priority == rest[0].Priority {
			sum += int(rest[n].Weight)
			n++
		}
		drawn, i := rand.IntN(sum+1), 0
		for left := int(rest[0].Weight); left < drawn; left += int(rest[i].Weight) {
			i++
		}
		out = append(out, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	return out
}
