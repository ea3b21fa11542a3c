package wire

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Length is the length of IPv4 and UDP header.
const Length = 20 + 8

// Header is common to all packets of a port: IPv4 header and UDP source port, with the sum over its constant words.
type Header struct {
	bytes [Length]byte
	Sum   uint64 // of source address, protocol and source port, for UDP's checksum
	ip    uint64 // of the constant words of IP's header, for its checksum
}

// NewHeader is that of a port with its address.
func NewHeader(from netip.AddrPort, tos byte) (h Header) {
	if !from.Addr().Is4() {
		return h
	}
	b, a := &h.bytes, from.Addr().As4()
	b[0], b[1] = 0x45, tos
	b[6] = 0x40 // do not fragment: voice is far below any MTU
	b[8], b[9] = 64, 17
	copy(b[12:], a[:])
	binary.BigEndian.PutUint16(b[20:], from.Port())
	for i := 0; i < 20; i += 2 {
		h.ip += uint64(binary.BigEndian.Uint16(b[i:]))
	}
	h.Sum = uint64(binary.BigEndian.Uint16(a[:])) + uint64(binary.BigEndian.Uint16(a[2:])) + 17 + uint64(from.Port())
	return h
}

// Write fills the first 28 octets of frame, before the payload.
func Write(frame []byte, h *Header, to Address, ident uint16) {
	b := binary.BigEndian
	copy(frame, h.bytes[:])
	udp := frame[20:]
	b.PutUint16(frame[2:], uint16(len(frame)))
	b.PutUint16(frame[4:], ident)
	b.PutUint32(frame[16:], uint32(to.Low))
	b.PutUint16(frame[10:], ^fold(h.ip+uint64(len(frame))+uint64(ident)+to.Low>>16&0xffff+to.Low&0xffff))
	b.PutUint16(udp[2:], to.Port)
	b.PutUint16(udp[4:], uint16(len(udp)))
	sum := h.Sum + to.Low>>16&0xffff + to.Low&0xffff + uint64(to.Port) + 2*uint64(len(udp))
	sum += uint64(onesSum(udp[8:]))
	check := ^fold(sum)
	if check == 0 {
		check = 0xffff // zero stands for "not computed" (RFC 768)
	}
	b.PutUint16(udp[6:], check)
}

// onesSum is the one's complement sum of big-endian 16-bit words, an odd octet padded by zero (RFC 1071: in either byte order, and
// in steps as wide as the machine likes).
func onesSum(p []byte) uint16 {
	var sum, carry uint64
	for ; len(p) >= 32; p = p[32:] {
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(p), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(p[8:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(p[16:]), carry)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(p[24:]), carry)
	}
	for ; len(p) >= 8; p = p[8:] {
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(p), carry)
	}
	if len(p) > 0 {
		var last [8]byte
		copy(last[:], p)
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(last[:]), carry)
	}
	return bits.ReverseBytes16(fold(sum>>32 + sum&0xffffffff + carry))
}

// fold adds the carries of a sum of 16-bit words to it.
func fold(sum uint64) uint16 {
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
