package media

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// address is an address and port in a form that is compared in three instructions and read from the kernel's without a call.
// IPv4 is kept as mapped into IPv6. The zero value is no address.
type address struct {
	high, low uint64
	port      uint16
}

const mappedPrefix = 0xffff << 32

func addressOf(a netip.AddrPort) address {
	if !a.IsValid() || a.Addr().IsUnspecified() || a.Port() == 0 {
		return address{}
	}
	b := a.Addr().As16()
	return address{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:]), a.Port()}
}

func (a address) known() bool { return a.port != 0 }

func (a address) sameHost(b address) bool { return a.high == b.high && a.low == b.low }

func (a address) isV4() bool { return a.high == 0 && a.low>>32 == 0xffff }

func (a address) netip() netip.AddrPort {
	if !a.known() {
		return netip.AddrPort{}
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.high)
	binary.BigEndian.PutUint64(b[8:], a.low)
	return netip.AddrPortFrom(netip.AddrFrom16(b).Unmap(), a.port)
}

// sockaddr is room for what the kernel calls struct sockaddr_in or sockaddr_in6.
type sockaddr [28]byte

// family is in the machine's byte order, port and address in the network's.
func (s *sockaddr) family() uint16 { return *(*uint16)(unsafe.Pointer(s)) }

func (s *sockaddr) address() address {
	port := uint16(s[2])<<8 | uint16(s[3])
	switch s.family() {
	case unix.AF_INET:
		return address{0, mappedPrefix | uint64(s[4])<<24 | uint64(s[5])<<16 | uint64(s[6])<<8 | uint64(s[7]), port}
	case unix.AF_INET6:
		return address{binary.BigEndian.Uint64(s[8:]), binary.BigEndian.Uint64(s[16:]), port}
	}
	return address{}
}

// set writes an address for a socket of the given family and returns its length.
func (s *sockaddr) set(a address, family uint16) uint32 {
	*(*uint16)(unsafe.Pointer(s)) = family
	s[2], s[3] = byte(a.port>>8), byte(a.port)
	if family == unix.AF_INET {
		s[4], s[5], s[6], s[7] = byte(a.low>>24), byte(a.low>>16), byte(a.low>>8), byte(a.low)
		return unix.SizeofSockaddrInet4
	}
	binary.BigEndian.PutUint64(s[4:], 0) // flow information
	binary.BigEndian.PutUint64(s[8:], a.high)
	binary.BigEndian.PutUint64(s[16:], a.low)
	s[24], s[25], s[26], s[27] = 0, 0, 0, 0 // scope
	return unix.SizeofSockaddrInet6
}
