package check

import (
	"fmt"
	"net/netip"
	"slices"

	"viaduct/appliance/config"
)

// checkRedundancy checks whether the box can be one of its pair.
func checkRedundancy(c *checker) {
	r := c.cfg.Redundancy
	if r == nil || !r.Enabled {
		return
	}
	if r.Router == 0 {
		c.in(r, Warning, "the pair does not work: it has no number for VRRP. No other VRRP router in its networks may have the same", "virtual-router 173")
	}
	for n := range uint8(2) {
		if r.Key(n+1) == "" {
			c.in(r, Warning, fmt.Sprintf("the pair does not work: box %d is not known. `show redundancy key %d` prints the line there", n+1, n+1), fmt.Sprintf("box %d key SHA256", n+1))
		}
	}
	if one := r.Key(1); one != "" && one == r.Key(2) {
		c.add(c.at(r, "Boxes", 1), Warning, "the pair does not work: both boxes have the same key. `show redundancy key` prints that of each", "")
	}
	if r.Advertise%10 != 0 {
		c.add(c.at(r, "Advertise"), Warning, "VRRP counts in hundredths of a second", fmt.Sprintf("advertise-interval %d", max(50, r.Advertise/10*10)))
	}
	c.pathsOfPair(r)
	for _, i := range r.Interfaces {
		c.pairInterface(r, i)
	}
	c.besidePair(r)
}

// pathsOfPair checks that there is one path between the boxes, and something else to take over.
func (c *checker) pathsOfPair(r *config.Redundancy) {
	var direct, others []*config.PairInterface
	for _, i := range r.Interfaces {
		if i.Direct {
			direct = append(direct, i)
		} else {
			others = append(others, i)
		}
	}
	switch {
	case len(direct) == 0:
		c.in(r, Warning, "the pair does not work: no interface is the direct path between the boxes, which carries what they copy", "")
	case len(direct) > 1:
		for _, i := range direct[1:] {
			c.add(c.at(i, "Direct"), Warning, "there is a direct path already: "+direct[0].Interface.Name, "no direct")
		}
	}
	if len(others) == 0 {
		c.in(r, Warning, "the pair does not work: it names no interface with an ipaddress, so there is nothing to take over", "")
	}
}

// pairInterface checks the addresses of both boxes and of the pair at one interface.
func (c *checker) pairInterface(r *config.Redundancy, i *config.PairInterface) {
	x := c.cfg.IPInterface(i.Context, i.Interface)
	if x == nil {
		if in := i.Context.In(c.cfg); in != nil { // a missing context is reported with its own name
			w := c.headers[i]
			c.add(w, Error, "no such interface of context ip "+in.Name+": "+i.Interface.Name, "no "+w.Source)
		}
		return
	}
	if !c.onPort()[x] && len(x.Addresses) == 0 {
		c.add(c.headers[i], Warning, "no enabled port is bound to interface "+x.Name, "")
	}
	for n := range uint8(2) {
		if !i.Own(n + 1).IsValid() {
			c.in(i, Warning, fmt.Sprintf("the pair does not work: box %d has no address of its own here", n+1), fmt.Sprintf("box %d ADDRESS/24", n+1))
		}
	}
	for n, a := range i.Boxes {
		c.ownAddress(c.at(i, "Boxes", n), x, a)
	}
	if one, two := i.Own(1), i.Own(2); one.IsValid() && two.IsValid() {
		w := c.at(i, "Boxes", 1)
		switch {
		case one.Addr() == two.Addr():
			c.add(w, Warning, "both boxes have the same address: each needs one of its own", "")
		case one.Masked() != two.Masked():
			c.add(w, Warning, fmt.Sprintf("%s and %s are not in one network", one, two), "")
		}
	}
	switch {
	case i.Direct:
		c.directPath(i, x)
	case len(x.Addresses) == 0:
		fix := ""
		if r.DirectPath() == nil {
			fix = "direct"
		}
		c.in(i, Warning, "the pair has no address here: interface "+x.Name+" has no ipaddress. The direct path needs none, and the line direct", fix)
	}
	c.witness(i, x)
}

// ownAddress checks an address of one box beside those of the pair.
func (c *checker) ownAddress(w Where, x *config.IPInterface, a *config.PairAddress) {
	p := a.Prefix
	switch {
	case !p.Addr().Is4():
		c.add(w, Warning, "a pair has addresses of IPv4 alone", "")
		return
	case p.Bits() < 31 && (p.Addr() == p.Masked().Addr() || p.Addr() == lastOf(p)):
		c.add(w, Warning, fmt.Sprintf("%s is no address for a box: it stands for all of %s", p.Addr(), p.Masked()), "")
	}
	for _, v := range x.Addresses {
		switch {
		case v.DHCP || v.Prefix.Addr().Is6():
		case v.Prefix.Addr() == p.Addr():
			c.add(w, Warning, fmt.Sprintf("%s is the address of the pair: each box needs one of its own beside it", p.Addr()), "")
		case v.Prefix.Masked() != p.Masked():
			c.add(w, Warning, fmt.Sprintf("%s is not in the network of the pair's address %s", p, v.Prefix), "")
		}
	}
}

// lastOf is the broadcast address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(a)
}

// directPath checks the path between the boxes.
func (c *checker) directPath(i *config.PairInterface, x *config.IPInterface) {
	for n := range x.Addresses {
		w := c.at(x, "Addresses", n)
		c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning, Fix: "no " + w.Source,
			Text: "interface " + x.Name + " is the direct path of the pair, which has no ipaddress: the boxes have their own addresses there"})
	}
	for _, p := range c.attached() {
		for n, a := range i.Boxes {
			if p.Overlaps(a.Prefix.Masked()) && len(x.Addresses) == 0 {
				c.add(c.at(i, "Boxes", n), Warning, fmt.Sprintf("the network of the direct path is %s, too: it needs one that is nowhere else", p), "")
			}
		}
	}
	if i.Witness.IsValid() {
		c.add(c.at(i, "Witness"), Warning, "nobody but the two boxes is on the direct path: no witness is asked there", "no witness")
	}
}

// witness checks who can say which box the network knows.
func (c *checker) witness(i *config.PairInterface, x *config.IPInterface) {
	if i.Direct || len(x.Addresses) == 0 || len(i.Boxes) == 0 {
		return
	}
	w, net := c.at(i, "Witness"), i.Boxes[0].Prefix.Masked()
	ours := slices.ContainsFunc(i.Boxes, func(a *config.PairAddress) bool { return a.Prefix.Addr() == i.Witness }) ||
		slices.ContainsFunc(x.Addresses, func(a config.IPAddress) bool { return a.Prefix.Addr() == i.Witness })
	switch {
	case !i.Witness.IsValid():
		if len(c.cfg.Witnesses(i)) == 0 {
			c.in(i, Warning, "the boxes have nobody to ask who has the pair's address here when they lose each other: there is no witness, and no route has its gateway in "+net.String(), "witness "+c.neighbour(net))
		}
	case ours:
		c.add(w, Warning, "the witness must be another device than the two boxes", "")
	case !net.Contains(i.Witness):
		c.add(w, Warning, fmt.Sprintf("the witness %s is not in %s: only a device in this network can tell who has the pair's address here", i.Witness, net), "")
	}
}

// neighbour is a peer in a network, for a line that names one.
func (c *checker) neighbour(net netip.Prefix) string {
	found := "ADDRESS"
	c.interfaces(func(_ *config.Switch, i *config.SIPInterface, _ *config.SIPGateway) {
		if a, err := netip.ParseAddr(i.Remote.Host); err == nil && net.Contains(a) {
			found = a.String()
		}
	})
	return found
}

// besidePair looks at the interfaces that are none of the pair. Both boxes have the same configuration, and so the same addresses there.
func (c *checker) besidePair(r *config.Redundancy) {
	in := map[*config.IPInterface]bool{}
	for _, i := range r.Interfaces {
		in[c.cfg.IPInterface(i.Context, i.Interface)] = true
	}
	bound := c.onPort()
	for _, x := range c.cfg.IP {
		for _, i := range x.Interfaces {
			for n, a := range i.Addresses {
				w := c.at(i, "Addresses", n)
				switch {
				case in[i] && a.Prefix.Addr().Is6():
					c.add(w, Warning, fmt.Sprintf("a pair has addresses of IPv4 alone: nobody has %s while the box is one of a pair", a.Prefix.Addr()), "")
				case in[i] && a.DHCP:
					c.add(w, Warning, "an address of the pair cannot come from DHCP: both boxes must know it", "")
				case in[i] || a.DHCP || !bound[i]:
				default:
					c.add(w, Warning, fmt.Sprintf("both boxes of the pair have %s at the same time: name interface %s under redundancy, with an address for each box", a.Prefix.Addr(), i.Name), "")
				}
			}
		}
	}
}
