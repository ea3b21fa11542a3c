package dhcp

import (
	"net/netip"
)

// Route is a static route of a lease (RFC 3442).
type Route struct {
	Prefix  netip.Prefix
	Gateway netip.Addr // not valid: the network is on the link
}

// maxRoutes bounds the routes of a lease.
const maxRoutes = 64

// routing reads the routes of a lease. Where a server sends classless routes, its routers do not count (RFC 3442): the default route is
// among the classless ones. Impossible routes and routers are left out one by one; an unreadable option is ignored.
func (l *Lease) routing(options map[byte][]byte) {
	if list, ok := classless(options[optRoutes]); ok {
		for _, r := range list {
			switch {
			case r.Gateway.IsUnspecified():
				r.Gateway = netip.Addr{}
			case !l.routes(r.Gateway):
				continue
			}
			switch a := r.Prefix.Addr(); {
			case r.Prefix.Bits() == 0 && r.Gateway.IsValid() && !l.Router.IsValid():
				l.Router = r.Gateway
			case r.Prefix.Bits() == 0, unusable(a), len(l.Routes) >= maxRoutes:
			default:
				l.Routes = append(l.Routes, r)
			}
		}
		return
	}
	// Of several routers one in the network is no worse than the others, and needs no route of its own.
	for _, r := range addresses(options[optRouter]) {
		if l.routes(r) && (!l.Router.IsValid() || !l.Prefix.Contains(l.Router) && l.Prefix.Contains(r)) {
			l.Router = r
		}
	}
}

// classless reads option 121: for each route the length of its network, as many octets of it as count, and a gateway.
func classless(b []byte) (list []Route, ok bool) {
	if len(b) == 0 {
		return nil, false
	}
	for len(b) > 0 {
		bits := int(b[0])
		octets := (bits + 7) / 8
		if bits > 32 || len(b) < 1+octets+4 {
			return nil, false
		}
		var a [4]byte
		copy(a[:], b[1:1+octets])
		gateway := netip.AddrFrom4([4]byte(b[1+octets : 1+octets+4]))
		list = append(list, Route{netip.PrefixFrom(netip.AddrFrom4(a), bits).Masked(), gateway})
		b = b[1+octets+4:]
	}
	return list, true
}

// routes reports whether an address can be that of a router of the lease. It may lie outside of the network: hosters give an address
// of its own (/32) and a router that is on the link all the same.
func (l *Lease) routes(a netip.Addr) bool {
	return !unusable(a) && a != l.Prefix.Addr() && a != edge(l.Prefix, false) && a != edge(l.Prefix, true)
}

// unusable reports whether an address cannot be that of a host.
func unusable(a netip.Addr) bool {
	first := a.As4()[0]
	return first == 0 || first == 127 || first >= 224
}

// edge is the address of a network, or its broadcast address; not valid where there are none (RFC 3021).
func edge(p netip.Prefix, last bool) netip.Addr {
	if p.Bits() >= 31 {
		return netip.Addr{}
	}
	b := p.Masked().Addr().As4()
	for i := p.Bits(); last && i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}
