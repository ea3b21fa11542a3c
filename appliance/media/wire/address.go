// Package wire is addresses and IPv4 headers of media packets as the kernel wants them, made for speed.
//
// It owns their layout. It does not own sockets, nor which packets are sent (package media). It has no state and no goroutines.
package wire

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Address is an address and port in a form that is compared in three instructions and read from the kernel's without a call.
// IPv4 is kept as mapped into IPv6. The zero value is no address.
type Address struct {
	High, Low uint64
	Port      uint16
}

const mappedPrefix = 0xffff << 32

// AddressOf is an address with its port; the zero Address where either is missing.
func AddressOf(a netip.AddrPort) Address {
	if !a.IsValid() || a.Addr().IsUnspecified() || a.Port() == 0 {
		return Address{}
	}
	b := a.Addr().As16()
	return Address{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:]), a.Port()}
}

// Known reports whether there is an address.
func (a Address) Known() bool { return a.Port != 0 }

// SameHost reports whether two addresses differ in their ports at most.
func (a Address) SameHost(b Address) bool { return a.High == b.High && a.Low == b.Low }

// IsV4 reports whether it is one of IPv4.
func (a Address) IsV4() bool { return a.High == 0 && a.Low>>32 == 0xffff }

// Netip is the address in its usual form.
func (a Address) Netip() netip.AddrPort {
	if !a.Known() {
		return netip.AddrPort{}
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.High)
	binary.BigEndian.PutUint64(b[8:], a.Low)
	return netip.AddrPortFrom(netip.AddrFrom16(b).Unmap(), a.Port)
}

// Sockaddr is room for what the kernel calls struct sockaddr_in or sockaddr_in6.
type Sockaddr [28]byte

// Family is in the machine's byte order, port and address in the network's.
func (s *Sockaddr) Family() uint16 { return *(*uint16)(unsafe.Pointer(s)) }

// Address is what it holds.
func (s *Sockaddr) Address() Address {
	port := uint16(s[2])<<8 | uint16(s[3])
	switch s.Family() {
	case unix.AF_INET:
		return Address{0, mappedPrefix | uint64(s[4])<<24 | uint64(s[5])<<16 | uint64(s[6])<<8 | uint64(s[7]), port}
	case unix.AF_INET6:
		return Address{binary.BigEndian.Uint64(s[8:]), binary.BigEndian.Uint64(s[16:]), port}
	}
	return Address{}
}

// Set writes an address for a socket of the given family and returns its length.
func (s *Sockaddr) Set(a Address, family uint16) uint32 {
	*(*uint16)(unsafe.Pointer(s)) = family
	s[2], s[3] = byte(a.Port>>8), byte(a.Port)
	if family == unix.AF_INET {
		s[4], s[5], s[6], s[7] = byte(a.Low>>24), byte(a.Low>>16), byte(a.Low>>8), byte(a.Low)
		return unix.SizeofSockaddrInet4
	}
	binary.BigEndian.PutUint64(s[4:], 0) // flow information
	binary.BigEndian.PutUint64(s[8:], a.High)
	binary.BigEndian.PutUint64(s[16:], a.Low)
	s[24], s[25], s[26], s[27] = 0, 0, 0, 0 // scope
	return unix.SizeofSockaddrInet6
}
