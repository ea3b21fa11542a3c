package config

import (
	"net/netip"
	"slices"
	"time"
)

// Redundancy is `redundancy`: the box is one of a pair. Both boxes have this configuration word for word; which of the two a box is follows from its
// own key. The addresses of the IP interfaces at Interfaces are those of the pair: the active box has them.
type Redundancy struct {
	Enabled    bool             // no shutdown; default true
	Router     uint8            // virtual-router N: VRRP's number of the pair, 1 to 255, the same at all ports; 0: the pair is not complete
	Boxes      []*PairBox       // box 1, box 2
	Interfaces []*PairInterface // interface CONTEXT NAME: at least one with virtual addresses, and one that is direct
	Advertise  int              // advertise-interval MILLISECONDS: 50 to 1000, in steps of 10; default 100
	Preempt    bool             // preempt: box 1 becomes active whenever it can. Default false: who is active stays active
}

// SetDefaults sets what no configuration says.
func (r *Redundancy) SetDefaults() { r.Enabled, r.Advertise = true, 100 }

// PairBox is `box N key SHA256`.
type PairBox struct {
	Number uint8  // 1 or 2
	Key    string // the SHA-256 of its public key, 64 hex digits in small letters; see pair.Key
}

// PairInterface is `interface CONTEXT NAME` of a pair: a port with its IP interface.
type PairInterface struct {
	Context   Ref[Config, IPContext]
	Interface Ref[IPContext, IPInterface]
	Boxes     []*PairAddress // box 1, box 2: each box's own address here
	Witness   netip.Addr     // witness A.B.C.D: who is asked whether the network knows the active box; invalid: see Witnesses
	Direct    bool           // direct: the path between the boxes alone; the interface has no virtual address
}

// PairAddress is `box N A.B.C.D/N` of an interface.
type PairAddress struct {
	Number uint8
	Prefix netip.Prefix // with the host bits
}

// Interval is how often the active box says that it lives.
func (r *Redundancy) Interval() time.Duration { return time.Duration(r.Advertise) * time.Millisecond }

// Box returns the number of the box with a key, 0 for neither.
func (r *Redundancy) Box(key string) uint8 {
	for _, b := range r.Boxes {
		if b.Key == key {
			return b.Number
		}
	}
	return 0
}

// Key returns the key of a box, "" when there is none yet.
func (r *Redundancy) Key(box uint8) string {
	for _, b := range r.Boxes {
		if b.Number == box {
			return b.Key
		}
	}
	return ""
}

// Own returns a box's own address at an interface; invalid when there is none yet.
func (i *PairInterface) Own(box uint8) netip.Prefix {
	for _, a := range i.Boxes {
		if a.Number == box {
			return a.Prefix
		}
	}
	return netip.Prefix{}
}

// DirectPath returns the interface of the path between the boxes, or nil.
func (r *Redundancy) DirectPath() *PairInterface {
	for _, i := range r.Interfaces {
		if i.Direct {
			return i
		}
	}
	return nil
}

// Complete reports whether the pair can work: it has a number, two different keys, a direct path and a port with virtual addresses, and both boxes'
// addresses at each.
func (r *Redundancy) Complete() bool {
	one, two := r.Key(1), r.Key(2)
	if r.Router == 0 || one == "" || two == "" || one == two || r.DirectPath() == nil {
		return false
	}
	virtual := false
	for _, i := range r.Interfaces {
		if !i.Own(1).IsValid() || !i.Own(2).IsValid() {
			return false
		}
		virtual = virtual || !i.Direct
	}
	return virtual
}

// Pair returns the pair that the box is to be one of, nil when there is none, or it is shut down or not complete.
func (c *Config) Pair() *Redundancy {
	if r := c.Redundancy; r != nil && r.Enabled && r.Complete() {
		return r
	}
	return nil
}

// Witnesses are who is asked at an interface: the device of its line, or else the gateways of routes through it.
func (c *Config) Witnesses(i *PairInterface) (list []netip.Addr) {
	if i.Witness.IsValid() {
		return []netip.Addr{i.Witness}
	}
	ip := i.Context.In(c)
	if ip == nil || i.Direct {
		return nil
	}
	for _, t := range ip.Tables {
		for _, r := range t.Routes {
			if a := i.Own(1); a.IsValid() && a.Masked().Contains(r.Gateway) && !slices.Contains(list, r.Gateway) {
				list = append(list, r.Gateway)
			}
		}
	}
	return list
}
