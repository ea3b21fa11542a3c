// Package source tells who counts as one sender where senders are limited: an address, and of IPv6 the network of 64 bits around it, of
// which anybody who has one address has all.
//
// It owns that rule. What a sender may do is its users' business.
package source

import "net/netip"

// network is the length of the IPv6 networks.
const network = 64

// Of is the sender that an address belongs to. It stands for the whole network of an IPv6 address.
func Of(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() {
		return a
	}
	return netip.PrefixFrom(a.WithZone(""), network).Masked().Addr()
}

// Name is a sender in words: an address, or a network.
func Name(of netip.Addr) string {
	if of.Is6() {
		return netip.PrefixFrom(of, network).String()
	}
	return of.String()
}
