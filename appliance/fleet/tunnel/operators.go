package tunnel

import (
	"hash/fnv"
	"net/netip"
	"time"
)

const (
	mostOperators = 32               // remembered at once
	operatorKept  = 10 * time.Minute // after its last connection, for so long is a source shut out (package bans)

	dialBurst = 20 // of one operator at once,
	dialEvery = 500 * time.Millisecond
)

// operators are those who have connections, or had some lately. Each has an address in 127.77.0.0/16, mostly the same each time: what follows from
// the name, or the next that is free. It is not safe for concurrent use.
type operators map[string]*operator

// operator is one of them.
type operator struct {
	address netip.Addr
	open    int       // connections
	until   time.Time // remembered
	left    int       // dials that may come at once
	at      time.Time // when left was counted
}

// of returns an operator, who is remembered from now on; nil: there are too many.
func (o operators) of(name string, now time.Time) *operator {
	x := o[name]
	if x == nil {
		for other, x := range o {
			if x.open == 0 && now.After(x.until) {
				delete(o, other)
			}
		}
		if len(o) >= mostOperators {
			return nil
		}
		x = &operator{address: o.address(name), left: dialBurst, at: now}
		o[name] = x
	}
	x.until = now.Add(operatorKept)
	return x
}

// address is one that no other has.
func (o operators) address(name string) netip.Addr {
	taken := map[netip.Addr]bool{}
	for _, x := range o {
		taken[x.address] = true
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	for n := uint16(h.Sum32()); ; n++ {
		a := netip.AddrFrom4([4]byte{127, 77, byte(n >> 8), byte(n)})
		if last := byte(n); last != 0 && last != 255 && !taken[a] {
			return a
		}
	}
}

// dials reports whether the operator may dial once more.
func (x *operator) dials(now time.Time) bool {
	if n := int(now.Sub(x.at) / dialEvery); n > 0 {
		x.left, x.at = min(dialBurst, x.left+n), now
	}
	if x.left == 0 {
		return false
	}
	x.left--
	return true
}
