package vrrp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Forms of RFC 9568.
const (
	protocol     = 112
	versionType  = 3<<4 | 1 // version 3, type 1: the only one there is
	headerSize   = 8
	hops         = 255 // of what has passed no router
	maxAddresses = 255
	intervalUnit = 10 * time.Millisecond
	maxInterval  = 0xfff * intervalUnit
)

// group is where routers of VRRP speak.
var group = netip.AddrFrom4([4]byte{224, 0, 0, 18})

// Advert is what the active router says again and again.
type Advert struct {
	Router    uint8         // the number of the virtual router
	Priority  uint8         // 255: the addresses are its own for good; 0: it gives up now
	Interval  time.Duration // until it says so again: 10 ms to 40.95 s, in steps of 10 ms
	Addresses []netip.Addr  // the virtual addresses, IPv4; 1 to 255
}

// Errors of Parse.
var (
	errShort     = errors.New("shorter than it says")
	errLong      = errors.New("longer than it says")
	errChecksum  = errors.New("wrong checksum")
	errNoAddress = errors.New("it has no address")
	errInterval  = errors.New("it has no interval")
)

// Append writes an advertisement behind b, as it is sent from a source.
func (a Advert) Append(b []byte, source netip.Addr) ([]byte, error) {
	switch {
	case a.Router == 0:
		return b, errors.New("write advertisement: it has no number of a virtual router")
	case len(a.Addresses) == 0 || len(a.Addresses) > maxAddresses:
		return b, fmt.Errorf("write advertisement: %d addresses", len(a.Addresses))
	case a.Interval < intervalUnit || a.Interval > maxInterval:
		return b, fmt.Errorf("write advertisement: interval %v", a.Interval)
	case !source.Is4():
		return b, fmt.Errorf("write advertisement: source %v is no IPv4 address", source)
	}
	start := len(b)
	b = append(b, versionType, a.Router, a.Priority, uint8(len(a.Addresses)))
	b = binary.BigEndian.AppendUint16(b, uint16(a.Interval/intervalUnit))
	b = append(b, 0, 0)
	for _, addr := range a.Addresses {
		if !addr.Is4() {
			return b[:start], fmt.Errorf("write advertisement: %v is no IPv4 address", addr)
		}
		b = append(b, addr.AsSlice()...)
	}
	binary.BigEndian.PutUint16(b[start+6:], checksum(b[start:], source))
	return b, nil
}

// Parse reads an advertisement, without its IP header, that came from a source. The caller has looked at the hops.
func Parse(b []byte, source netip.Addr) (Advert, error) {
	if len(b) < headerSize {
		return Advert{}, errShort
	}
	if b[0] != versionType {
		return Advert{}, fmt.Errorf("version %d, type %d, and not 3 and 1", b[0]>>4, b[0]&0xf)
	}
	a := Advert{Router: b[1], Priority: b[2], Interval: time.Duration(binary.BigEndian.Uint16(b[4:])&0xfff) * intervalUnit}
	switch size := headerSize + 4*int(b[3]); {
	case b[3] == 0:
		return Advert{}, errNoAddress
	case len(b) < size:
		return Advert{}, errShort
	case len(b) > size:
		return Advert{}, errLong
	case !source.Is4() || checksum(b, source) != 0:
		return Advert{}, errChecksum
	case a.Interval == 0:
		return Advert{}, errInterval
	}
	for rest := b[headerSize:]; len(rest) > 0; rest = rest[4:] {
		a.Addresses = append(a.Addresses, netip.AddrFrom4([4]byte(rest)))
	}
	return a, nil
}

// checksum is that of RFC 9568 5.2.8, over the pseudo-header of IPv4 too. Over a message that has its checksum it is 0.
func checksum(b []byte, source netip.Addr) uint16 {
	from, to := source.As4(), group.As4()
	sum := uint32(protocol) + uint32(len(b))
	for _, part := range [][]byte{from[:], to[:], b} {
		for ; len(part) > 1; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
		if len(part) == 1 {
			sum += uint32(part[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
